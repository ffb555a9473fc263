//! Two collections on directories of this machine, and settings with a pair between them.

use crate::support::settings;
use beamshare::config::Config;
use beamshare::journal::Journal;
use beamshare::sync::manifest::{Counts, FileState};
use beamshare::sync::{Ended, Engine, Options, Pair, RunResult, SyncReport, controls};
use globus_simulator::{App, Collection, Seed, Simulator};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

const SERVICE: Uuid = Uuid::from_u128(1);
pub const SOURCE: Uuid = Uuid::from_u128(2);
pub const DESTINATION: Uuid = Uuid::from_u128(3);

/// With everything that moves at once: nothing has to be quiet, nothing is kept.
pub const AT_ONCE: &str = "quiet = \"1ms\"\n";
pub const CLEAN_UP: &str = "quiet = \"1ms\"\n[sync.clean_up]\nkeep = \"1ms\"\n";

pub struct Site {
    pub folder: TempDir,
    pub globus: Simulator,
}

impl Site {
    /// A pair whose source is on this machine, with these further settings.
    pub async fn new(pair: &str) -> Site {
        let site = Site::empty().await;
        site.configure(&site.local_pair(pair));
        site
    }

    /// A pair whose source is on a collection only.
    pub async fn remote(pair: &str) -> Site {
        let site = Site::empty().await;
        site.configure(&site.remote_pair(pair));
        site
    }

    pub async fn empty() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let owner = SERVICE.to_string();
        let seed = Seed::default()
            .app(App::service(SERVICE, "a secret"))
            .collection(Collection::guest(SOURCE, "detector", "source", &owner))
            .collection(Collection::guest(DESTINATION, "archive", "destination", &owner));
        let globus = Simulator::builder().root(folder.path()).seed(seed).start().await.unwrap();
        let site = Site { folder, globus };
        std::fs::create_dir_all(site.source("")).unwrap();
        settings::write_files(site.folder.path(), "{{ data_link }}");
        site
    }

    pub fn local_pair(&self, more: &str) -> String {
        let local = self.source("");
        format!(
            "[[sync]]\nname = \"raw\"\nsource = {{ collection = \"{SOURCE}\", path = \"/data\", local = \"{}\" }}\n\
             destination = {{ collection = \"{DESTINATION}\", path = \"/2bm/raw\" }}\nnotify = \
             [\"staff@example.org\"]\n{more}\n",
            local.display()
        )
    }

    /// The same pair with its source on the collection only.
    pub fn remote_pair(&self, more: &str) -> String {
        self.local_pair(more).replace(&format!(", local = \"{}\"", self.source("").display()), "")
    }

    /// Writes the settings, with these pairs.
    pub fn configure(&self, pairs: &str) {
        let path = "{{ year_month }}/{{ pi_last_name }}-{{ proposal_number }}";
        let text = [
            &settings::base("2bmb:Share:", settings::PVS, path),
            &settings::globus(&self.globus, SOURCE, SERVICE, "").replace("\"10s\"", "\"5s\""),
            &settings::email(""),
            settings::JOURNAL,
            pairs,
        ]
        .concat();
        std::fs::write(self.path("beamshare.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn source(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("source/data").join(name)
    }

    pub fn destination(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("destination/2bm/raw").join(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.source(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub async fn engine(&self) -> Engine {
        let config = Config::load(&self.path("beamshare.toml")).unwrap_or_else(|error| panic!("{error}"));
        let journal = Journal::open(&config.journal.path).await.unwrap();
        Engine::open(Arc::new(config), journal).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs the pair by hand, as a new process would.
    pub async fn run(&self) -> Ended {
        let engine = self.engine().await;
        run(&engine, &the_pair(&engine).await).await
    }

    /// Runs it, and it must end well.
    pub async fn done(&self) -> Ended {
        let ended = self.run().await;
        assert_eq!(ended.result, RunResult::Done, "{ended:#?}");
        ended
    }

    pub async fn counts(&self) -> Counts {
        let engine = self.engine().await;
        let pair = the_pair(&engine).await;
        engine.manifest().counts(pair.row.id).await.unwrap()
    }

    pub async fn files(&self, state: FileState) -> u64 {
        self.counts().await.files(state)
    }

    /// The subjects of the mails, sorted.
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<String> = std::fs::read_dir(self.path("outbox"))
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .map(|mail| mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned())
            .collect();
        subjects.sort();
        subjects
    }
}

/// The program in a site's folder, told by nothing but its arguments and the settings.
pub fn program(folder: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_beamshare"));
    command.current_dir(folder).env_remove("BEAMSHARE_CONFIG").env_remove("BEAMSHARE_LOG");
    command.timeout(Duration::from_secs(60));
    command
}

pub async fn the_pair(engine: &Engine) -> Pair {
    let mut pairs = engine.pairs(None).await.unwrap();
    pairs.remove(0).unwrap_or_else(|error| panic!("{error}"))
}

pub fn options() -> Options {
    Options::by_hand(Duration::from_secs(20))
}

pub async fn run(engine: &Engine, pair: &Pair) -> Ended {
    let (sender, _receiver) = watch::channel(SyncReport::default());
    let (_controller, control) = controls();
    let options = options();
    let run = engine.run(pair, &options, control, sender);
    tokio::time::timeout(Duration::from_secs(50), run)
        .await
        .expect("it ends")
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The regular files of a tree with their contents; links are not followed.
pub fn tree(top: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(top: &Path, at: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        let Ok(entries) = std::fs::read_dir(at) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                walk(top, &entry.path(), found);
            } else if kind.is_file()
                // Another process may remove it meanwhile.
                && let Ok(content) = std::fs::read(entry.path())
            {
                found.insert(entry.path().strip_prefix(top).unwrap().to_owned(), content);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(top, top, &mut found);
    found
}

/// Sets a file's time of change back, so that a change in the same tick of the clock can be told.
pub fn age(path: &Path, by: Duration) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}

pub fn odd(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}
