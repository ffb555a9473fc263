//! A beamline on real parts for one test: soft IOC, a directory of this machine, the Globus simulator, mail
//! into files.

use super::support::ioc::{CaTest, Ioc, repository};
use super::support::settings;
use super::{Ended, beamshare, run};
use globus_simulator::{App, Collection, Seed, Simulator};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use uuid::Uuid;

const USER_INFO: &str = r#"
record(stringout, "x:YearMonth") { field(VAL, "2026-03") field(PINI, "YES") }
record(stringout, "x:LastName")  { field(VAL, "Li")      field(PINI, "YES") }
record(stringout, "x:Email")     { field(VAL, "wei.li@example.org") field(PINI, "YES") }
record(stringout, "x:UpdateTime") { }
record(waveform, "x:Signature")  { field(FTVL, "CHAR") field(NELM, "128") }
record(stringout, "x:ShortSignature") { }
"#;

pub struct Beamline {
    test: CaTest,
    folder: TempDir,
    pub globus: Simulator,
    pub collection: Uuid,
    service: Option<Child>,
    _ioc: Ioc,
    _runtime: tokio::runtime::Runtime,
}

impl Beamline {
    /// Without the status records.
    pub fn new() -> Beamline {
        let test = CaTest::new();
        let ioc = test.ioc_with_records(USER_INFO);
        Beamline::on(test, ioc)
    }

    /// With the status records.
    pub fn with_records() -> Beamline {
        let test = CaTest::new();
        let user_info = test.file("user_info.db", USER_INFO);
        let ioc = test.ioc(&[(&user_info, ""), (&repository("db/beamshare.db"), "P=x:,R=Share:")]);
        Beamline::on(test, ioc)
    }

    fn on(test: CaTest, ioc: Ioc) -> Beamline {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for directory in ["local", "globus"] {
            std::fs::create_dir_all(path(directory)).unwrap();
        }
        let (service, collection) = (Uuid::new_v4(), Uuid::new_v4());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let seed = Seed::default().app(App::service(service, "a secret")).collection(Collection::guest(
            collection,
            "Beamline data",
            "globus",
            &service.to_string(),
        ));
        let globus = runtime.block_on(Simulator::builder().root(folder.path()).seed(seed).start()).unwrap();
        settings::write_files(folder.path(), "Dear {{ pi_last_name }},\n{{ data_link }}\n");
        let settings = [
            super::settings("x:"),
            "[rules]\nsettle = \"200ms\"\n[[directories.on]]\nname = \"analysis\"\ntop = \"local\"\n"
                .to_owned(),
            settings::globus(&globus, collection, service, ""),
            settings::email("contacts = [\"Contact <contact@example.org>\"]\n"),
        ]
        .concat();
        std::fs::write(path("beamshare.toml"), settings).unwrap();
        Beamline { test, folder, globus, collection, service: None, _ioc: ioc, _runtime: runtime }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn act(&self, arguments: &[&str]) -> Ended {
        run(self.command(), arguments)
    }

    pub fn command(&self) -> assert_cmd::Command {
        let mut command = beamshare(self.folder.path());
        command.envs(self.test.environment());
        command
    }

    /// Runs a program of Python in the folder, with Channel Access as the verbs have it.
    pub fn python(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut command = assert_cmd::Command::new(super::support::ioc::python());
        command.current_dir(self.folder.path()).env_remove("BEAMSHARE_CONFIG").envs(self.test.environment());
        run(command, &[&["-c", program], arguments].concat())
    }

    /// Starts a verb that does not end by itself.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
        command.args(arguments).current_dir(self.folder.path()).envs(self.test.environment());
        command.env_remove("BEAMSHARE_CONFIG").stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts `beamshare run`; it ends with the test.
    pub fn serve(&mut self) {
        let log = std::fs::File::create(self.path("service.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
        command.arg("run").current_dir(self.folder.path()).envs(self.test.environment());
        self.service = Some(command.env_remove("BEAMSHARE_CONFIG").stderr(log).spawn().unwrap());
    }

    /// Ends the service, as a power failure does.
    pub fn kill_service(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }

    /// The service's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }

    pub fn put(&self, pv: &str, value: &str) {
        super::put(&self.test, pv, value);
    }

    /// How many messages there are.
    pub fn messages(&self) -> usize {
        let files = std::fs::read_dir(self.path("outbox")).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "eml")).count()
    }
}

impl Drop for Beamline {
    fn drop(&mut self) {
        self.kill_service();
    }
}
