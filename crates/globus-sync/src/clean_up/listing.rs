//! What Globus shows of a directory at this moment, at both ends.

use super::super::manifest::{FileRow, Place, SentBetween};
use super::super::transfer::{Run, RunAborted, with_slash};
use super::{Group, Known};
use globus_transfer_client::{ErrorKind, FileEntry};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How far the clocks of this machine and of the destination may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);

/// Why of two files that may be one at the destination neither goes.
const ALIKE: &str =
    "another path differs from it in capitals alone, so that the destination may have but one of the two";

/// A directory as Globus shows it, none where it is not there, or why it can't be listed.
pub(crate) type Shown = Result<Option<HashMap<String, FileEntry>>, String>;

impl Run<'_> {
    /// Lists a directory below the pair's top.
    pub(crate) async fn shown(&mut self, place: &Place, directory: &Path) -> Result<Shown, RunAborted> {
        let mut path = with_slash(&place.path);
        match directory.to_str() {
            Some("") => {}
            Some(below) => path = with_slash(&format!("{path}{below}")),
            None => return Ok(Err("its path is no UTF-8".to_owned())),
        }
        let client = self.engine.client().clone();
        let collection = place.collection;
        let mut shown = HashMap::new();
        let mut offset = 0;
        loop {
            let ls =
                || client.transfer().ls(collection, path.clone()).show_hidden(true).offset(offset).send();
            let listing = self.ask(ls).await?;
            match listing {
                Ok(listing) => {
                    shown.extend(listing.entries.into_iter().map(|entry| (entry.name.clone(), entry)));
                    match listing.next_offset {
                        Some(next) => offset = next,
                        None => return Ok(Ok(Some(shown))),
                    }
                }
                Err(error)
                    if *error.kind() == ErrorKind::NotFound && error.code() != Some("EndpointNotFound") =>
                {
                    return Ok(Ok(None));
                }
                Err(error) => return Ok(Err(self.engine.explain(&error))),
            }
        }
    }

    /// Those of the files that both ends show as they were sent, and the others with the reason.
    pub(super) async fn confirmed(
        &mut self,
        group: Group,
        known: &Known,
    ) -> Result<(Vec<FileRow>, Vec<(PathBuf, String)>), RunAborted> {
        let pair = &self.pair.row.pair;
        let (source, destination) = (pair.source.clone(), pair.destination.clone());
        let at_source = self.shown(&source, &group.directory).await?;
        let at_destination = self.shown(&destination, &group.directory).await?;
        let (mut confirmed, mut stay) = (vec![], vec![]);
        let spellings = spellings(&at_source);
        let alike = known.alike.contains(&group.directory);
        for file in group.files {
            match judge(&file, &at_source, &at_destination, known) {
                Ok(()) if alike || spellings.get(&folded(&file.path)).is_some_and(|count| *count > 1) => {
                    stay.push((file.path, ALIKE.to_owned()));
                }
                Ok(()) => confirmed.push(file),
                Err(reason) => stay.push((file.path, reason)),
            }
        }
        Ok((confirmed, stay))
    }
}

/// Whether both ends show the file as it was sent; an error says why it stays.
fn judge<'a>(file: &FileRow, source: &'a Shown, destination: &'a Shown, known: &Known) -> Result<(), String> {
    let name = file.path.file_name().and_then(|name| name.to_str()).ok_or("its name is no UTF-8")?;
    let entry = |shown: &'a Shown, which: &str| match shown {
        Ok(entries) => {
            let entry = entries.as_ref().and_then(|entries| entries.get(name));
            Ok(entry.filter(|entry| entry.kind == "file"))
        }
        Err(why) => Err(format!("Globus can't list the {which}: {why}")),
    };
    let as_sent = entry(source, "source")?.is_some_and(|entry| {
        let seconds = entry.last_modified.map(|time| time.as_second());
        entry.size == file.stat.size
            && seconds == Some(seconds_of(file.stat.mtime))
            && entry.link_target.is_none()
    });
    if !as_sent {
        let why = "the source collection does not show it as it was sent (changed, or source.local is \
                   another directory)";
        return Err(why.to_owned());
    }
    match entry(destination, "destination")? {
        Some(entry) if entry.size == file.stat.size => {
            let between = file.task.and_then(|task| known.tasks.get(&task));
            if entry.last_modified.is_none_or(|at| was_written(at, file, between)) {
                Ok(())
            } else {
                Err("the destination has another time of change than what was sent".to_owned())
            }
        }
        _ => Err("the destination does not have it (any more) in its full size".to_owned()),
    }
}

/// Whether a file of this time at the destination can be what the task wrote: it has the source's time, or,
/// where the task did not keep times, one at which the task was under way.
fn was_written(at: Timestamp, file: &FileRow, between: Option<&SentBetween>) -> bool {
    let Some(between) = between else { return false };
    if between.preserves_times {
        return has_time_of(at, file);
    }
    at.duration_since(between.begun_at) >= -CLOCKS && at.duration_since(between.ended_at) <= CLOCKS
}

/// Whether a time of a listing is that of the file. Some file systems count time in steps of two seconds.
pub(crate) fn has_time_of(at: Timestamp, file: &FileRow) -> bool {
    (at.as_second() - seconds_of(file.stat.mtime)).abs() <= 2
}

/// A name as a file system has it that does not tell capitals apart.
fn folded(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// How many names of a directory are one without capitals.
fn spellings(shown: &Shown) -> HashMap<String, usize> {
    let mut spellings = HashMap::new();
    for name in shown.iter().flatten().flat_map(HashMap::keys) {
        *spellings.entry(name.to_lowercase()).or_default() += 1;
    }
    spellings
}

/// A time of the manifest in whole seconds, as listings have it.
pub(super) fn seconds_of(mtime: i64) -> i64 {
    mtime.div_euclid(1_000_000_000)
}
