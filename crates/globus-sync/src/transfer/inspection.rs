//! Looks at files of a source on this machine: right before they are sent, and when Globus has copied them.
//!
//! Globus opens a file by its path, and follows links. A user who can write in the source can put another
//! group's data under that path while the task runs, and take it away again. A name can't be exchanged
//! without changing the ctime of the directory that has it, and a renamed file or directory changes its own
//! ctime. So a path led to the same file throughout the task if, at its end, each directory on the way and
//! the file have the inodes that they had before, and of each directory and the entry in it that the path
//! goes through at least one has kept its ctime.

use super::super::manifest::{FileRow, TaskDirectory, TaskFile};
use super::super::openat::{Descent, DirectoryIdentity, SourceDirectory, open_directory};
use super::super::walk::{At, Kind, Stat, look_fresh};
use md5::Md5;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256, Sha512};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// What the source shows of files that are about to be sent.
#[derive(Default)]
pub(super) struct Inspection {
    /// Files that are not as the manifest has them, with what is there now
    pub changed: Vec<(PathBuf, At)>,
    /// Files with several names (hard links), and how many
    pub linked: Vec<(FileRow, u32)>,
    /// The directories on the way to the others
    pub directories: Vec<TaskDirectory>,
}

/// Looks at files, which must come directory by directory.
pub(super) fn inspect(source: &SourceDirectory, files: &[FileRow]) -> io::Result<Inspection> {
    let mut descent = Descent::new(source)?;
    descent.enter(&source.below)?;
    let mut inspection = Inspection::default();
    for file in files {
        match look(&mut descent, source, &file.path) {
            Some((At::File(Kind::File, now), names)) if now == file.stat => {
                if names > 1 {
                    inspection.linked.push((file.clone(), names));
                }
            }
            // What can't be looked at now is not sent now; a directory in its place comes with the next walk.
            other => inspection.changed.push((file.path.clone(), other.map_or(At::Nothing, |(at, _)| at))),
        }
    }
    let directory = |(path, identity)| TaskDirectory { path, identity };
    inspection.directories = descent.identities.into_iter().map(directory).collect();
    Ok(inspection)
}

fn look(descent: &mut Descent, source: &SourceDirectory, path: &Path) -> Option<(At, u32)> {
    let (directory, name) = (path.parent()?, path.file_name()?);
    let directory = descent.enter(&source.below.join(directory)).ok()?;
    look_fresh(directory, name).ok()
}

/// Why a path may have led elsewhere while a task ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The file, or its directory, is not there any more
    Gone,
    /// The file was written or replaced while names on the way to it changed: programs that rename files do
    /// that
    Replaced,
    /// The file is as it was, and names on the way to it have changed
    AsItWas,
    /// A symbolic link stands in the path
    Linked,
}

/// Those files of an ended task whose paths may have led elsewhere meanwhile. `before` has the directories as
/// they were when the task began.
///
/// # Errors
/// Where the fixed part of the source can't be opened: nothing is known.
pub(super) fn doubtful(
    source: &SourceDirectory,
    files: &[TaskFile],
    before: &HashMap<PathBuf, DirectoryIdentity>,
) -> io::Result<BTreeMap<PathBuf, Doubt>> {
    let mut descent = Descent::new(source)?;
    let mut judged: HashMap<PathBuf, Way> = HashMap::new();
    let mut doubtful = BTreeMap::new();
    for file in files {
        let directory = source.below.join(file.path.parent().unwrap_or(Path::new("")));
        let way = match judged.get(&directory) {
            Some(way) => *way,
            None => {
                let way = judge_way(&directory, &mut descent, before);
                judged.insert(directory.clone(), way);
                way
            }
        };
        let doubt = match way {
            Way::Ends(doubt) => Some(doubt),
            Way::Same | Way::Suspicious => {
                let now = look(&mut descent, source, &file.path);
                let same_names = way == Way::Same && kept_its_entries(&directory, &descent, before);
                judge_file(now, file.stat, way, same_names)
            }
        };
        if let Some(doubt) = doubt {
            doubtful.insert(file.path.clone(), doubt);
        }
    }
    Ok(doubtful)
}

/// Where the directories of a path have led while a task ran.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Always to the same directory
    Same,
    /// Perhaps elsewhere in between
    Suspicious,
    /// Nowhere now
    Ends(Doubt),
}

/// `same_names` says that no name in the file's directory has been made, renamed or removed.
fn judge_file(now: Option<(At, u32)>, was: Stat, way: Way, same_names: bool) -> Option<Doubt> {
    match now {
        None | Some((At::Nothing, _)) => Some(Doubt::Gone),
        Some((At::File(Kind::File, now), _)) if now == was => {
            (way == Way::Suspicious).then_some(Doubt::AsItWas)
        }
        Some((At::File(Kind::File, now), _)) if now.inode == was.inode && same_names => None,
        Some((At::File(Kind::Link, _), _)) => Some(Doubt::Linked),
        Some(_) => Some(Doubt::Replaced),
    }
}

fn judge_way(path: &Path, descent: &mut Descent, before: &HashMap<PathBuf, DirectoryIdentity>) -> Way {
    match descent.enter(path) {
        Ok(_) => {}
        Err(Errno::LOOP | Errno::NOTDIR) => return Way::Ends(Doubt::Linked),
        Err(_) => return Way::Ends(Doubt::Gone),
    }
    let is_same = |above: &Path| {
        let Some((was, now)) = before.get(above).zip(descent.identities.get(above)) else { return false };
        let parent = above.parent().unwrap_or(Path::new(""));
        (was.device, was.inode) == (now.device, now.inode)
            && (was.ctime == now.ctime || kept_its_entries(parent, descent, before))
    };
    let mut way = path.ancestors().filter(|above| !above.as_os_str().is_empty());
    if way.all(is_same) { Way::Same } else { Way::Suspicious }
}

/// Whether no name in the directory has been made, renamed or removed.
fn kept_its_entries(path: &Path, descent: &Descent, before: &HashMap<PathBuf, DirectoryIdentity>) -> bool {
    before.get(path).is_some_and(|was| descent.identities.get(path) == Some(was))
}

/// Whether the directories from the fixed part to the source itself are those of the beginning.
pub(super) fn is_source_in_place(
    source: &SourceDirectory,
    before: &HashMap<PathBuf, DirectoryIdentity>,
) -> io::Result<bool> {
    let mut descent = Descent::new(source)?;
    if descent.enter(&source.below).is_err() {
        return Ok(false);
    }
    Ok(descent.identities.iter().skip(1).all(|(path, now)| {
        before.get(path).is_some_and(|was| (was.device, was.inode) == (now.device, now.inode))
    }))
}

/// Whether a file of the source, reached without following links and with no second name, has this checksum.
pub(super) fn has_checksum(source: &SourceDirectory, path: &Path, algorithm: &str, checksum: &str) -> bool {
    let sum = || -> io::Result<Option<String>> {
        let (directory, name) = path.parent().zip(path.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
        let root = source.open_root()?;
        let directory = open_directory(root.as_fd(), &source.below.join(directory))?;
        // Not a pipe or a device, which do things when they are opened.
        let (At::File(Kind::File, stat), 1) = look_fresh(directory.as_fd(), name)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&directory, name, flags, Mode::empty())?);
        if rustix::fs::fstat(&file)?.st_ino != stat.inode {
            return Ok(None);
        }
        match algorithm.to_ascii_uppercase().replace('-', "").as_str() {
            "MD5" => digest::<Md5>(file).map(Some),
            "SHA256" => digest::<Sha256>(file).map(Some),
            "SHA512" => digest::<Sha512>(file).map(Some),
            _ => Ok(None),
        }
    };
    sum().is_ok_and(|sum| sum.is_some_and(|sum| sum.eq_ignore_ascii_case(checksum)))
}

fn digest<D: Digest>(mut file: File) -> io::Result<String> {
    let (mut digest, mut chunk) = (D::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => digest.update(&chunk[..count]),
        }
    }
}
