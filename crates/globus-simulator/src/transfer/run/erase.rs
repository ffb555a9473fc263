//! Deleting: files, directories with all that is in them, names with wildcards.

use super::Trouble;
use super::work::{End, Step, Work, denied, named, trouble};
use crate::sandbox::Virtual;
use crate::state::task::Item;
use crate::transfer::caller::Permission;
use crate::transfer::listing::wildcard;

impl Work {
    pub(super) fn erase(&self, step: &Step, at: &End) -> Result<(), Trouble> {
        let Step::Item(item) = step else {
            return Ok(());
        };
        let home = at.collection.default_directory.as_deref().unwrap_or("/");
        let path = Virtual::parse(&item.source, home).ok_or_else(|| Trouble {
            code: "INVALID_PATH_NAME",
            details: format!("Invalid path '{}'", item.source.escape_debug()),
            at_source: true,
        })?;
        if self.options.interpret_globs && path.name().contains(['*', '?']) {
            return self.erase_matching(item, &path, at);
        }
        self.erase_one(item, &path, at)
    }

    /// Wildcards stand in the last component only.
    fn erase_matching(&self, item: &Item, pattern: &Virtual, at: &End) -> Result<(), Trouble> {
        let parent = pattern.parent();
        self.allow(at, &parent, Permission::Read, true)?;
        let failed = |error: std::io::Error| trouble(at, &parent, &error, true);
        let mut names = Vec::new();
        for entry in at.sandbox.dir.read_dir(parent.relative()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if wildcard(pattern.name(), &name) {
                names.push(name);
            }
        }
        if names.is_empty() && !self.options.ignore_missing {
            return Err(named(at, pattern, "FILE_NOT_FOUND", "No match", true));
        }
        names.iter().try_for_each(|name| self.erase_one(item, &parent.join(name), at))
    }

    fn erase_one(&self, item: &Item, path: &Virtual, at: &End) -> Result<(), Trouble> {
        // The link itself is deleted, not its target.
        let real = at
            .sandbox
            .real_or_new(&path.parent())
            .map_err(|error| trouble(at, path, &error, true))?
            .join(path.name());
        {
            let state = self.world.state();
            let live = state.collections.get(&at.collection.id).unwrap_or(&at.collection);
            let allowed = |path: &Virtual| self.caller.permission(&state, live, path) >= Permission::Write;
            if path.is_top() || !allowed(path) || !allowed(&real) {
                return Err(denied(at, path, true));
            }
        }
        let dir = &at.sandbox.dir;
        let failed = |error: std::io::Error| trouble(at, path, &error, true);
        let metadata = match dir.symlink_metadata(path.relative()) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.options.ignore_missing => {
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_dir() {
            dir.remove_file(path.relative()).map_err(failed)?;
            self.task(|task| task.counts.files += 1);
            return Ok(());
        }
        if item.recursive != Some(true) {
            return Err(named(at, path, "IS_A_DIRECTORY", "Is a directory", true));
        }
        dir.remove_dir_all(path.relative()).map_err(failed)?;
        self.task(|task| task.counts.directories += 1);
        Ok(())
    }
}
