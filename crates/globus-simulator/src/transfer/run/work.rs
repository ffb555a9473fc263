//! One task's work on the disk: a queue of small steps, those that fail put back for the next round.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Stop, Trouble};
use crate::sandbox::{Sandbox, Virtual};
use crate::state::task::{Item, Kind, Nice, Options, Skipped, Task, described};
use crate::state::{Collection, World};
use crate::transfer::Caller;
use crate::transfer::caller::Permission;

/// How a round ended.
pub(super) enum Round {
    Finished,
    /// Something is left that failed and may work later.
    Again,
    Failed(&'static str),
    Stopped,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An item of the submission, not examined yet.
    Item(Item),
    Directory {
        source: Virtual,
        destination: Virtual,
    },
    File(FileStep),
    Link {
        source: Virtual,
        destination: Virtual,
    },
    /// What the destination has beyond the source.
    Extra {
        source: Virtual,
        destination: Virtual,
    },
}

#[derive(Debug, Clone)]
pub(super) struct FileStep {
    pub source: Virtual,
    pub destination: Virtual,
    pub external_checksum: Option<String>,
    pub algorithm: Option<String>,
}

/// One end of a task.
pub(super) struct End {
    pub collection: Collection,
    pub sandbox: Sandbox,
}

pub(super) struct Work {
    pub world: Arc<World>,
    pub id: Uuid,
    pub kind: Kind,
    pub caller: Caller,
    pub options: Options,
    pub stop: Stop,
    source: Uuid,
    destination: Uuid,
    queue: VecDeque<Step>,
}

impl Work {
    pub fn new(world: &Arc<World>, id: Uuid) -> Option<Self> {
        let state = world.state();
        let task = state.tasks.get(&id)?;
        Some(Self {
            world: world.clone(),
            id,
            kind: task.kind,
            caller: task.caller.clone(),
            options: task.options.clone(),
            stop: Stop { task: task.stop.subscribe(), closing: world.closing.subscribe() },
            source: task.source,
            destination: task.destination.as_ref().map_or(task.source, |(id, _)| *id),
            queue: task.items.iter().cloned().map(Step::Item).collect(),
        })
    }

    /// Tries every remaining step once.
    pub fn round(&mut self) -> Round {
        let (source, destination) = match (self.open(self.source), self.open(self.destination)) {
            (Ok(source), Ok(destination)) => (source, destination),
            (Err(trouble), _) | (_, Err(trouble)) => {
                self.trouble(&trouble, 0);
                return Round::Again;
            }
        };
        self.task(|task| task.counts.retrying = 0);
        let mut again = VecDeque::new();
        while let Some(step) = self.queue.pop_front() {
            if self.stop.now() {
                return Round::Stopped;
            }
            let done = match self.kind {
                Kind::Transfer => self.step(&step, &source, &destination),
                Kind::Delete => self.erase(&step, &source).map(|()| Vec::new()),
            };
            match done {
                Ok(more) => {
                    self.task(|task| {
                        task.counts.succeeded += 1;
                        task.counts.total += more.len() as u64;
                    });
                    // Right after its directory, so that work proceeds in the order of the tree.
                    for step in more.into_iter().rev() {
                        self.queue.push_front(step);
                    }
                }
                Err(_) if self.stop.now() => return Round::Stopped,
                Err(trouble) if self.skippable(&trouble) => self.skip(&step, &trouble),
                Err(trouble) => {
                    if let Some(code) = self.fatal(&trouble) {
                        self.trouble(&trouble, 1);
                        return Round::Failed(code);
                    }
                    again.push_back(step);
                    self.trouble(&trouble, again.len() as u64);
                }
            }
        }
        self.queue = again;
        if self.queue.is_empty() {
            self.task(|task| task.nice = None);
            Round::Finished
        } else {
            Round::Again
        }
    }

    fn skippable(&self, trouble: &Trouble) -> bool {
        self.options.skip_source_errors
            && trouble.at_source
            && matches!(trouble.code, "PERMISSION_DENIED" | "FILE_NOT_FOUND")
    }

    /// Deletions end at the first error; transfers when a file isn't what its submission says, and where
    /// asked to for want of space.
    fn fatal(&self, trouble: &Trouble) -> Option<&'static str> {
        let quota = self.options.fail_on_quota_errors && trouble.code == "QUOTA_EXCEEDED";
        let wrong = trouble.at_source && trouble.code == "VERIFY_CHECKSUM";
        (self.kind == Kind::Delete || quota || wrong).then_some(trouble.code)
    }

    fn skip(&self, step: &Step, trouble: &Trouble) {
        let (source, destination, directory) = match step {
            Step::Item(item) => (item.source.clone(), item.destination.clone(), item.recursive == Some(true)),
            Step::File(file) => (text(&file.source), text(&file.destination), false),
            Step::Link { source, destination } => (text(source), text(destination), false),
            Step::Directory { source, destination } | Step::Extra { source, destination } => {
                (text(source), text(destination), true)
            }
        };
        self.task(|task| {
            task.counts.skipped_errors += 1;
            task.skipped.push(Skipped {
                source,
                destination,
                code: trouble.code.to_owned(),
                details: trouble.details.clone(),
                time: Timestamp::now(),
                directory,
            });
        });
    }

    /// A fault: counted, told in the events, and shown as the state of the task.
    fn trouble(&self, trouble: &Trouble, retrying: u64) {
        self.task(|task| {
            task.counts.faults += 1;
            task.counts.retrying = retrying;
            // A hundred thousand missing files make one event a round, not a hundred thousand.
            if retrying <= 1 || task.nice.as_ref().is_none_or(|nice| nice.code != trouble.code) {
                task.event(trouble.code, &described(trouble.code), trouble.details.clone(), true);
            }
            task.nice = Some(Nice { code: trouble.code.to_owned(), details: trouble.details.clone() });
        });
    }

    /// Changes the task, if it is still there and active.
    pub fn task(&self, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.world.state().tasks.get_mut(&self.id)
            && task.active()
        {
            change(task);
        }
    }

    fn open(&self, id: Uuid) -> Result<End, Trouble> {
        let collection = {
            let state = self.world.state();
            let collection = state.collections.get(&id).cloned().ok_or_else(|| Trouble {
                code: "ENDPOINT_ERROR",
                details: format!("Endpoint {id} does not exist any more"),
                at_source: false,
            })?;
            self.caller.may_enter(&state, &collection, "Transfer").map_err(|error| Trouble {
                code: "LOGIN_FAILED",
                details: error.message,
                at_source: false,
            })?;
            collection
        };
        let sandbox =
            Sandbox::open(&collection.directory, collection.host_path.as_deref()).map_err(|error| {
                Trouble {
                    code: "ENDPOINT_ERROR",
                    details: format!(
                        "Error (connect)\nEndpoint: {} ({id})\nMessage: {error}",
                        collection.name
                    ),
                    at_source: false,
                }
            })?;
        Ok(End { collection, sandbox })
    }

    /// Refuses a path that the access rules of now don't allow, as given or where it really leads.
    pub fn allow(
        &self,
        end: &End,
        path: &Virtual,
        needed: Permission,
        at_source: bool,
    ) -> Result<(), Trouble> {
        let real = end.sandbox.real_or_new(path).map_err(|error| trouble(end, path, &error, at_source))?;
        let state = self.world.state();
        // The rules may have changed since the task began.
        let live = state.collections.get(&end.collection.id).unwrap_or(&end.collection);
        let allowed = |path: &Virtual| self.caller.permission(&state, live, path) >= needed;
        if allowed(path) && allowed(&real) { Ok(()) } else { Err(denied(end, path, at_source)) }
    }
}

pub(super) fn text(path: &Virtual) -> String {
    path.as_str().to_owned()
}

fn message(end: &End, path: &Virtual, reason: &str) -> String {
    format!(
        "Error (transfer)\nEndpoint: {} ({})\nServer: 127.0.0.1:443\nFile: {}\nMessage: Fatal FTP response\n\
         ---\n\
         Details: 500-Command failed. : {reason}\\r\\n500 End.\\r\\n",
        end.collection.name,
        end.collection.id,
        path.as_str(),
    )
}

pub(super) fn denied(end: &End, path: &Virtual, at_source: bool) -> Trouble {
    Trouble { code: "PERMISSION_DENIED", details: message(end, path, "Path not allowed."), at_source }
}

pub(super) fn named(end: &End, path: &Virtual, code: &'static str, reason: &str, at_source: bool) -> Trouble {
    Trouble { code, details: message(end, path, reason), at_source }
}

/// What an error of the disk is called in a task.
pub(super) fn trouble(end: &End, path: &Virtual, error: &io::Error, at_source: bool) -> Trouble {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "FILE_NOT_FOUND",
        io::ErrorKind::PermissionDenied => "PERMISSION_DENIED",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "QUOTA_EXCEEDED",
        io::ErrorKind::NotADirectory => "NOT_A_DIRECTORY",
        io::ErrorKind::IsADirectory => "IS_A_DIRECTORY",
        io::ErrorKind::DirectoryNotEmpty => "DIRECTORY_NOT_EMPTY",
        _ => "ENDPOINT_ERROR",
    };
    named(end, path, code, &error.to_string(), at_source)
}
