//! From a line of a submission to its files: what a directory holds, what filter rules leave of it, what is
//! too much.

use std::path::Path;

use super::Trouble;
use super::work::{End, FileStep, Step, Work, named, trouble};
use crate::sandbox::Virtual;
use crate::state::task::{Item, Links};
use crate::transfer::caller::Permission;
use crate::transfer::listing::wildcard;

impl Work {
    /// Takes one step of a transfer; the answer is the steps that follow from it.
    pub(super) fn step(&self, step: &Step, source: &End, destination: &End) -> Result<Vec<Step>, Trouble> {
        match step {
            Step::Item(item) => self.item(item, source, destination).map(|step| vec![step]),
            Step::Directory { source: from, destination: to } => {
                self.directory(from, to, source, destination)
            }
            Step::File(file) => self.copy(file, source, destination).map(|()| Vec::new()),
            Step::Link { source: from, destination: to } => {
                self.link(from, to, source, destination).map(|()| Vec::new())
            }
            Step::Extra { source: from, destination: to } => {
                self.extra(from, to, source, destination).map(|()| Vec::new())
            }
        }
    }

    fn path(end: &End, text: &str, at_source: bool) -> Result<Virtual, Trouble> {
        let home = end.collection.default_directory.as_deref().unwrap_or("/");
        Virtual::parse(text, home).ok_or_else(|| Trouble {
            code: "INVALID_PATH_NAME",
            details: format!("Invalid path '{}'", text.escape_debug()),
            at_source,
        })
    }

    fn item(&self, item: &Item, source: &End, destination: &End) -> Result<Step, Trouble> {
        let from = Self::path(source, &item.source, true)?;
        let to = Self::path(destination, &item.destination, false)?;
        self.allow(source, &from, Permission::Read, true)?;
        if item.link {
            return Ok(Step::Link { source: from, destination: to });
        }
        let metadata = source
            .sandbox
            .dir
            .metadata(from.relative())
            .map_err(|error| trouble(source, &from, &error, true))?;
        match (metadata.is_dir(), item.recursive) {
            (true, Some(false)) => Err(named(source, &from, "IS_A_DIRECTORY", "Is a directory", true)),
            (false, Some(true)) => Err(named(source, &from, "NOT_A_DIRECTORY", "Not a directory", true)),
            (true, _) => Ok(Step::Directory { source: from, destination: to }),
            (false, _) => Ok(Step::File(FileStep {
                source: from,
                destination: to,
                external_checksum: item.external_checksum.clone(),
                algorithm: item.algorithm.clone(),
            })),
        }
    }

    /// Makes the directory and lists what is in it.
    fn directory(
        &self,
        from: &Virtual,
        to: &Virtual,
        source: &End,
        destination: &End,
    ) -> Result<Vec<Step>, Trouble> {
        self.allow(source, from, Permission::Read, true)?;
        self.allow(destination, to, Permission::Write, false)?;
        let at_source = |error: std::io::Error| trouble(source, from, &error, true);
        let mut names: Vec<std::ffi::OsString> = Vec::new();
        for entry in source.sandbox.dir.read_dir(from.relative()).map_err(at_source)? {
            names.push(entry.map_err(at_source)?.file_name());
        }
        names.sort();
        destination
            .sandbox
            .dir
            .create_dir_all(to.relative())
            .map_err(|error| trouble(destination, to, &error, false))?;
        let mut steps = Vec::new();
        for name in names {
            let name = name.to_string_lossy();
            let (source_path, destination_path) = (from.join(&name), to.join(&name));
            if let Some(step) = self.inside(&name, source_path, destination_path, source)? {
                steps.push(step);
            }
        }
        if self.options.delete_destination_extra {
            steps.push(Step::Extra { source: from.clone(), destination: to.clone() });
        }
        self.task(|task| task.counts.directories += 1);
        Ok(steps)
    }

    /// The step for an entry of a directory; none for an entry that is filtered out.
    fn inside(&self, name: &str, from: Virtual, to: Virtual, source: &End) -> Result<Option<Step>, Trouble> {
        let dir = &source.sandbox.dir;
        let own = match dir.symlink_metadata(from.relative()) {
            Ok(own) => own,
            // Gone since the listing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(source, &from, &error, true)),
        };
        let mut kind = own.file_type();
        if kind.is_symlink() {
            match self.options.links {
                Links::Ignore => return Ok(None),
                Links::Keep => {
                    return Ok(self
                        .included(name, "symlink")
                        .then_some(Step::Link { source: from, destination: to }));
                }
                Links::Copy => match dir.metadata(from.relative()) {
                    Ok(metadata) => kind = metadata.file_type(),
                    Err(_) => return Ok(None),
                },
            }
        }
        Ok(if kind.is_dir() {
            self.included(name, "dir").then_some(Step::Directory { source: from, destination: to })
        } else if kind.is_file() {
            self.included(name, "file").then_some(Step::File(FileStep {
                source: from,
                destination: to,
                external_checksum: None,
                algorithm: None,
            }))
        } else {
            // Devices, pipes and sockets are never transferred.
            None
        })
    }

    fn included(&self, name: &str, kind: &str) -> bool {
        self.options
            .filter_rules
            .iter()
            .find(|rule| {
                rule.kind.as_deref().is_none_or(|wanted| wanted == kind) && wildcard(&rule.name, name)
            })
            .is_none_or(|rule| rule.include)
    }

    fn link(&self, from: &Virtual, to: &Virtual, source: &End, destination: &End) -> Result<(), Trouble> {
        self.allow(destination, to, Permission::Write, false)?;
        // Not followed: only where the link itself lies must be allowed.
        self.allow(source, &from.parent(), Permission::Read, true)?;
        let target = source
            .sandbox
            .dir
            .read_link_contents(from.relative())
            .map_err(|error| trouble(source, from, &error, true))?;
        let dir = &destination.sandbox.dir;
        let failed = |error: std::io::Error| trouble(destination, to, &error, false);
        dir.create_dir_all(to.parent().relative()).map_err(failed)?;
        match dir.read_link_contents(to.relative()) {
            Ok(present) if present == target => {}
            Ok(_) => {
                dir.remove_file(to.relative()).map_err(failed)?;
                make_link(dir, &target, to).map_err(failed)?;
            }
            Err(_) => make_link(dir, &target, to).map_err(failed)?,
        }
        self.task(|task| task.counts.symlinks += 1);
        Ok(())
    }

    /// Removes what the destination directory has and the source directory has not.
    fn extra(&self, from: &Virtual, to: &Virtual, source: &End, destination: &End) -> Result<(), Trouble> {
        let failed = |error: std::io::Error| trouble(destination, to, &error, false);
        let dir = destination.sandbox.dir.open_dir(to.relative()).map_err(failed)?;
        for entry in dir.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let there = source.sandbox.dir.symlink_metadata(from.join(&name.to_string_lossy()).relative());
            let same =
                there.is_ok_and(|there| entry.file_type().is_ok_and(|kind| kind.is_dir() == there.is_dir()));
            if same {
                continue;
            }
            let name = Path::new(&name);
            if entry.file_type().map_err(failed)?.is_dir() {
                dir.remove_dir_all(name).map_err(failed)?;
            } else {
                dir.remove_file(name).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// A link can have any target; following it out of the collection is rejected at each use.
fn make_link(dir: &cap_std::fs::Dir, target: &Path, to: &Virtual) -> std::io::Result<()> {
    dir.symlink_contents(target, to.relative())
}
