//! A file with `[globus]` and `[[sync]]` alone: the example of docs/sync.md, by every command and by the
//! service.

use super::site::{DESTINATION, SOURCE, Site, program};
use assert_cmd::assert::Assert;
use beamshare::config::{Config, PairOwner, Purpose};
use beamshare::domain::YearMonth;
use beamshare::sync::manifest::{Manifest, NewPair, Place};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The settings of docs/sync.md, with the simulator's addresses and this folder's paths.
fn example(site: &Site) -> String {
    let page = include_str!("../../docs/sync.md");
    let section = page.split("## Without a beamline").nth(1).expect("the section");
    let block =
        section.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let (auth, transfer) = (site.globus.auth_url(), site.globus.transfer_url());
    let account =
        format!("[globus]\nauth_url = \"{auth}\"\ntransfer_url = \"{transfer}\"\n[globus.sign_in.service]");
    let ids: Vec<&str> = block.lines().filter_map(|line| line.split("collection = ").nth(1)).collect();
    let client = block.lines().find_map(|line| line.strip_prefix("client_id = ")).expect("a client");
    block
        .replace("[globus.sign_in.service]", &account)
        .replace(client, "\"00000000-0000-0000-0000-000000000001\"")
        .replace(ids[0], &format!("\"{SOURCE}\""))
        .replace(ids[1], &format!("\"{DESTINATION}\""))
        .replace("\"/local/logs", &format!("\"{}/source/logs", site.folder.path().display()))
        .replace("on = \"files\"\n", "on = \"files\"\nquiet = \"1ms\"\n")
}

struct Folder {
    site: Site,
    config: Config,
}

impl Folder {
    /// The example, with this at its end.
    async fn new(more: &str) -> Folder {
        let site = Site::empty().await;
        let file = site.path("archive.toml");
        std::fs::write(&file, example(&site) + more).unwrap();
        let config = Config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        Folder { site, config }
    }

    fn month(&self) -> YearMonth {
        jiff::ZonedDateTime::now().with_time_zone(self.config.beamline.zone()).date().into()
    }

    fn write(&self, month: YearMonth, name: &str) {
        let folder = self.site.path("source/logs").join(month.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), name).unwrap();
    }

    fn archived(&self, month: YearMonth, name: &str) -> PathBuf {
        self.site.path("destination/2bm/logs").join(month.to_string()).join(name)
    }

    async fn arrives(&self, month: YearMonth, name: &str) {
        self.appears(self.archived(month, name), name).await;
    }

    async fn appears(&self, path: PathBuf, content: &str) {
        let there = async {
            while std::fs::read(&path).ok().as_deref() != Some(content.as_bytes()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let log = || std::fs::read_to_string(self.site.path("log")).unwrap_or_default();
        tokio::time::timeout(LIMIT, there).await.unwrap_or_else(|_| panic!("{path:?}; the log:\n{}", log()));
    }

    fn beamshare(&self, arguments: &[&str]) -> Assert {
        program(self.site.folder.path()).args(["-c", "archive.toml"]).args(arguments).assert()
    }

    /// The standard output of a command that succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let assert = self.beamshare(arguments).success();
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    /// The standard error of a command that ends with this exit code.
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let assert = self.beamshare(arguments).code(code);
        String::from_utf8(assert.get_output().stderr.clone()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_without_epics() {
    let email = "[email]\nfrom = \"2bm@example.org\"\n[email.transport.folder]\npath = \"outbox\"\n";
    let folder = Folder::new(email).await;
    assert_eq!(folder.config.purpose, Purpose::DataOnly);
    assert_eq!(folder.config.journal.path, folder.site.path("archive.sqlite"));
    let month = folder.month();
    folder.write(month, "one");
    std::fs::create_dir_all(folder.site.path("destination/2bm/logs")).unwrap();

    let checked = folder.says(&["check"]);
    assert!(checked.contains("only moves data") && checked.contains("takes transfers"), "{checked}");
    assert!(!checked.contains("epics ") && checked.contains("checks passed"), "{checked}");
    // A wrong collection or secret is one finding.
    let checked = |file: &str, text: String| {
        let before = std::fs::read_to_string(folder.site.path(file)).unwrap();
        std::fs::write(folder.site.path(file), text).unwrap();
        let checked = folder.beamshare(&["check"]).code(1);
        std::fs::write(folder.site.path(file), before).unwrap();
        String::from_utf8(checked.get_output().stdout.clone()).unwrap()
    };
    let settings = std::fs::read_to_string(folder.site.path("archive.toml")).unwrap();
    let wrong = "11111111-2222-3333-4444-555555555555";
    let out = checked("archive.toml", settings.replace(&DESTINATION.to_string(), wrong));
    let remedy = format!("no such collection {wrong}; correct destination.collection of this pair");
    assert!(out.contains(&remedy) && out.matches("FAILED").count() == 1, "{out}");
    let out = checked("globus.secret", "another secret".to_owned());
    assert!(out.contains("not tried: needs the sign-in") && out.matches("FAILED").count() == 1, "{out}");
    assert!(folder.says(&["sync", "run"]).contains("1 file"));
    assert!(folder.archived(month, "one").exists());
    let status = folder.says(&["sync", "status"]);
    assert!(status.contains("in step") && status.contains(&format!("/2bm/logs/{month}")), "{status}");

    std::fs::remove_file(folder.archived(month, "one")).unwrap();
    assert!(folder.says(&["sync", "run"]).contains("nothing new"));
    assert!(folder.says(&["sync", "run", "logs", "--repair"]).contains("1 file"));
    folder.says(&["sync", "stop"]);
    assert!(folder.says(&["sync", "status"]).contains("stopped"));
    assert!(folder.says(&["sync", "reset", "logs", "--yes"]).contains("1 files are forgotten"));
    assert!(folder.says(&["sync", "report", "--to", "staff@example.org"]).contains("staff@example.org"));
    assert_eq!(folder.site.subjects().len(), 1);
    assert!(folder.refused(&["sync", "clean"], 2).contains("no pair has [sync.clean_up]"));
    assert!(folder.says(&["whoami"]).contains("service"));

    for command in [&["show"][..], &["status"], &["history"], &["share"], &["users", "list"]] {
        let error = folder.refused(command, 2);
        assert!(error.contains("has no [epics]") && error.contains("sync status"), "{error}");
    }
    assert!(folder.refused(&["sync", "run", "--experiment", "7"], 2).contains("belong to no experiment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_up_works_without_epics() {
    let folder = Folder::new("[sync.clean_up]\nkeep = \"1ms\"\n").await;
    let month = folder.month();
    folder.write(month, "one");
    folder.says(&["sync", "run"]);
    folder.says(&["sync", "clean"]);
    let source = folder.site.path("source/logs").join(month.to_string()).join("one");
    assert!(folder.archived(month, "one").exists() && !source.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_month_left_is_sent() {
    let folder = Folder::new("").await;
    let last = folder.month().previous();
    folder.write(folder.month(), "new");
    folder.write(last, "late");
    // The pair of the last month, as a run of that month has left it.
    let paths = folder.config.sync[0].resolve(PairOwner::Month(last)).unwrap();
    let manifest = Manifest::open(&Manifest::beside(&folder.config.journal.path)).await.unwrap();
    let new = NewPair {
        name: "logs".to_owned(),
        experiment: None,
        source: Place { collection: SOURCE, path: paths.source },
        destination: Place { collection: DESTINATION, path: paths.destination },
        local: paths.local.map(|local| local.fixed.join(local.below)),
    };
    manifest.open_pair(&new).await.unwrap();
    drop(manifest);
    let said = folder.says(&["sync", "run"]);
    assert!(said.contains(&format!("/2bm/logs/{last}")), "{said}");
    assert!(folder.archived(last, "late").exists() && folder.archived(folder.month(), "new").exists());
}

/// The service; it ends with this.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_moves_data_without_epics() {
    let folder = Folder::new("").await;
    let month = folder.month();
    std::fs::create_dir_all(folder.site.path("source/logs").join(month.to_string())).unwrap();
    let log = std::fs::File::create(folder.site.path("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_beamshare"))
        .current_dir(folder.site.folder.path())
        .env_remove("BEAMSHARE_LOG")
        // With Channel Access, this port would keep it from starting.
        .env("EPICS_CA_REPEATER_PORT", "not a port")
        .args(["run", "archive.toml"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut service = Service(child);
    folder.write(month, "as it appears");
    folder.arrives(month, "as it appears").await;
    folder.write(month, "a later one");
    folder.arrives(month, "a later one").await;

    // An edit takes effect.
    let file = folder.site.path("archive.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("/2bm/logs/{{ year_month }}", "/2bm/kept/{{ year_month }}")).unwrap();
    let edited = folder.site.path("destination/2bm/kept").join(month.to_string()).join("a later one");
    folder.appears(edited, "a later one").await;

    let pid = rustix::process::Pid::from_child(&service.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(service.0.wait().unwrap().success());
    let log = std::fs::read_to_string(folder.site.path("log")).unwrap();
    assert!(log.contains("these settings serve no user groups"), "{log}");
    assert!(!log.contains("ERROR") && !log.to_lowercase().contains("epics"), "{log}");
}
