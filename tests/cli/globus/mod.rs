//! The verbs that speak with Globus, against the simulator. None of them needs an IOC.

mod beamline;
mod check;
mod collection;
mod endpoint;
mod permission;
mod secrets;
mod service;
mod sign_in;
mod task;
mod transfer;

use super::{Ended, beamshare, run};
use globus_simulator::{Account, App, Collection, GivenToken, Limits, Seed, Simulator};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use uuid::Uuid;

/// Who owns the guest collection, and signs in.
const ADA: &str = "ada@example.org";
/// The same person's other identity.
const ADA_AT_HOME: &str = "ada@home.example.org";
/// Somebody without any role.
const BOB: &str = "bob@example.org";
const NATIVE_APP: Uuid = Uuid::from_u128(1);
const SERVICE: Uuid = Uuid::from_u128(2);
const GUEST: Uuid = Uuid::from_u128(3);
/// Asks for the consent `data_access`.
const MAPPED: Uuid = Uuid::from_u128(4);
/// Bob's, shared with Ada.
const SHARED: Uuid = Uuid::from_u128(5);
const SECRET: &str = "the-service-secret";

/// A folder with settings, and a Globus.
struct Site {
    folder: TempDir,
    globus: Simulator,
    runtime: tokio::runtime::Runtime,
}

impl Site {
    /// With a person's sign-in in the settings, which nobody has done yet.
    fn new() -> Site {
        Site::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut ada = Account::new(ADA, "Ada Lovelace");
        ada.linked = vec![ADA_AT_HOME.to_owned()];
        let mut guest = Collection::guest(GUEST, "2-BM data", "guest", ADA).host(MAPPED);
        guest.description = Some("tomography".to_owned());
        let mut seed = Seed::default()
            .account(ada)
            .account(Account::new(ADA_AT_HOME, "Ada King"))
            .account(Account::new(BOB, "Bob"))
            .app(App::native(NATIVE_APP))
            .app(App::service(SERVICE, SECRET))
            .collection(Collection::mapped(MAPPED, "detector", "mapped", BOB).data_access())
            .collection(guest.role(&SERVICE.to_string(), "access_manager"))
            .collection(Collection::guest(SHARED, "Bob's scans", "shared", BOB).rule(ADA, "/", "r"));
        seed.limits = limits;
        let globus = runtime.block_on(Simulator::builder().root(folder.path()).seed(seed).start()).unwrap();
        let site = Site { folder, globus, runtime };
        site.configure(
            GUEST,
            &format!("token_store = {{ client_id = \"{NATIVE_APP}\", file = \"tokens/store.json\" }}"),
        );
        site
    }

    /// With the service in the settings, and its secret in place.
    fn of_service() -> Site {
        let site = Site::new();
        site.sign_in_as_service();
        write_private(&site.path("globus.secret"), SECRET);
        site
    }

    fn sign_in_as_service(&self) {
        self.configure(
            GUEST,
            &format!("service = {{ client_id = \"{SERVICE}\", client_secret_file = \"globus.secret\" }}"),
        );
    }

    fn configure(&self, collection: Uuid, sign_in: &str) {
        let (auth, transfer) = (self.globus.auth_url(), self.globus.transfer_url());
        let text = super::settings("x:")
            + &format!(
                "[globus]\ncollection = \"{collection}\"\nauth_url = \"{auth}\"\ntransfer_url = \"{transfer}\"\n\
                 timeout = \"10s\"\nsign_in.{sign_in}\n"
            );
        std::fs::write(self.path("beamshare.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("tokens/store.json")
    }

    fn act(&self, arguments: &[&str]) -> Ended {
        run(beamshare(self.folder.path()), arguments)
    }

    fn act_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = beamshare(self.folder.path());
        command.write_stdin(input);
        run(command, arguments)
    }

    /// What a verb prints with --json; it must end well.
    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.act(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ended.out))
    }

    /// `beamshare login` as this person, who opens each page that it prints.
    fn login(&self, username: &str, arguments: &[&str]) -> (Ended, usize) {
        let mut command = program(self.folder.path());
        command.arg("login").args(arguments);
        self.answer(command, |link| self.globus.sign_in(link, username).unwrap())
    }

    /// Runs a command that asks for codes, and answers them.
    fn answer(&self, mut command: Command, code: impl Fn(&str) -> String) -> (Ended, usize) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        // Beside the other pipe: with a log at level trace it fills up.
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let (mut out, mut links) = (String::new(), 0);
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            if line.starts_with("http") {
                links += 1;
                writeln!(input, "{}", code(&line)).unwrap();
            }
            out += &(line + "\n");
        }
        drop(input);
        let code = child.wait().unwrap().code().unwrap();
        (Ended { code, out, err: errors.join().unwrap() }, links)
    }

    /// Signs Ada in.
    fn signed_in(self) -> Site {
        let (ended, _) = self.login(ADA, &[]);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        self
    }

    /// A client that doesn't go through the program.
    fn client(&self) -> globus_transfer_client::GlobusClient {
        let token = "a-token-of-the-test";
        self.globus.give_token(&GivenToken::transfer(token, ADA)).unwrap();
        globus_transfer_client::GlobusClient::builder()
            .auth_url(self.globus.auth_url())
            .transfer_url(self.globus.transfer_url())
            .authorizer(globus_transfer_client::Authorizer::access_token(token))
            .build()
            .unwrap()
    }

    /// Every token that is in the store now.
    fn tokens(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.store()).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let services = document["sign_ins"]["beamshare"]["tokens"].as_object().unwrap().values();
        let tokens = services.flat_map(|token| [&token["access_token"], &token["refresh_token"]]);
        tokens.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// The program in this folder, for those who speak with it while it runs.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
    command
        .current_dir(folder)
        .env_remove("BEAMSHARE_CONFIG")
        .env_remove("BEAMSHARE_LOG")
        .env("NO_COLOR", "1");
    command
}

/// A file for its owner only.
fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}
