use super::deliver::settled;
use super::failure::{Exit, Failure};
use super::history::{open_journal, word};
use super::service::LIMIT;
use super::{Format, Outcome, candidates, print};
use beamshare::config::Config;
use beamshare::domain::{EmailAddress, Experiment, Field, FieldError};
use beamshare::journal::{
    AccessRow, AccessState, DeliveryState, ExperimentRow, Journal, MessageRow, MessageState, PersonRow,
    PersonState, Unreachable,
};
use beamshare::user_info::{self, SignatureCheck, check_signature};
use channel_access::Context;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use serde::Serialize;
use std::fmt::Display;

/// List, add and remove the people who get an experiment's data
///
/// Besides the PI and share_with, these are the people on the proposal (`recipients` in the settings) and
/// those added here. Within seconds, the running service shares with added people and mails them, and revokes
/// the access that it gave to removed ones. Without the service, run `beamshare share` and `beamshare email`.
#[derive(Args)]
pub struct Users {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the people who get the data, and those on the proposal without a usable address
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        format: Format,
    },
    /// Add people who are not on the schedule, or who were removed
    Add {
        /// E-mail addresses
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<EmailAddress>,
        /// Name, if only one address is given
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Remove people: revokes the access that beamshare gave
    ///
    /// The removal applies to this experiment and stays in force whatever the schedule or a tagging says,
    /// also for the PI's address. `beamshare users add` undoes it.
    Remove {
        /// E-mail addresses
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<EmailAddress>,
        #[command(flatten)]
        which: Which,
    },
}

/// Whose people.
#[derive(Args)]
struct Which {
    /// Another experiment than that in the PVs: its path, proposal number or PI's address
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::experiments))]
    experiment: Option<String>,
}

impl Users {
    pub async fn act(self, config: &Config) -> Outcome {
        match self.action {
            Action::List { which, format } => {
                let journal = open_journal(config).await?;
                let row = which.find(config, &journal).await?;
                list(config, &journal, &row, &format).await
            }
            Action::Add { addresses, name, which } => {
                if name.is_some() && addresses.len() > 1 {
                    return Err(Failure::usage("--name is for one person; add them one by one"));
                }
                let journal = open_journal(config).await?;
                let row = which.find(config, &journal).await?;
                add(&journal, &row, &addresses, &print::plain(&name.unwrap_or_default())).await
            }
            Action::Remove { addresses, which } => {
                let journal = open_journal(config).await?;
                let row = which.find(config, &journal).await?;
                remove(config, &journal, &row, &addresses).await
            }
        }
    }
}

impl Which {
    async fn find(&self, config: &Config, journal: &Journal) -> Result<ExperimentRow, Failure> {
        match &self.experiment {
            Some(name) => named(journal, name).await,
            None => present(config, journal).await,
        }
    }
}

/// The experiment that the PVs name. No other stands in for it: people are added to the one that is meant, or
/// to none. So the PVs must name one that was accepted, with its PI's address, and must not be in the middle
/// of a tagging.
async fn present(config: &Config, journal: &Journal) -> Result<ExperimentRow, Failure> {
    const NAME_IT: &str = "name the experiment with --experiment (beamshare history lists them)";
    let held = |why: &dyn Display| Failure { exit: Exit::Held, message: format!("held: {why}; {NAME_IT}") };
    let context = Context::new()?;
    let readings = user_info::read_once(&context, &config.epics.user_info, LIMIT).await;
    let mut readings =
        readings.map_err(|error| Failure { message: format!("{error}; {NAME_IT}"), ..error.into() })?;
    let state = journal.decision_state().await?;
    if !state.baseline.is_some_and(|served| served.same_texts(&readings)) {
        readings = settled(&context, config, state.watched).await?.readings;
    }
    let experiment = Experiment::parse(&readings.user_info()).map_err(|errors| {
        let errors = errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ");
        Failure::nothing(format!("the PVs name nobody who can be served ({errors}); {NAME_IT}"))
    })?;
    if let SignatureCheck::Invalid { reason, .. } = check_signature(config, journal, &readings).await? {
        return Err(held(&format_args!("{experiment}: {}", reason.trim_end_matches('.'))));
    }
    let path = config.directories.paths[0].render(&experiment).map_err(Failure::failed)?;
    match journal.find_same(&experiment.owner(), &path).await? {
        Some(row) if row.is_named_by(&experiment) => Ok(row),
        Some(row) => {
            let accepted = &row.experiment;
            Err(held(&format_args!(
                "the PVs name {experiment}, but {accepted} was accepted for {}",
                row.path
            )))
        }
        None => Err(Failure::nothing(format!("{experiment} is not accepted yet; {NAME_IT}"))),
    }
}

async fn named(journal: &Journal, name: &str) -> Result<ExperimentRow, Failure> {
    let is_meant = |row: &ExperimentRow| {
        let number = row.experiment.details.get(&Field::ProposalNumber);
        row.path.key() == name.trim_matches('/').to_lowercase()
            || number.is_some_and(|number| number.eq_ignore_ascii_case(name))
            || row.experiment.pi_email.username() == name.to_lowercase()
    };
    let mut meant = journal.experiments().await?.into_iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (None, _) => {
            Err(Failure::nothing(format!("the journal has no experiment {name:?}: beamshare history")))
        }
        (Some(row), None) => Ok(row),
        (Some(one), Some(other)) => Err(Failure::usage(format!(
            "{name:?} can be {} ({}) or {} ({}); name the path",
            one.path, one.experiment, other.path, other.experiment
        ))),
    }
}

async fn add(journal: &Journal, row: &ExperimentRow, addresses: &[EmailAddress], name: &str) -> Outcome {
    print::line(&row.experiment);
    for address in addresses {
        let people = journal.people(row.id).await?;
        let is_removed =
            people.iter().any(|person| person.email == *address && person.state == PersonState::Removed);
        let is_pi = *address == row.experiment.pi_email;
        let state = if is_pi && !is_removed {
            "is the PI, and gets the data anyway"
        } else if !journal.add_person(row.id, address, name).await? {
            "is one of them already; stays one whatever the schedule says"
        } else if is_pi {
            "is the PI, and gets the data again"
        } else {
            "added"
        };
        print::line(format_args!("{address}  {state}"));
    }
    if !journal.same_readers(row.id).await?.is_empty() {
        print::line(
            "Its directory holds another experiment's data too, so sharing it with them waits for Approve.",
        );
    }
    match journal.last_whole_delivery(row.id).await?.map(|last| last.state) {
        None => print::line("The group itself is not served yet; they are served with it."),
        Some(DeliveryState::Held | DeliveryState::Aborted) => {
            print::line("The group's delivery waits for the operator; they are served when Run is pressed.");
        }
        Some(_) => {}
    }
    Ok(Exit::Done)
}

async fn remove(
    config: &Config,
    journal: &Journal,
    row: &ExperimentRow,
    addresses: &[EmailAddress],
) -> Outcome {
    print::line(&row.experiment);
    for address in addresses {
        let is_pi = *address == row.experiment.pi_email;
        let was_there = journal.remove_person(row.id, address).await?;
        let state = if is_pi {
            "removed, though the PI: gets nothing of this experiment any more, also when it is tagged again"
        } else if was_there {
            "removed; neither the schedule nor a new tagging brings them back"
        } else {
            "was not one of this experiment's people (check the spelling); neither the schedule nor a new \
             tagging adds this address"
        };
        let by_settings = config.globus.as_ref().is_some_and(|globus| globus.share_with.contains(address));
        let more = if by_settings { "; keeps the access of share_with in the settings" } else { "" };
        print::line(format_args!("{address}  {state}{more}"));
    }
    print::line("To undo a removal: beamshare users add ADDRESS");
    Ok(Exit::Done)
}

/// Someone in the list.
#[derive(Serialize)]
struct Listing {
    address: String,
    name: String,
    /// pi, schedule, users (add or remove), share_with
    by: &'static str,
    /// present, unlisted, removed
    state: PersonState,
    /// Whether they can read all that beamshare has shared
    access: Option<AccessState>,
    message: Option<MessageState>,
}

#[derive(Serialize)]
struct Document<'d> {
    experiment: &'d Experiment,
    path: &'d str,
    people: &'d [Listing],
    unreachable: &'d [Unreachable],
}

async fn list(config: &Config, journal: &Journal, row: &ExperimentRow, format: &Format) -> Outcome {
    let people = journal.people(row.id).await?;
    let (access, messages) = (journal.access(row.id).await?, journal.messages(row.id).await?);
    let listing = |email: &EmailAddress, name: &str, by, state| Listing {
        address: email.to_string(),
        name: name.to_owned(),
        by,
        state,
        access: access_of(&access, email),
        message: message_to(&messages, email),
    };
    let pi = &row.experiment.pi_email;
    let is_removed = people.iter().any(|person| person.email == *pi && person.state == PersonState::Removed);
    let state = if is_removed { PersonState::Removed } else { PersonState::Present };
    let mut listed = vec![listing(pi, row.experiment.pi_last_name.as_str(), "pi", state)];
    let others = people.iter().filter(|person| person.email != *pi);
    listed.extend(others.map(|person| listing(&person.email, &person.name, by(person), person.state)));
    for email in config.globus.iter().flat_map(|globus| &globus.share_with) {
        if email != pi
            && !people.iter().any(|person| person.email == *email && person.state == PersonState::Present)
        {
            listed.push(listing(email, "", "share_with", PersonState::Present));
        }
    }
    let unreachable = journal.unreachable(row.id).await?;
    if format.json {
        let document = Document {
            experiment: &row.experiment,
            path: row.path.as_str(),
            people: &listed,
            unreachable: &unreachable,
        };
        print::json(&document)?;
        return Ok(Exit::Done);
    }
    print::line(&row.experiment);
    let mut table = print::table(["ADDRESS", "NAME", "BY", "STATE", "ACCESS", "MESSAGE"]);
    for person in &listed {
        let some = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            person.address.clone(),
            print::plain(&person.name),
            person.by.to_owned(),
            word(&person.state),
            some(person.access.as_ref().map(word)),
            some(person.message.as_ref().map(word)),
        ]);
    }
    print::print_table(&table);
    for person in &unreachable {
        print::line(format_args!(
            "Can't be reached: {}, {}",
            print::plain(&person.name),
            print::plain(&person.reason)
        ));
    }
    Ok(Exit::Done)
}

fn by(person: &PersonRow) -> &'static str {
    match person.source {
        beamshare::journal::PersonSource::Schedule => "schedule",
        beamshare::journal::PersonSource::Added => "users",
    }
}

/// How their access stands: the least of their directories'.
fn access_of(access: &[AccessRow], email: &EmailAddress) -> Option<AccessState> {
    let theirs = access.iter().filter(|row| row.email == *email);
    theirs.map(|row| row.state).reduce(|a, b| if a == AccessState::Granted { b } else { a })
}

/// How their last message stands.
fn message_to(messages: &[MessageRow], email: &EmailAddress) -> Option<MessageState> {
    messages.iter().rfind(|row| row.addressee == *email && row.recipient == *email).map(|row| row.state)
}
