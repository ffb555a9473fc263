//! The command line as its users meet it: the program itself, in a folder of its own.

mod beamline;
mod check;
mod deliver;
mod frame;
mod globus;
mod records;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod trust;

use assert_cmd::Command;
use std::path::Path;
use support::settings::{JOURNAL, base};

/// The program in this folder, without the settings and the Channel Access of whoever runs the tests.
fn beamshare(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
    command
        .current_dir(folder)
        .env_remove("BEAMSHARE_CONFIG")
        .env_remove("BEAMSHARE_LOG")
        .env("NO_COLOR", "1");
    command.env("EPICS_CA_ADDR_LIST", "127.0.0.1").env("EPICS_CA_AUTO_ADDR_LIST", "NO");
    command
}

/// What a run came to: exit code, standard output, standard error.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn run(mut command: Command, arguments: &[&str]) -> Ended {
    let output =
        command.args(arguments).timeout(std::time::Duration::from_secs(60)).output().expect("beamshare runs");
    Ended {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The smallest settings, with these PVs' prefix.
fn settings(prefix: &str) -> String {
    let pvs = [("year_month", "YearMonth"), ("pi_last_name", "LastName"), ("pi_email", "Email")];
    let pvs: String = pvs.iter().map(|(field, pv)| format!("{field} = \"{prefix}{pv}\"\n")).collect();
    let base = base(&format!("{prefix}Share:"), &pvs, "{{ year_month }}/{{ pi_last_name }}");
    base.replace("[epics]\n", "time_zone = \"America/Chicago\"\n[epics]\n") + JOURNAL
}

/// Puts a text as any client of Channel Access does.
fn put(test: &support::ioc::CaTest, pv: &str, value: &str) {
    let value = serde_json::to_string(value).expect("a text");
    test.python(&format!("import epics; assert epics.caput({pv:?}, {value}, wait=True, timeout=20)"));
}
