use super::Outcome;
use super::deliver::{Deliver, Everyone, Present};
use super::failure::{Exit, Failure};
use super::print;
use super::rerun::{report, wait, wait_with_progress};
use super::service::{LIMIT, StatusSnapshot};
use beamshare::config::Config;
use beamshare::delivery::{Preview, ResendRefused};
use beamshare::domain::{Retry, Step};
use beamshare::journal::{Journal, MessageState};
use beamshare::status::Record;
use channel_access::{Context, Value};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

    /// Write the messages into this folder, as .eml files and as pages for a browser, and send nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["test", "resend", "yes", "schedule"])]
    preview: Option<PathBuf>,

    /// Mail everyone again, through the service if it is running; asks before
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
        if let Some(folder) = &self.preview {
            return preview(config, folder).await;
        }
        if self.resend {
            self.confirm_resend(config).await?;
            if service_runs(config).await? {
                return resend_by_service(config).await;
            }
        }
        self.deliver.act(config, &[Step::Email], self.resend, &self.everyone).await
    }
}

impl Email {
    /// Asks before people are mailed who have the message.
    async fn confirm_resend(&self, config: &Config) -> Result<(), Failure> {
        let journal = Journal::open(&config.journal.path).await?;
        let Some(latest) = journal.latest_experiment().await? else { return Ok(()) };
        let messages = journal.messages(latest.id).await?;
        let sent = messages.iter().filter(|message| message.state == MessageState::Sent);
        let recipients: BTreeSet<String> = sent.map(|message| message.recipient.to_string()).collect();
        journal.close().await;
        if recipients.is_empty() {
            return Ok(());
        }
        let (number, recipients) = (recipients.len(), recipients.into_iter().collect::<Vec<_>>().join(", "));
        self.deliver.confirm.ask_before(&format!(
            "this mails {number} recipients again for {}: {recipients}",
            latest.experiment
        ))
    }
}

/// Writes what would be sent, for a mail program and for a browser.
async fn preview(config: &Config, folder: &Path) -> Outcome {
    let present = Present::read(config).await?;
    let failed = |file: &Path, error: std::io::Error| {
        Failure::failed(format!("can't write {}: {error}; choose another folder", file.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for Preview { kind, message } in present.deliverer.preview(&present.experiment).await? {
        let mut files = vec![(format!("{kind}.eml"), message.bytes.clone())];
        files.extend(message.html().map(|html| (format!("{kind}.html"), html.into_bytes())));
        for (name, bytes) in files {
            let file = folder.join(name);
            std::fs::write(&file, bytes).map_err(|error| failed(&file, error))?;
            print::line(format_args!("{}  to {}", file.display(), message.recipient));
        }
    }
    print::line("Nothing was sent");
    Ok(Exit::Done)
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
