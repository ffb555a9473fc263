use super::super::failure::{Exit, Failure};
use super::super::{Outcome, print};
use super::{engine, status};
use beamshare::config::Config;
use beamshare::domain::EmailAddress;
use clap::Args;

/// Mail a summary of all pairs to everyone in their `notify`
#[derive(Args)]
pub struct Report {
    /// Send it to this address instead; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<EmailAddress>,
}

impl Report {
    pub async fn act(self, config: &Config) -> Outcome {
        let standings = status::standings(config, false).await?;
        let mut to = self.to;
        if to.is_empty() {
            for address in config.sync.iter().flat_map(|settings| &settings.notify) {
                if !to.contains(address) {
                    to.push(address.clone());
                }
            }
        }
        if to.is_empty() {
            return Err(Failure::usage("nobody to mail to: no pair has notify; give --to ADDRESS"));
        }
        let subject = format!("{}: how the data stands", config.beamline.name);
        engine(config).await?.mail(&to, &subject, &status::text(config, &standings)).await?;
        let to: Vec<&str> = to.iter().map(EmailAddress::as_str).collect();
        print::line(format_args!("mailed to {}", to.join(", ")));
        Ok(Exit::Done)
    }
}
