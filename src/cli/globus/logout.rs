use super::super::failure::{Exit, Failure};
use super::super::{Outcome, print};
use super::Account;
use beamshare::config::{Config, SignIn};
use beamshare::globus::SIGN_IN;
use clap::Args;
use globus_transfer_client::TokenStore;

/// Revoke and delete the Globus sign-in of `beamshare login`
///
/// The service can't use Globus until somebody signs in again.
#[derive(Args)]
pub struct Logout {
    /// Delete it even if Globus is unreachable and can't revoke it
    #[arg(long)]
    forget: bool,
}

impl Logout {
    pub async fn act(self, config: &Config) -> Outcome {
        let settings = super::settings(config)?;
        let file = match &settings.sign_in {
            SignIn::TokenStore { file, .. } => file,
            SignIn::Service { client_secret_file, .. } => {
                return Err(Failure::usage(format!(
                    "a registered service has no sign-in to end: delete its secret at \
                     app.globus.org/settings/developers, and the file {}",
                    client_secret_file.display()
                )));
            }
            SignIn::AccessTokenFile { file } => {
                let file = file.display();
                return Err(Failure::usage(format!("the token in {file} is used as it is: delete the file")));
            }
        };
        let account = Account::of(config)?;
        let store = TokenStore::at(file);
        let Some(sign_in) = account.result(store.get(SIGN_IN).await)? else {
            return Err(Failure::nothing(format!(
                "nobody is signed in: {} holds no sign-in",
                file.display()
            )));
        };
        // First: a sign-in that is only forgotten stays valid, and nobody could revoke it any more.
        match account.client.auth().sign_out(&sign_in).await {
            Ok(()) => {}
            Err(error) if self.forget => print::warn(format_args!("forgotten, but still valid: {error}")),
            Err(error) => {
                let failure = super::failure(&error, settings);
                let message =
                    format!("still signed in: {}; --forget forgets it all the same", failure.message);
                return Err(Failure { message, ..failure });
            }
        }
        account.result(store.remove(SIGN_IN).await)?;
        print::line("Signed out");
        Ok(Exit::Done)
    }
}
