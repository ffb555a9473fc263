//! The service's end, and disks that are full: no message twice.

use crate::site::{LIMIT, Site, garcia, li, other_li};
use crate::support::disk::SmallDisk;
use crate::support::smtp::SmtpServer;
use beamshare::domain::Field;
use beamshare::status::Record;
use rustix::process::{Pid, Signal};
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixDatagram;

const FOLDER: &str = "[email.transport.folder]\npath = \"outbox\"\n";

fn by_smtp(server: &SmtpServer) -> String {
    let port = server.port;
    format!("[email.transport.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n")
}

/// Who was sent a message how often.
fn copies(server: &SmtpServer, recipient: &str) -> usize {
    server.received().iter().filter(|message| message.to.iter().any(|to| to == recipient)).count()
}

async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A delivery whose mail server has the message to the PI whole, and has not answered yet.
async fn message_under_way() -> (Site, SmtpServer) {
    let server = SmtpServer::start(&json!({"security": "none", "slow": 3}));
    let mut site = Site::with(&Field::ALL, &[(FOLDER, &by_smtp(&server))]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    eventually("a message at the server", || copies(&server, "ana@upf.example") == 1).await;
    (site, server)
}

#[tokio::test]
async fn a_stop_lets_the_message_under_way_end() {
    let (mut site, server) = message_under_way().await;
    assert_eq!(site.terminate(), Some(0));
    site.start();
    site.delivered("ana@upf.example").await;
    assert_eq!(copies(&server, "ana@upf.example"), 1, "{}", site.log());
}

/// The messages at systemd's socket, until one of them is `wanted`.
async fn systemd_reads(socket: &UnixDatagram, wanted: &str) {
    let mut message = [0; 256];
    let reading = async {
        loop {
            let length = socket.recv(&mut message).await.unwrap();
            if &message[..length] == wanted.as_bytes() {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, reading)
        .await
        .unwrap_or_else(|_| panic!("systemd was never sent {wanted:?}"));
}

#[tokio::test]
async fn systemd_is_notified_of_the_start_of_each_turn_and_of_the_stop() {
    let mut site = Site::new().await;
    let path = site.beamline.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    site.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")]);
    systemd_reads(&socket, "READY=1\n").await;
    systemd_reads(&socket, "WATCHDOG=1\n").await;
    systemd_reads(&socket, "WATCHDOG=1\n").await;
    site.signal(Signal::TERM);
    systemd_reads(&socket, "STOPPING=1\n").await;
    assert_eq!(site.terminate(), Some(0));
}

/// Nobody can look up whether the server accepted a message, so it is sent again; mail programs recognize it
/// by its Message-ID.
#[tokio::test]
async fn a_kill_after_the_text_was_sent_repeats_the_message_under_the_same_message_id() {
    let (mut site, server) = message_under_way().await;
    site.kill();
    site.start();
    site.delivered("ana@upf.example").await;
    let received = server.received();
    let ids: BTreeSet<_> = received.iter().map(|message| message.id()).collect();
    assert_eq!((copies(&server, "ana@upf.example"), ids.len()), (2, 1), "{ids:?}");
}

/// Ctrl-C, `kill` and a closed terminal: the message that is being sent ends, and nothing is sent again.
#[tokio::test]
async fn a_command_that_is_stopped_lets_its_message_end() {
    let server = SmtpServer::start(&json!({"security": "none", "slow": 2}));
    let mut site = Site::with(&Field::ALL, &[(FOLDER, &by_smtp(&server))]).await;
    site.start();
    site.idle().await;
    site.press(Record::Auto, 0).await;
    site.record(Record::Auto, |text| text == "Off").await;
    let mut third = other_li();
    third[1].1 = "Nakamura";
    for (group, signal) in [(garcia(), Signal::INT), (li(), Signal::TERM), (third, Signal::HUP)] {
        let email = group[3].1;
        site.tag(&group).await;
        site.held("Auto is Off").await;
        assert_eq!(site.verb(&["share", "--yes"]).await.0, Some(0), "{signal:?}");
        let (before, mut command) = (server.received().len(), site.command(&["email", "--yes"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("a message at the server", || server.received().len() > before).await;
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap().code());
        assert!(ended.await.unwrap().is_some(), "{signal:?} ended it at once");
        let (code, said) = site.verb(&["email", "--yes"]).await;
        assert_eq!(code, Some(0), "{signal:?}: {said}");
        assert_eq!(copies(&server, email), 1, "{signal:?}: {said}");
    }
}

#[tokio::test]
async fn without_its_journal_the_service_serves_nothing() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    let journal = site.beamline.path("journal.sqlite");
    let aside = site.beamline.path("aside.sqlite");
    std::fs::rename(&journal, &aside).unwrap();
    site.record(Record::StatusMsg, |text| text.contains("was deleted while beamshare ran")).await;
    site.status("Failed").await;
    site.tag(&li()).await;
    site.put(Field::UpdateTime, "again").await;
    std::fs::rename(&aside, &journal).unwrap();
    assert_eq!(site.terminate(), Some(0));
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);

    // A damaged one ends the start, with a code after which systemd does not start it again.
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, vec![7; 40_000]).unwrap();
    let (code, said) = site.second_service();
    assert!(
        code == Some(6) && said.contains("is damaged") && said.contains("docs/operation.md"),
        "{code:?}: {said}"
    );
    std::fs::write(&journal, whole).unwrap();
}

#[tokio::test]
async fn a_backup_made_while_it_runs_restores_what_was_done() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    let backup = site.beamline.path("backup.sqlite");
    let (code, said) = site.verb(&["backup", backup.to_str().unwrap()]).await;
    assert!(code == Some(0) && said.contains("2 experiments and deliveries"), "{code:?}: {said}");
    site.kill();
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(site.beamline.path(&format!("journal.sqlite{ending}")));
    }
    std::fs::copy(&backup, site.beamline.path("journal.sqlite")).unwrap();
    site.start();
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
}

#[tokio::test]
async fn a_hang_up_reads_the_settings_and_ends_nothing() {
    let site = Site::started().await;
    site.signal(Signal::HUP);
    eventually("the log says so", || site.log().contains("SIGHUP")).await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
}

#[tokio::test]
async fn a_full_disk_neither_repeats_a_message_nor_makes_the_service_deaf() {
    let Some(disk) = SmallDisk::mount(128 * 1024) else { return };
    let server = SmtpServer::start(&json!({"security": "none", "slow": 3}));
    let journal = format!("path = \"{}\"", disk.path().join("journal.sqlite").display());
    let changes = [(FOLDER, &*by_smtp(&server)), ("path = \"journal.sqlite\"", &*journal)];
    let mut site = Site::with(&Field::ALL, &changes).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    eventually("a message at the server", || copies(&server, "ana@upf.example") == 1).await;
    let filler = disk.fill();
    eventually("several tries to write", || site.log().matches("disk is full").count() > 3).await;
    std::fs::remove_file(filler).unwrap();
    site.delivered("ana@upf.example").await;
    assert_eq!(copies(&server, "ana@upf.example"), 1, "{}", site.log());

    // Full while nothing is under way: the next group waits for room, and is then served without a restart.
    let filler = disk.fill();
    site.tag(&li()).await;
    site.record(Record::StatusMsg, |text| text.contains("disk is full")).await;
    std::fs::remove_file(filler).unwrap();
    site.delivered("boli@mit.example").await;
    assert_eq!(copies(&server, "boli@mit.example"), 1, "{}", site.log());
}
