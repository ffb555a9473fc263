//! The verbs that speak with Globus on somebody's behalf: by the account of `[globus.sign_in]`, whose access
//! the service has too.

mod collection;
mod endpoint;
mod login;
mod logout;
mod permission;
mod task;
mod transfer;
mod whoami;

pub use collection::Collection;
pub use endpoint::{Collections, Endpoint};
pub use login::Login;
pub use logout::Logout;
pub use permission::Permission;
pub use task::Task;
pub use transfer::Transfer;
pub use whoami::Whoami;

use super::failure::Failure;
use super::print;
use beamshare::config::{self, Config};
use beamshare::globus::{client, explain};
use globus_transfer_client as globus;
use globus_transfer_client::{ErrorKind, GlobusClient};
use std::collections::HashMap;
use std::io::IsTerminal;
use uuid::Uuid;

/// Who speaks with Globus, and about which collection.
struct Account<'c> {
    settings: &'c config::Globus,
    client: GlobusClient,
}

impl<'c> Account<'c> {
    /// The account of the settings; no request is made yet.
    fn of(config: &'c Config) -> Result<Account<'c>, Failure> {
        let settings = settings(config)?;
        let client = client(settings).map_err(|error| Failure::failed(error.message))?;
        Ok(Account { settings, client })
    }

    fn transfer(&self) -> globus::transfer::TransferHandler<'_> {
        self.client.transfer()
    }

    /// What came back, or why it failed and which command helps.
    fn result<T>(&self, outcome: globus::Result<T>) -> Result<T, Failure> {
        outcome.map_err(|error| failure(&error, self.settings))
    }

    /// Returns the usernames of identities, by id. A failed lookup is reported on standard error, and the list
    /// is shown without usernames.
    async fn usernames(&self, ids: &[Uuid]) -> HashMap<Uuid, String> {
        if ids.is_empty() {
            return HashMap::new();
        }
        match self.result(self.client.auth().identities().by_ids(ids).send().await) {
            Ok(found) => found.into_iter().map(|identity| (identity.id, identity.username)).collect(),
            Err(failure) => {
                print::warn(format_args!("without usernames: {}", failure.message));
                HashMap::new()
            }
        }
    }
}

/// An id of Globus on the command line.
fn id(text: &str) -> Result<Uuid, String> {
    text.trim().parse().map_err(|_| {
        "an id reads like 6c54cade-bde5-45c1-bdea-f4bd71dba2cc: 32 hexadecimal digits with four hyphens; \
         find it with `beamshare endpoint search` or `beamshare task list`"
            .to_owned()
    })
}

/// `[globus]`, which these verbs need.
fn settings(config: &Config) -> Result<&config::Globus, Failure> {
    config.globus.as_ref().ok_or_else(|| {
        let file = config.file.display();
        Failure::usage(format!(
            "there is no [globus] in {file}, so there is no account to speak with Globus by"
        ))
    })
}

/// A failure of Globus as a verb ends with it.
fn failure(error: &globus::Error, settings: &config::Globus) -> Failure {
    let message = explain(error, settings);
    match error.kind() {
        // A request that was refused before it was sent has a wrong argument.
        ErrorKind::InvalidRequest if error.status().is_none() => Failure::usage(message),
        _ if error.is_transient() => Failure::away(message),
        _ => Failure::failed(message),
    }
}

/// Reads a line that a person pastes, or that is piped in; none at the end of the input.
fn pasted(question: &str) -> Result<Option<String>, Failure> {
    if std::io::stdin().is_terminal() {
        eprint!("{question}: ");
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("can't read the {question} from standard input: {error}")))?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}
