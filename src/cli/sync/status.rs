use super::super::failure::{Exit, Failure};
use super::super::history::local;
use super::super::{Format, Outcome, print};
use super::plain;
use beamshare::config::Config;
use beamshare::sync::continues;
use beamshare::sync::manifest::{Counts, FileState, Manifest, PairRow, TaskKind, TaskRow, TaskState};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::{Value, json};

/// Show the state of each pair, without starting anything or asking Globus
#[derive(Args)]
pub struct Status {
    /// Include finished pairs of earlier experiments
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    format: Format,
}

/// The state of a pair in the manifest.
pub struct Standing {
    pub row: PairRow,
    pub counts: Counts,
    pub task: Option<TaskRow>,
    /// Whether the settings have a pair of its name with its collections and the fixed parts of its paths
    configured: bool,
}

impl Status {
    pub async fn act(self, config: &Config) -> Outcome {
        let standings = standings(config, self.all).await?;
        if self.format.json {
            print::json(&standings.iter().map(document).collect::<Vec<_>>())?;
        } else {
            print_standings(config, &standings);
        }
        Ok(Exit::Done)
    }
}

/// The state of all pairs.
pub async fn standings(config: &Config, closed_too: bool) -> Result<Vec<Standing>, Failure> {
    let path = Manifest::beside(&config.journal.path);
    // Reading must not make it: the service's account must own it.
    if !path.try_exists().unwrap_or(false) {
        return Err(Failure::nothing("nothing was moved yet"));
    }
    let manifest = Manifest::open(&path).await.map_err(Failure::failed)?;
    let mut standings = vec![];
    for row in manifest.pairs(closed_too).await.map_err(Failure::failed)? {
        let counts = manifest.counts(row.id).await.map_err(Failure::failed)?;
        let task = manifest.tasks(row.id, 1).await.map_err(Failure::failed)?.pop();
        let configured = config.sync.iter().any(|settings| continues(&row.pair, settings));
        standings.push(Standing { row, counts, task, configured });
    }
    if standings.is_empty() { Err(Failure::nothing("nothing was moved yet")) } else { Ok(standings) }
}

impl Standing {
    /// One word, for scripts and the table.
    fn state(&self) -> &'static str {
        match &self.task {
            _ if self.row.closed_at.is_some() => "finished",
            Some(task) if task.ended_at.is_none() && task.kind == TaskKind::Delete => "cleaning up",
            Some(task) if task.ended_at.is_none() => "sending",
            _ if self.row.stopped_at.is_some() => "stopped",
            _ if !self.configured => "not in the settings",
            Some(task) if task.state == TaskState::Failed => "failed",
            _ if self.row.walked_at.is_none() => "not looked at yet",
            _ if self.counts.files(FileState::New) > 0 => "behind",
            _ => "in step",
        }
    }

    /// The message beside the numbers.
    fn message(&self) -> String {
        match &self.task {
            Some(task) if task.ended_at.is_none() => match task.task_id {
                Some(id) => format!("task {id}, {} files", task.files),
                None => format!("{} files are being submitted", task.files),
            },
            Some(task) if task.state != TaskState::Succeeded => {
                plain(task.words.as_deref().unwrap_or_default())
            }
            _ if !self.configured && self.row.closed_at.is_none() => {
                "nothing is moved: no [[sync]] has this name, these collections and the fixed parts of these paths; \
                 put them back"
                    .to_owned()
            }
            _ => String::new(),
        }
    }

    fn unsendable(&self) -> u64 {
        let unsendable = FileState::ALL.into_iter().filter(|state| matches!(state, FileState::Unsendable(_)));
        unsendable.map(|state| self.counts.files(state)).sum()
    }
}

fn print_standings(config: &Config, standings: &[Standing]) {
    let zone = config.beamline.zone();
    let mut table = print::table([
        "PAIR",
        "STATE",
        "NEW",
        "SENT",
        "THERE BEFORE",
        "CAN'T BE SENT",
        "LAST SUCCESS",
        "DESTINATION",
    ]);
    for standing in standings {
        let counts = &standing.counts;
        let of = |state| format!("{} ({})", counts.files(state), HumanBytes(counts.bytes(state)));
        table.add_row([
            standing.row.pair.name.clone(),
            standing.state().to_owned(),
            of(FileState::New),
            of(FileState::Sent),
            counts.files(FileState::Present).to_string(),
            standing.unsendable().to_string(),
            standing.row.last_success_at.map_or("-".to_owned(), |at| local(at, &zone)),
            standing.row.pair.destination.path.clone(),
        ]);
    }
    print::print_table(&table);
    for standing in standings {
        let message = standing.message();
        if !message.is_empty() {
            print::line(format_args!(
                "{} ({}): {message}",
                standing.row.pair.name, standing.row.pair.destination.path
            ));
        }
    }
}

/// The table as the text of a message.
pub fn text(config: &Config, standings: &[Standing]) -> String {
    let zone = config.beamline.zone();
    let mut text = String::new();
    for standing in standings {
        let (pair, counts) = (&standing.row.pair, &standing.counts);
        let of = |state| format!("{} files ({})", counts.files(state), HumanBytes(counts.bytes(state)));
        text += &format!("{}: {}\n", pair.name, standing.state());
        let message = standing.message();
        if !message.is_empty() {
            text += &format!("  {message}\n");
        }
        text += &format!("  from          {} on collection {}\n", pair.source.path, pair.source.collection);
        text += &format!(
            "  to            {} on collection {}\n",
            pair.destination.path, pair.destination.collection
        );
        text += &format!("  new           {}\n", of(FileState::New));
        text += &format!("  sent          {}\n", of(FileState::Sent));
        text += &format!("  there before  {}\n", of(FileState::Present));
        text += &format!("  can't be sent {}\n", standing.unsendable());
        let last = standing.row.last_success_at.map_or("never".to_owned(), |at| local(at, &zone));
        text += &format!("  last success  {last}\n\n");
    }
    text
}

fn document(standing: &Standing) -> Value {
    let (row, counts) = (&standing.row, &standing.counts);
    let of = |state| json!({ "files": counts.files(state), "bytes": counts.bytes(state) });
    json!({
        "pair": row.pair.name,
        "experiment": row.pair.experiment,
        "state": standing.state(),
        "source": { "collection": row.pair.source.collection, "path": row.pair.source.path, "local": row.pair.local },
        "destination": { "collection": row.pair.destination.collection, "path": row.pair.destination.path },
        "new": of(FileState::New),
        "sending": of(FileState::Sending),
        "sent": of(FileState::Sent),
        "present": of(FileState::Present),
        "unsendable": standing.unsendable(),
        "walked_at": row.walked_at,
        "first_success_at": row.first_success_at,
        "last_success_at": row.last_success_at,
        "stopped_at": row.stopped_at,
        "closed_at": row.closed_at,
        "task": standing.task.as_ref().map(|task| json!({
            "kind": task.kind.word(),
            "state": task.state.word(),
            "task_id": task.task_id,
            "submission_id": task.submission_id,
            "files": task.files,
            "bytes": task.bytes,
            "files_sent": task.files_sent,
            "bytes_sent": task.bytes_sent,
            "faults": task.faults,
            "begun_at": task.begun_at,
            "ended_at": task.ended_at,
            "words": task.words,
        })),
    })
}
