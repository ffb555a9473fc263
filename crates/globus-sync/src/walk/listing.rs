use rustix::fs::FileType;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Bytes
    pub size: u64,
    /// Time of the last change of its content: nanoseconds since 1970 (UTC). A remote listing knows whole
    /// seconds.
    pub mtime: i64,
    /// Time of the last status change, which no user can set: nanoseconds since 1970. 0 where the file is not
    /// on this machine.
    pub ctime: i64,
    /// 0 where the file is not on this machine
    pub inode: u64,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file
    File,
    /// A symbolic link, wherever it points: neither followed nor sent
    Link,
    /// A socket, pipe or device
    Special,
}

impl Kind {
    /// The kind of what is no directory.
    pub fn of(file_type: FileType) -> Kind {
        match file_type {
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Link,
            _ => Kind::Special,
        }
    }
}

/// The files of one directory, in the order of their names' bytes. 40 bytes a file beside the name: a
/// directory of a million files is one listing.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    directory: PathBuf,
    names: Vec<u8>,
    entries: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    length: u16,
    kind: Kind,
    stat: Stat,
}

/// One file of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its name in the directory
    pub name: &'a OsStr,
    /// What it is
    pub kind: Kind,
    /// As it was when the directory was read
    pub stat: Stat,
}

impl Listing {
    /// An empty listing of a directory below the tree's top; the top itself is the empty path.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Listing { directory: directory.into(), ..Listing::default() }
    }

    /// The directory, below the tree's top.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a file. `false` means that the listing is full (names of 4 GiB): the directory can't be compared.
    pub fn push(&mut self, name: &OsStr, kind: Kind, stat: Stat) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u16::try_from(name.len())) else {
            return false;
        };
        self.names.extend_from_slice(name.as_bytes());
        self.entries.push(Slot { start, length, kind, stat });
        true
    }

    /// Puts the files in order. A name that came twice (a directory can change while it is read) stays once,
    /// as seen last.
    pub fn sort(&mut self) {
        let names = &self.names;
        let name = |slot: &Slot| &names[slot.start as usize..][..slot.length as usize];
        self.entries.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(b.start.cmp(&a.start)));
        self.entries.dedup_by(|later, kept| name(later) == name(kept));
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file at this place of the order.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        self.entries.get(index).map(|slot| Entry {
            name: OsStr::from_bytes(&self.names[slot.start as usize..][..slot.length as usize]),
            kind: slot.kind,
            stat: slot.stat,
        })
    }

    /// The files in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
