//! The demo, as its users meet it: it ends well only if everything is there, and leaves no process behind,
//! however it ends.

#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::until;

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare-demo"));
    command.env("BEAMSHARE_PYTHON", support::ioc::python());
    command
}

/// Starts the demo in this folder, and waits for the line that says so much.
fn start(folder: &Path, line: &str) -> Child {
    let mut child =
        demo().arg("--folder").arg(folder).stdout(Stdio::piped()).spawn().expect("the demo starts");
    let output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut said = Vec::new();
    let mut reached = false;
    for text in output.lines().map_while(Result::ok) {
        reached = text.contains(line);
        said.push(text);
        if reached {
            break;
        }
    }
    assert!(reached, "it does not say {line:?}:\n{}", said.join("\n"));
    child
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("the demo runs");
}

/// The processes of the demo in this folder: those that have its ports in their environment.
fn processes(folder: &Path) -> Vec<String> {
    let shell = std::fs::read_to_string(folder.join("env.sh")).expect("env.sh");
    let port = shell
        .lines()
        .find_map(|line| line.strip_prefix("export ").filter(|line| line.contains("CA_SERVER_PORT")));
    let port = port.expect("the port").as_bytes();
    let others =
        std::fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path()).filter(|process| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == port)
        });
    others
        .map(|process| {
            std::fs::read_to_string(process.join("cmdline")).unwrap_or_default().replace('\0', " ")
        })
        .collect()
}

#[test]
fn once_delivers_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo().args(["--once", "--folder"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "Settling",
        "Done",
        "ana.garcia@upf.example   may r ",
        "| Dear Ana García,",
        "Garcia_rec/",
        "scan_002.h5  1000000 bytes",
        "| the first data of your",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    until("no process is left", || processes(folder.path()).is_empty());
}

#[test]
fn interrupted_or_killed_it_leaves_no_process() {
    use rustix::process::Signal;
    for (told, line) in
        [(Signal::INT, "The tagging tool"), (Signal::TERM, "stays up"), (Signal::KILL, "stays up")]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), line);
        assert_eq!(processes(folder.path()).len(), 3, "soft IOC, simulator, beamshare");
        signal(&child, told);
        child.wait().unwrap();
        until("no process is left", || processes(folder.path()).is_empty());
    }
}

#[test]
fn a_part_that_dies_in_the_middle_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = demo();
    command.args(["--once", "--folder"]).arg(folder.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let simulator = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let ours = line.contains("globus-simulator") && line.contains(&*folder.path().to_string_lossy());
            ours.then(|| entry.file_name().to_string_lossy().parse::<i32>().ok())?
        });
        all.collect::<Vec<_>>().first().copied()
    };
    until("the simulator runs", || simulator().is_some());
    let pid = rustix::process::Pid::from_raw(simulator().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("the Globus simulator ended (signal: 9"), "{said}");
    until("no process is left", || processes(folder.path()).is_empty());
}

#[test]
fn without_python_it_says_what_to_do() {
    let output = demo().env("BEAMSHARE_PYTHON", "/nonexistent/python").arg("--once").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no Python for the soft IOC: /nonexistent/python") && said.contains("make demo"),
        "{said}"
    );
}

#[test]
fn a_tag_without_the_ioc_names_env_sh() {
    let tag = |more: &[&str]| {
        let mut command = demo();
        command.args(["tag", "Bo", "Li", "boli@mit.example", "71003"]).args(more);
        let port = support::free_port().to_string();
        command.envs([("EPICS_CA_ADDR_LIST", "127.0.0.1"), ("EPICS_CA_AUTO_ADDR_LIST", "NO")]);
        let output = command.env("EPICS_CA_SERVER_PORT", port).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = tag(&[]);
    assert!(code == Some(1) && said.contains(". FOLDER/env.sh"), "{said}");
    let (code, said) = tag(&["--puts", "0"]);
    assert!(code == Some(2) && said.contains("1..=10"), "{said}");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let output = demo().arg("--folder").arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("is not empty"), "{said}");
}
