//! Copying one file: whether it is needed, the bytes, the checksum, the time.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, File, Metadata, OpenOptions};

use super::Trouble;
use super::checksum::{USUAL, hasher, hex};
use super::work::{End, FileStep, Work, named, text, trouble};
use crate::sandbox::Virtual;
use crate::state::task::Successful;
use crate::transfer::caller::Permission;

/// Bytes read at once; between two reads a task can be stopped.
const CHUNK: usize = 256 * 1024;

impl Work {
    pub(super) fn copy(&self, file: &FileStep, source: &End, destination: &End) -> Result<(), Trouble> {
        let (from, to) = (&file.source, &file.destination);
        self.allow(source, from, Permission::Read, true)?;
        self.allow(destination, to, Permission::Write, false)?;
        let at_source = |error: std::io::Error| trouble(source, from, &error, true);
        let at_destination = |error: std::io::Error| trouble(destination, to, &error, false);
        let mut input = source.sandbox.dir.open(from.relative()).map_err(at_source)?;
        let metadata = input.metadata().map_err(at_source)?;
        if self.same(file, &metadata, source, destination)? {
            self.task(|task| {
                task.counts.files += 1;
                task.counts.files_skipped += 1;
            });
            return Ok(());
        }
        let there = &destination.sandbox.dir;
        there.create_dir_all(to.parent().relative()).map_err(at_destination)?;
        self.quota(metadata.len(), to, destination)?;
        let mut output = there
            .open_with(to.relative(), OpenOptions::new().write(true).create(true).truncate(true))
            .map_err(at_destination)?;
        let name = file.algorithm.as_deref().unwrap_or(USUAL);
        let sum = self.bytes(&mut input, &mut output, name, source, destination, file)?;
        let after = input.metadata().map_err(at_source)?;
        if after.len() != metadata.len() {
            return Err(named(source, from, "FILE_SIZE_CHANGED", "File size changed", true));
        }
        if self.options.preserve_timestamp
            && let Ok(modified) = metadata.modified()
        {
            output.into_std().set_modified(modified.into_std()).map_err(at_destination)?;
        }
        if let Some(expected) = &file.external_checksum
            && *expected != sum
        {
            let reason = format!("expected {name} {expected}, got {sum}");
            return Err(named(source, from, "VERIFY_CHECKSUM", &reason, true));
        }
        let verified = self.options.verify_checksum || file.external_checksum.is_some();
        if verified {
            let written = self.sum(there, to, name).map_err(at_destination)?;
            if written != sum {
                let reason = format!("expected {name} {sum}, got {written}");
                return Err(named(destination, to, "VERIFY_CHECKSUM", &reason, false));
            }
        }
        let size = metadata.len();
        self.task(|task| {
            task.counts.files += 1;
            task.counts.files_transferred += 1;
            if verified {
                task.counts.bytes_checksummed += size;
            }
            task.successful.push(Successful {
                source: text(from),
                destination: text(to),
                size,
                checksum: verified.then(|| sum.clone()),
                algorithm: verified.then(|| name.to_owned()),
            });
        });
        Ok(())
    }

    /// Whether the destination has the file already, by the sync level; without one it is copied always.
    fn same(
        &self,
        file: &FileStep,
        metadata: &Metadata,
        source: &End,
        destination: &End,
    ) -> Result<bool, Trouble> {
        let Some(level) = self.options.sync_level else {
            return Ok(false);
        };
        let there = &destination.sandbox.dir;
        let Ok(present) = there.metadata(file.destination.relative()) else {
            return Ok(false);
        };
        Ok(match level {
            0 => true,
            1 => present.len() == metadata.len(),
            2 => {
                present.len() == metadata.len()
                    && matches!(
                        (metadata.modified(), present.modified()),
                        (Ok(ours), Ok(theirs)) if ours.into_std() <= theirs.into_std()
                    )
            }
            _ => {
                let size = metadata.len();
                let equal = present.len() == size && {
                    let ours = self.sum(&source.sandbox.dir, &file.source, USUAL);
                    let theirs = self.sum(there, &file.destination, USUAL);
                    ours.map_err(|error| trouble(source, &file.source, &error, true))?
                        == theirs.map_err(|error| trouble(destination, &file.destination, &error, false))?
                };
                self.task(|task| task.counts.bytes_checksummed += size);
                equal
            }
        })
    }

    fn quota(&self, size: u64, to: &Virtual, destination: &End) -> Result<(), Trouble> {
        let Some(quota) = destination.collection.quota else {
            return Ok(());
        };
        let dir = &destination.sandbox.dir;
        let replaced = dir.metadata(to.relative()).map_or(0, |present| present.len());
        let used = used(dir).map_err(|error| trouble(destination, to, &error, false))?;
        if used - replaced.min(used) + size > quota {
            return Err(named(
                destination,
                to,
                "QUOTA_EXCEEDED",
                &format!("{used} of {quota} bytes are used, {size} more do not fit"),
                false,
            ));
        }
        Ok(())
    }

    /// Copies the content and computes its checksum, at the rate that the limits allow.
    fn bytes(
        &self,
        input: &mut File,
        output: &mut File,
        name: &str,
        source: &End,
        destination: &End,
        file: &FileStep,
    ) -> Result<String, Trouble> {
        let pace = self.world.state().limits.bytes_per_second;
        let mut hasher = hasher(name).ok_or_else(|| {
            named(source, &file.source, "ENDPOINT_ERROR", "unknown checksum algorithm", true)
        })?;
        let mut chunk = vec![0; pace.map_or(CHUNK, |pace| pace.div_ceil(20).clamp(1, CHUNK as u64) as usize)];
        let began = Instant::now();
        let mut copied: u64 = 0;
        loop {
            if self.stop.now() {
                return Err(named(source, &file.source, "CANCELED", "canceled", false));
            }
            let count =
                input.read(&mut chunk).map_err(|error| trouble(source, &file.source, &error, true))?;
            if count == 0 {
                return Ok(hex(&hasher.finalize()));
            }
            output
                .write_all(&chunk[..count])
                .map_err(|error| trouble(destination, &file.destination, &error, false))?;
            hasher.update(&chunk[..count]);
            copied += count as u64;
            self.task(|task| task.counts.bytes_transferred += count as u64);
            if let Some(pace) = pace {
                let due = Duration::from_secs_f64(copied as f64 / pace.max(1) as f64);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
        }
    }

    fn sum(&self, dir: &Dir, path: &Virtual, name: &str) -> std::io::Result<String> {
        let mut hasher = hasher(name).ok_or_else(|| std::io::Error::other("unknown checksum algorithm"))?;
        let mut file = dir.open(path.relative())?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 || self.stop.now() {
                return Ok(hex(&hasher.finalize()));
            }
            hasher.update(&chunk[..count]);
        }
    }
}

/// Bytes of all files beneath a directory.
fn used(dir: &Dir) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in dir.entries()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            total += used(&entry.open_dir()?)?;
        } else if kind.is_file() {
            total += entry.metadata()?.len();
        }
    }
    Ok(total)
}
