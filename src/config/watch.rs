//! Edits of the settings while the service runs.
//!
//! One [`ConfigWatcher`] serves all beamlines of a process. It asks the kernel only for files that were
//! written and closed, renamed, created, removed, or whose mode was changed: neither reading a template nor a
//! write to a journal beside it wakes this process. An event reaches only the beamlines whose files it names.

use super::{Check, Config, ConfigError, load};
use globus_sync::events::inotify_remedy;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the files must be left alone before they are read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(500);

/// Room for the events of one read: at least one with the longest name.
const EVENTS: usize = 16 * 1024;

/// The folders of the configuration and its templates can't be watched for changes.
#[derive(Debug, thiserror::Error)]
#[error("can't watch {} for changes ({source}){}; edits of the configuration need SIGHUP or a \
         restart", folder.display(), inotify_remedy(source))]
pub struct WatchError {
    folder: PathBuf,
    source: std::io::Error,
}

/// Watches the files of all configurations of a process. Cheap to clone; it ends, with its thread, with the
/// last clone and the last [`Changes`].
#[derive(Clone)]
pub struct ConfigWatcher {
    shared: Arc<Shared>,
}

struct Shared {
    inotify: Arc<OwnedFd>,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    /// Folders by the kernel's number of their watch: a folder has one, under whichever path
    folders: BTreeMap<PathBuf, i32>,
    /// The files of each [`Changes`], by the watch of their folder and their name
    interests: BTreeMap<u64, Interests>,
    next: u64,
    /// Times that the kernel has woken this process
    wakeups: u64,
}

struct Interests {
    files: BTreeSet<(i32, OsString)>,
    /// Full means that a look is due already
    touched: mpsc::Sender<()>,
}

impl ConfigWatcher {
    /// Starts watching, with no file yet.
    ///
    /// # Errors
    /// Where the machine has no inotify instances or threads left.
    pub fn new() -> Result<ConfigWatcher, WatchError> {
        let failed = |source| WatchError { folder: PathBuf::from("/"), source };
        let inotify = Arc::new(inotify::init(CreateFlags::CLOEXEC).map_err(|error| failed(error.into()))?);
        let shared = Arc::new(Shared { inotify: inotify.clone(), watched: Mutex::default() });
        let reader = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("settings".into())
            .spawn(move || read_events(&inotify, &reader))
            .map_err(failed)?;
        Ok(ConfigWatcher { shared })
    }

    /// Watches the file of these settings and the message templates that it names; edits are read with these
    /// checks.
    ///
    /// The folders are watched, not the files: editors put a new file in the place of the old one.
    ///
    /// # Errors
    /// Where the machine has no watches left (inotify), or a folder is gone.
    pub fn watch(&self, config: &Config, checks: &'static [Check]) -> Result<Changes, WatchError> {
        let (sender, touched) = mpsc::channel(1);
        // An edit between the reading and now is found by a first look.
        let _ = sender.try_send(());
        let id = self.shared.with(|watched| {
            watched.next += 1;
            watched.interests.insert(watched.next, Interests { files: BTreeSet::new(), touched: sender });
            watched.next
        });
        let changes =
            Changes { current: config.clone(), checks, wrong: None, touched, watcher: self.clone(), id };
        changes.watch_files()?;
        Ok(changes)
    }

    /// How often the kernel has woken this process since the start.
    pub fn wakeups(&self) -> u64 {
        self.shared.with(|watched| watched.wakeups)
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Watched) -> T) -> T {
        act(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The watch of a folder, which is added where there is none.
    fn folder(&self, folder: &Path) -> Result<i32, WatchError> {
        self.with(|watched| {
            if let Some(watch) = watched.folders.get(folder) {
                return Ok(*watch);
            }
            let written = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::CREATE;
            // ATTRIB: a file that others could change may be used again after a chmod.
            let removed = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::ATTRIB;
            let watch = inotify::add_watch(&self.inotify, folder, written | removed | WatchFlags::ONLYDIR)
                .map_err(|source| WatchError { folder: folder.to_owned(), source: source.into() })?;
            watched.folders.insert(folder.to_owned(), watch);
            Ok(watch)
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Each end of a watch is an event, which wakes the thread so that it ends.
        for watch in self.with(|watched| std::mem::take(&mut watched.folders)).into_values() {
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
    }
}

/// Reads the kernel's events, and passes them on, until the watcher is dropped.
fn read_events(inotify: &OwnedFd, watcher: &Weak<Shared>) {
    let mut buffer = vec![MaybeUninit::uninit(); EVENTS];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    loop {
        let first_of_a_read = reader.is_buffer_empty();
        let (watch, kind, name) = match reader.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| OsString::from_vec(name.to_bytes().to_vec()));
                (event.wd(), event.events(), name)
            }
            Err(Errno::INTR) => continue,
            Err(error) => return tracing::warn!("edits of the configuration are not seen any more: {error}"),
        };
        let Some(watcher) = watcher.upgrade() else { return };
        watcher.with(|watched| {
            watched.wakeups += u64::from(first_of_a_read);
            watched.tell(watch, kind, name);
        });
    }
}

impl Watched {
    /// Passes an event on to those whose file it is about.
    fn tell(&mut self, watch: i32, kind: ReadFlags, name: Option<OsString>) {
        if kind.contains(ReadFlags::IGNORED) {
            self.folders.retain(|_, other| *other != watch); // the folder is gone
        }
        let lost = kind.contains(ReadFlags::QUEUE_OVERFLOW);
        let file = (watch, name.unwrap_or_default());
        for interests in self.interests.values().filter(|interests| lost || interests.files.contains(&file)) {
            let _ = interests.touched.try_send(());
        }
    }
}

/// The coming changes of a configuration. Watching ends when it is dropped.
pub struct Changes {
    current: Config,
    checks: &'static [Check],
    /// What is wrong with the file since its last edit, so that it is said once
    wrong: Option<ConfigError>,
    touched: mpsc::Receiver<()>,
    watcher: ConfigWatcher,
    id: u64,
}

impl Changes {
    /// Waits for the next change: new settings, or what is wrong with an edit (the settings before it stay
    /// good). A file that is only touched, or an edit taken back in time, is no change. Cancel-safe.
    pub async fn next(&mut self) -> Result<Config, ConfigError> {
        loop {
            if self.touched.recv().await.is_none() {
                // The sender lives as long as this does.
                std::future::pending::<()>().await;
            }
            self.quiet().await;
            match Config::load_with(&self.current.file, self.checks) {
                Ok(config) => {
                    let corrected = self.wrong.take().is_some();
                    if corrected || config.fingerprint != self.current.fingerprint {
                        self.current = config.clone();
                        if let Err(error) = self.watch_files() {
                            tracing::warn!("{error}");
                        }
                        return Ok(config);
                    }
                }
                Err(error) if self.wrong.as_ref() != Some(&error) => {
                    self.wrong = Some(error.clone());
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }

    /// Returns when the files have been left alone for [`QUIET`]. Dropped in the middle, it leaves a look
    /// due.
    async fn quiet(&mut self) {
        let due = Due { watcher: &self.watcher, id: self.id };
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.touched.recv()).await {}
        std::mem::forget(due);
    }

    /// Asks for the events of the present files.
    fn watch_files(&self) -> Result<(), WatchError> {
        let mut files = BTreeSet::new();
        for file in load::files(&self.current) {
            // A link's target can be edited in its own folder.
            let target = file.canonicalize().ok();
            for file in [Some(file), target].into_iter().flatten() {
                if let Some(name) = file.file_name() {
                    files.insert((self.watcher.shared.folder(folder_of(&file))?, name.to_owned()));
                }
            }
        }
        self.watcher.shared.with(|watched| {
            if let Some(interests) = watched.interests.get_mut(&self.id) {
                interests.files = files;
            }
        });
        Ok(())
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.watcher.shared.with(|watched| watched.interests.remove(&self.id));
    }
}

/// Makes a look due again when it is dropped.
struct Due<'w> {
    watcher: &'w ConfigWatcher,
    id: u64,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        self.watcher.shared.with(|watched| {
            if let Some(interests) = watched.interests.get(&self.id) {
                let _ = interests.touched.try_send(());
            }
        });
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SETTINGS: &str = r#"
beamline.name = "2-BM"
epics = { prefix = "2bmb:Share:", user_info = { year_month = "a:1", pi_last_name = "a:2", pi_email = "a:3" } }
directories.paths = ["{{ year_month }}/{{ pi_last_name }}"]
journal.path = "journal.sqlite"
email = { from = "a@b.org", text_template = "message.txt", transport.folder.path = "o" }
"#;

    fn write(folder: &Path, name: &str) -> Config {
        let file = folder.join(name);
        std::fs::write(folder.join("message.txt"), "x").unwrap();
        std::fs::write(&file, SETTINGS).unwrap();
        Config::load(&file).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn next(changes: &mut Changes) -> Config {
        tokio::time::timeout(QUIET * 40, changes.next()).await.expect("an edit is noticed").unwrap()
    }

    /// An edit that the kernel reports as one event.
    fn edit(file: &Path, name: &str) {
        let elsewhere = tempfile::tempdir_in(std::env::temp_dir()).unwrap();
        let new = elsewhere.path().join("new");
        std::fs::write(&new, SETTINGS.replace("2-BM", name)).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    #[tokio::test]
    async fn neither_reading_a_template_nor_a_journal_beside_it_wakes_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path(), "beamshare.toml");
        let journal = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
        journal.pragma_update(None, "journal_mode", "WAL").unwrap();
        journal.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let mut log = std::fs::File::create(folder.path().join("log")).unwrap();
        let watcher = ConfigWatcher::new().unwrap();
        let mut changes = watcher.watch(&config, &[]).unwrap();

        for n in 0..100 {
            std::fs::read(folder.path().join("message.txt")).unwrap();
            journal.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
            log.write_all(b"line\n").unwrap();
            tokio::task::yield_now().await;
        }
        edit(&config.file, "7-BM");
        assert_eq!(next(&mut changes).await.beamline.name, "7-BM");
        assert_eq!(watcher.wakeups(), 1, "the edit alone");
    }

    #[tokio::test]
    async fn an_edit_reaches_the_beamlines_that_it_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first.toml", "second.toml"].map(|name| write(folder.path(), name));
        let watcher = ConfigWatcher::new().unwrap();
        let [mut a, mut b] = [&first, &second].map(|config| watcher.watch(config, &[]).unwrap());
        for changes in [&mut a, &mut b] {
            changes.touched.recv().await.unwrap(); // the first look
        }
        edit(&first.file, "7-BM");
        assert_eq!(next(&mut a).await.beamline.name, "7-BM");
        assert!(b.touched.try_recv().is_err(), "not the second one's file");
        std::fs::write(folder.path().join("message.txt"), "for both").unwrap();
        assert_eq!(next(&mut a).await.beamline.name, "7-BM");
        assert_eq!(next(&mut b).await.beamline.name, "2-BM");
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_no_edit() {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path(), "beamshare.toml");
        let mut changes = ConfigWatcher::new().unwrap().watch(&config, &[]).unwrap();
        edit(&config.file, "7-BM");
        for _ in 0..10 {
            // Given up while it waits for the editor to be done.
            assert!(tokio::time::timeout(Duration::from_millis(1), changes.next()).await.is_err());
        }
        assert_eq!(next(&mut changes).await.beamline.name, "7-BM");
    }
}
