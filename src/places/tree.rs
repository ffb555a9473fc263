//! Inspecting and making directories below a top directory, component by component, on any kind of file
//! system.

use super::{CreateOutcome, DirectoryState, Ownership, never};
use crate::domain::{RelativePath, StepError};

/// The mode of a directory that is being made. A new directory appears with it at once, and loses it when
/// group and mode are right. So after a crash between the two, the sticky bit distinguishes it from a
/// directory that someone closed on purpose, and [`make`] finishes it.
pub(super) const BEING_MADE: u32 = 0o1700;

/// The kind of entry that a name in a directory has.
pub(super) enum EntryKind<D> {
    Missing,
    Directory(D),
    Link,
    /// A file, a socket …
    Other,
}

/// A directory, here or on a host.
pub(super) trait Directory: Sized {
    /// The path as errors name it, with the place.
    fn shown(&self) -> String;
    /// The entry of this name; symbolic links are not followed.
    fn entry(&self, name: &str) -> Result<EntryKind<Self>, StepError>;
    /// Makes a directory of mode [`BEING_MADE`]; fine where someone else has made one meanwhile.
    fn make(&self, name: &str) -> Result<(), StepError>;
    /// Removes an empty directory.
    fn remove(&self, name: &str) -> Result<(), StepError>;
    /// Up to this many of the names in it.
    fn names(&self, limit: usize) -> Result<Vec<String>, StepError>;
    /// Whether this account began to make it and was interrupted: its mode is [`BEING_MADE`].
    fn is_unfinished(&self) -> Result<bool, StepError>;
    /// Sets group and mode, the mode last.
    fn settle(&self, rights: &Ownership) -> Result<(), StepError>;
}

/// The mode that a directory shall have that has `present` now.
pub(super) fn wanted_mode(rights: &Ownership, present: u32) -> u32 {
    const SET_GROUP_ID: u32 = 0o2000;
    if rights.mode & 0o7000 == 0 { rights.mode | (present & SET_GROUP_ID) } else { rights.mode }
}

/// See [`super::Place::look`].
pub(super) fn look<D: Directory>(top: D, path: &RelativePath) -> Result<DirectoryState, StepError> {
    let mut directory = top;
    let mut components = path.components().peekable();
    while let Some(name) = components.next() {
        directory = match directory.entry(name)? {
            EntryKind::Missing => return Ok(DirectoryState::Missing),
            EntryKind::Directory(inner) => inner,
            EntryKind::Link => return Err(link(&directory, name)),
            EntryKind::Other if components.peek().is_none() => {
                return Ok(DirectoryState::Occupied(vec![name.to_owned()]));
            }
            EntryKind::Other => return Err(no_directory(&directory, name)),
        };
    }
    let names = directory.names(3)?;
    // Names come from whoever could write there, and go to the screen.
    let mut names: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
    names.sort();
    Ok(if names.is_empty() { DirectoryState::Empty } else { DirectoryState::Occupied(names) })
}

/// See [`super::Place::make`].
pub(super) fn make<D: Directory>(
    top: D,
    path: &RelativePath,
    rights: &Ownership,
) -> Result<CreateOutcome, StepError> {
    let mut directory = top;
    let mut made = CreateOutcome::Existed;
    let mut components = path.components().peekable();
    while let Some(name) = components.next() {
        let last = components.peek().is_none();
        let inner = match directory.entry(name)? {
            EntryKind::Directory(inner) => {
                if last || inner.is_unfinished()? {
                    inner.settle(rights)?;
                }
                inner
            }
            EntryKind::Missing => {
                directory.make(name)?;
                match directory.entry(name)? {
                    EntryKind::Directory(inner) => {
                        inner.settle(rights)?;
                        if last {
                            made = CreateOutcome::Created;
                        }
                        inner
                    }
                    EntryKind::Link => return Err(link(&directory, name)),
                    _ => return Err(no_directory(&directory, name)),
                }
            }
            EntryKind::Link => return Err(link(&directory, name)),
            EntryKind::Other => return Err(no_directory(&directory, name)),
        };
        directory = inner;
    }
    Ok(made)
}

/// Makes a directory with these rights in the top directory and removes it again.
pub(super) fn try_out<D: Directory>(top: D, rights: &Ownership) -> Result<(), StepError> {
    let name = format!(".beamshare-check-{}", uuid::Uuid::new_v4().simple());
    top.make(&name)?;
    let settled = match top.entry(&name) {
        Ok(EntryKind::Directory(inner)) => inner.settle(rights),
        Ok(_) => Err(no_directory(&top, &name)),
        Err(error) => Err(error),
    };
    let removed = top.remove(&name);
    settled.and(removed)
}

fn link<D: Directory>(directory: &D, name: &str) -> StepError {
    never(format!(
        "{}/{name} is a symbolic link; beamshare does not follow links below the top directory. Make a \
         directory of it, or set the place's top to where the link leads",
        directory.shown()
    ))
}

fn no_directory<D: Directory>(directory: &D, name: &str) -> StepError {
    never(format!("{}/{name} is there and is no directory. Move it away, then run again", directory.shown()))
}
