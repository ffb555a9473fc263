//! The unmodified globus-sdk and globus-cli from PyPI against the simulator.

use std::path::Path;

use crate::beamline::{ADA, Beamline, GUEST, LAPTOP, MAPPED, NATIVE, SECRET, SERVICE, laptop, python, seed};
use tokio::process::Command;

async fn program(name: &str) {
    run(name, Beamline::start(seed().collection(laptop())).await).await;
}

async fn run(name: &str, beamline: Beamline) {
    let url = beamline.simulator.url().to_string();
    let server = beamline.simulator.server_of(MAPPED).unwrap();
    let authority = beamline.path("authority.pem");
    std::fs::write(&authority, beamline.simulator.authority().unwrap_or_default()).unwrap();
    let environment = [
        ("GLOBUS_SDK_SERVICE_URL_GROUPS", url.clone()),
        ("GLOBUS_SDK_SERVICE_URL_TIMER", url.clone()),
        ("GCS_URL", beamline.simulator.gcs_url(server).unwrap().to_string()),
        ("GLOBUS_SDK_VERIFY_SSL", authority.display().to_string()),
        ("ADA", ADA.to_string()),
        ("GROUP", GROUP.to_string()),
        ("SUBSCRIPTION", SUBSCRIPTION.to_string()),
        ("GLOBUS_SDK_SERVICE_URL_AUTH", url.clone()),
        ("GLOBUS_SDK_SERVICE_URL_TRANSFER", url),
        ("CLIENT_ID", SERVICE.to_string()),
        ("CLIENT_SECRET", SECRET.to_owned()),
        ("NATIVE_ID", NATIVE.to_string()),
        ("MAPPED", MAPPED.to_string()),
        ("GUEST", GUEST.to_string()),
        ("LAPTOP", LAPTOP.to_string()),
        ("ROOT", beamline.root.path().display().to_string()),
    ];
    python_program(name, &environment).await;
}

/// Runs a program of `tests/official` in an empty home directory, until it prints `ok`.
pub async fn python_program(name: &str, environment: &[(&str, String)]) {
    let home = tempfile::tempdir().unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official");
    let run = Command::new(python())
        .arg(directory.join(name))
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("GLOBUS_CLI_CLIENT_ID")
        .env_remove("GLOBUS_CLI_CLIENT_SECRET")
        .env_remove("GLOBUS_PROFILE")
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(std::time::Duration::from_secs(300), run)
        .await
        .expect("the program took longer than five minutes")
        .unwrap();
    assert!(
        done.status.success() && done.stdout.ends_with(b"ok\n"),
        "{name} failed: {}\n{}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_as_a_service() {
    program("sdk_service.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_as_a_person() {
    program("sdk_person.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line() {
    program("cli.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_on_a_connect_server() {
    run("gcs.py", Beamline::https(seed()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_on_a_connect_server() {
    run("gcs_cli.py", Beamline::https(seed()).await).await;
}

/// Groups that the service administers.
fn with_group() -> globus_simulator::Seed {
    let group = globus_simulator::Group {
        id: GROUP,
        name: Some("staff".to_owned()),
        admins: vec![SERVICE.to_string()],
        subscription: Some(SUBSCRIPTION),
        ..Default::default()
    };
    seed().group(group)
}

const GROUP: uuid::Uuid = uuid::Uuid::from_u128(0x6006);
const SUBSCRIPTION: uuid::Uuid = uuid::Uuid::from_u128(0x5b5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_with_groups() {
    run("groups.py", Beamline::start(with_group()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_with_timers() {
    program("timers.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_with_groups_and_timers() {
    program("groups_timers_cli.py").await;
}
