use super::Outcome;
use super::deliver::{Deliver, Everyone, Present};
use super::failure::{Exit, Failure};
use super::print;
use super::rerun::{report, wait, wait_with_progress};
use super::service::{LIMIT, StatusSnapshot};
use beamshare::config::Config;
use beamshare::delivery::ResendRefused;
use beamshare::domain::{Retry, Step};
use beamshare::journal::Journal;
use beamshare::status::Record;
use channel_access::{Context, Value};
use clap::Args;
use std::time::Duration;

/// How long the service may take to react to a button.
const BEGIN: Duration = Duration::from_secs(15);

/// E-mail the link to the people of the experiment in the PVs, with the contacts on copy of the PI's message
///
/// People who already have the message do not get it again, unless --resend is given. Run it as the account
/// that runs the service.
#[derive(Args)]
pub struct Email {
    /// Send the message only to the contacts, to see what the users would get
    #[arg(long, conflicts_with_all = ["resend", "yes", "schedule"])]
    test: bool,

    /// Mail everyone again, through the service if it is running
    #[arg(long)]
    resend: bool,

    #[command(flatten)]
    everyone: Everyone,

    #[command(flatten)]
    deliver: Deliver,
}

impl Email {
    pub async fn act(self, config: &Config) -> Outcome {
        if config.email.is_none() {
            return Err(Failure::usage("there is no [email] in the settings, so nobody can be mailed"));
        }
        if self.test {
            return test(config).await;
        }
        if self.resend && service_runs(config).await? {
            return resend_by_service(config).await;
        }
        self.deliver.act(config, &[Step::Email], self.resend, &self.everyone).await
    }
}

async fn test(config: &Config) -> Outcome {
    let present = Present::read(config).await?;
    let sent = present.deliverer.send_test(&present.experiment).await?;
    if sent.is_empty() {
        return Err(Failure::usage("[email] contacts is empty, so nobody gets a test message"));
    }
    let mut exit = Exit::Done;
    for message in sent {
        match message.result {
            Ok(words) => print::line(format_args!("{}  sent  {}", message.recipient, print::plain(&words))),
            Err(error) => {
                print::line(format_args!(
                    "{}  failed  {}",
                    message.recipient,
                    print::plain(&error.to_string())
                ));
                let this = if error.retry() == Retry::Never { Exit::Failed } else { Exit::Away };
                exit = if exit == Exit::Failed { exit } else { this };
            }
        }
    }
    Ok(exit)
}

async fn service_runs(config: &Config) -> Result<bool, Failure> {
    let context = Context::new()?;
    Ok(StatusSnapshot::read(&context, &config.epics.prefix).await?.is_alive())
}

async fn resend_by_service(config: &Config) -> Outcome {
    let journal = Journal::open(&config.journal.path).await?;
    if let Some(refused) = ResendRefused::now(&journal, config).await? {
        return Err(Failure { exit: Exit::Held, message: refused.to_string() });
    }
    let context = Context::new()?;
    let prefix = &config.epics.prefix;
    let board = StatusSnapshot::read(&context, prefix).await?;
    let shown = || print::plain(board.text(Record::StatusMsg));
    match board.text(Record::Status) {
        "Approval" => return Err(Failure { exit: Exit::Held, message: format!("held: {}", shown()) }),
        "Idle" | "Waiting" | "Settling" => {
            return Err(Failure::nothing(format!("no group is served, so nobody is mailed: {}", shown())));
        }
        _ => {}
    }
    let channel = |record| context.channel(&format!("{prefix}{record}"));
    let run = channel(Record::Run)?;
    if wait(&run, |_| true, LIMIT).await? == 1 {
        return Err(Failure::away("a delivery runs; try again when it has ended (beamshare status)"));
    }
    channel(Record::Resend)?.put(Value::Short(vec![1]), LIMIT).await?;
    wait(&run, |running| running == 1, BEGIN).await?;
    let ended = wait_with_progress(&context, prefix, &run, None).await?;
    report(&context, prefix, ended).await
}
