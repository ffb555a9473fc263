//! A parallel walk of a tree on this machine. Crates for it (`ignore`, `jwalk`) hand out entries one by one
//! in any order, by paths that follow whatever link is put on the way, and say of an error neither whose
//! files are unknown now; here a directory comes whole or not at all, and no more than a bounded number of
//! files is in memory.

use super::{Filters, Listing, read};
use crate::openat;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Files that wait to be compared: some 20 MiB. One directory may have more.
const WAITING_FILES: usize = 256 * 1024;

/// Files that are compared in one go, where they come fast enough.
const BATCH_FILES: usize = 16 * 1024;

/// For the names of a directory.
const BUFFER: usize = 64 * 1024;

/// A directory of which nothing is known.
#[derive(Debug)]
pub struct Unread {
    /// Below the tree's top
    pub path: PathBuf,
    /// What the system said
    pub source: io::Error,
}

/// What walkers and the taker of their listings share.
pub(super) struct Board {
    state: Mutex<State>,
    /// A directory to read, or no more of them
    work: Condvar,
    /// Listings, or the walk's end
    found: Condvar,
    /// Room for listings
    room: Condvar,
}

#[derive(Default)]
struct State {
    directories: Vec<PathBuf>,
    reading: usize,
    listings: VecDeque<Listing>,
    waiting_files: usize,
    /// Walkers that wait for room
    blocked: usize,
    unread: Vec<Unread>,
    filtered: u64,
    read: u64,
    stopped: bool,
}

impl State {
    fn ended(&self) -> bool {
        self.stopped || (self.reading == 0 && self.directories.is_empty())
    }
}

/// What a walk says beside its listings.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) directories: u64,
    pub(super) filtered: u64,
    pub(super) unread: Vec<Unread>,
}

impl Board {
    /// A walk of these directories, which are below the tree's top, and of all below them.
    pub(super) fn new(directories: Vec<PathBuf>) -> Self {
        let state = Mutex::new(State { directories, ..State::default() });
        Board { state, work: Condvar::new(), found: Condvar::new(), room: Condvar::new() }
    }

    /// One walker's work, until nothing is left. `before` is called for each directory before it is read.
    pub(super) fn walk(&self, top: BorrowedFd<'_>, filters: &Filters, before: &(dyn Fn(&Path) + Sync)) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        while let Some(path) = self.next_directory() {
            before(&path);
            let mut directories = Vec::new();
            let read = openat::open_directory(top, &path)
                .and_then(|fd| read::read(fd.as_fd(), &path, filters, &mut buffer, &mut directories));
            self.directory_read(path, read, directories);
        }
    }

    /// Listings to compare next; none at the end of the walk.
    pub(super) fn next_listings(&self) -> Option<Vec<Listing>> {
        let mut state = self.lock();
        while !state.ended()
            && state.blocked == 0
            && state.waiting_files < BATCH_FILES
            && state.listings.len() < BATCH_FILES
        {
            state = self.found.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut batch, mut files) = (Vec::new(), 0);
        while files < BATCH_FILES
            && let Some(listing) = state.listings.pop_front()
        {
            files += listing.len();
            batch.push(listing);
        }
        state.waiting_files -= files;
        self.room.notify_all();
        (!batch.is_empty()).then_some(batch)
    }

    /// Ends the walk early.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        for waiting in [&self.work, &self.found, &self.room] {
            waiting.notify_all();
        }
    }

    /// What it came to.
    pub(super) fn ended(self) -> Ended {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ended { directories: state.read, filtered: state.filtered, unread: state.unread }
    }

    fn next_directory(&self) -> Option<PathBuf> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            // The one found last: depth first, so that few wait.
            if let Some(path) = state.directories.pop() {
                state.reading += 1;
                return Some(path);
            }
            if state.reading == 0 {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn directory_read(
        &self,
        path: PathBuf,
        read: rustix::io::Result<(Listing, u64)>,
        directories: Vec<PathBuf>,
    ) {
        let mut state = self.lock();
        state.directories.extend(directories);
        self.work.notify_all();
        match read {
            Ok((listing, filtered)) => {
                while state.waiting_files > 0
                    && state.waiting_files + listing.len() > WAITING_FILES
                    && !state.stopped
                {
                    state.blocked += 1;
                    self.found.notify_all();
                    state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.blocked -= 1;
                }
                state.read += 1;
                state.filtered += filtered;
                state.waiting_files += listing.len();
                state.listings.push_back(listing);
            }
            // Gone since its parent was read, or something else has its name now. The top must be there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.as_os_str().is_empty() => {}
            Err(error) => state.unread.push(Unread { path, source: error.into() }),
        }
        state.reading -= 1;
        if state.ended() {
            self.work.notify_all();
            self.found.notify_all();
        } else if state.waiting_files >= BATCH_FILES || state.listings.len() >= BATCH_FILES {
            self.found.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
