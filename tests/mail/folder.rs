use super::{ID, address, message};
use beamshare::config::MailTransport;
use beamshare::mail::{MailErrorKind, Mailer};
use std::fs;

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn one_file_a_receiver_whole_and_the_same_when_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(&MailTransport::Folder { path: folder.path().to_owned() }).unwrap();
    let message = message();
    let id = ID.trim_matches(['<', '>']);
    for _ in 0..2 {
        mailer.send(&message, &address("Ada@example.org")).await.unwrap();
        mailer.send(&message, &address("one@example.org")).await.unwrap();
    }
    assert_eq!(
        names(folder.path()),
        [format!("{id}_ada@example.org.eml"), format!("{id}_one@example.org.eml")]
    );
    for name in names(folder.path()) {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), message.bytes);
    }
}

#[tokio::test]
async fn no_address_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mailer = Mailer::new(&MailTransport::Folder { path: inner.clone() }).unwrap();
    let long = format!(
        "{}@{}.example.org",
        "a".repeat(58),
        ["b".repeat(60), "c".repeat(60), "d".repeat(60)].join(".")
    );
    for evil in ["/etc/b@example.org", "a/b@example.org", "a_b@example.org", &long, &long.replace('d', "e")] {
        mailer.send(&message(), &address(evil)).await.unwrap();
    }
    assert_eq!(names(folder.path()), ["inner"]);
    let files = names(&inner);
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(files.iter().all(|file| file.ends_with(".eml") && file.len() <= 255));
}

#[tokio::test]
async fn a_missing_folder_is_told_and_the_check_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Mailer::new(&MailTransport::Folder { path: folder.path().join("missing") }).unwrap();
    for error in
        [missing.probe().await.map(|_| ()), missing.send(&message(), &address("a@b.org")).await.map(|_| ())]
    {
        let error = error.unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Setup);
        assert!(error.message.contains("missing"), "{error}");
    }
    let mailer = Mailer::new(&MailTransport::Folder { path: folder.path().to_owned() }).unwrap();
    mailer.probe().await.unwrap();
    assert!(names(folder.path()).is_empty());
}
