use super::support::sshd::{Agent, Sshd, make_key, make_key_with};
use super::{mode, path, place, says, some_group};
use beamshare::config;
use beamshare::domain::Retry;
use beamshare::places::{CreateOutcome, DirectoryState, Home, Ownership, Place, SshPlace};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

const RIGHTS: Ownership = Ownership { mode: 0o770, group: None };

fn ssh(place: &config::Place, host: &str, home: Home) -> SshPlace {
    SshPlace::new(place, host, RIGHTS, home).expect("a place")
}

/// With the key configured, and the host known.
fn signed_in(sshd: &Sshd, rights: Ownership) -> SshPlace {
    sshd.know_itself();
    let place = config::Place { key_file: Some(sshd.key()), ..place(&sshd.top()) };
    SshPlace::new(&place, &sshd.host(), rights, sshd.home()).expect("a place")
}

#[tokio::test]
async fn makes_the_tree_with_mode_and_group() {
    let sshd = Sshd::start();
    let (group, gid) = some_group();
    let place = signed_in(&sshd, Ownership { mode: 0o2775, group: Some(group) });
    assert_eq!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Missing));
    assert_eq!(place.make(&path("2026-03/Li/raw")).await, Ok(CreateOutcome::Created));
    for part in ["2026-03", "2026-03/Li", "2026-03/Li/raw"] {
        let metadata = fs::metadata(sshd.top().join(part)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o2775, gid), "{part}");
    }
    assert_eq!(place.make(&path("2026-03/Li/raw")).await, Ok(CreateOutcome::Existed));
    assert_eq!(place.look(&path("2026-03/Li/raw")).await, Ok(DirectoryState::Empty));
    assert_eq!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Occupied(vec!["raw".into()])));
    // Calls that follow each other share one session.
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn puts_right_the_last_of_what_was_there_and_what_a_crash_left() {
    let sshd = Sshd::start();
    let top = sshd.top();
    for (part, mode) in [("2026-03", 0o755), ("2026-03/Li", 0o700), ("2026-04", 0o1700)] {
        fs::create_dir(top.join(part)).unwrap();
        fs::set_permissions(top.join(part), fs::Permissions::from_mode(mode)).unwrap();
    }
    let place = signed_in(&sshd, RIGHTS);
    assert_eq!(place.make(&path("2026-03/Li")).await, Ok(CreateOutcome::Existed));
    assert_eq!((mode(&top.join("2026-03")), mode(&top.join("2026-03/Li"))), (0o755, 0o770));
    assert_eq!(place.make(&path("2026-04/Li")).await, Ok(CreateOutcome::Created));
    assert_eq!(mode(&top.join("2026-04")), 0o770);
}

#[tokio::test]
async fn follows_no_link_and_takes_no_file_for_a_directory() {
    let sshd = Sshd::start();
    let top = sshd.top();
    let outside = sshd.file("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, top.join("2026-03")).unwrap();
    fs::create_dir(top.join("2026-04")).unwrap();
    symlink(&outside, top.join("2026-04/Li")).unwrap();
    fs::write(top.join("notes"), "").unwrap();
    let place = signed_in(&sshd, RIGHTS);
    for part in ["2026-03/Li", "2026-04/Li"] {
        let error = says(place.make(&path(part)).await, &["symbolic link", "detector"]);
        assert_eq!(error.retry, Retry::Never);
        says(place.look(&path(part)).await, &["symbolic link"]);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    says(place.make(&path("notes/Li")).await, &["notes", "is no directory"]);
    assert_eq!(place.look(&path("notes")).await, Ok(DirectoryState::Occupied(vec!["notes".into()])));
}

#[tokio::test]
async fn an_alias_of_ssh_config_names_host_port_user_key_and_known_hosts() {
    let sshd = Sshd::start();
    let key = fs::read_to_string(sshd.file("host_ed25519.pub")).unwrap();
    sshd.write("hosts_of_ours", &format!("{} {key}", sshd.name()));
    sshd.write(
        ".ssh/config",
        &format!(
            "Host other\n  HostName 192.0.2.1\n\nHost pg16\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  \
             IdentityFile {}\n  UserKnownHostsFile ~/hosts_of_ours\n  ConnectTimeout 5\n  AddKeysToAgent \
             confirm\n\nMatch host pg16\n  Port 1\n",
            sshd.port,
            sshd.user,
            sshd.key().display()
        ),
    );
    let made = ssh(&place(&sshd.top()), "pg16", sshd.home()).make(&path("2026-03/Li")).await;
    assert_eq!(made, Ok(CreateOutcome::Created));
}

#[tokio::test]
async fn a_host_behind_another_is_said_to_be_out_of_reach() {
    let sshd = Sshd::start();
    sshd.write(".ssh/config", "Host pg16\n  ProxyJump gateway\n");
    let error = says(ssh(&place(&sshd.top()), "pg16", sshd.home()).probe().await, &["ProxyJump", "pg16"]);
    assert_eq!(error.retry, Retry::Never);
}

#[tokio::test]
async fn signs_in_by_the_agent_and_by_the_usual_key() {
    let sshd = Sshd::start();
    sshd.know_itself();
    let agent = Agent::with_key(&sshd.key(), sshd.file("agent"));
    let home = Home { agent: Some(agent.socket.clone()), ..sshd.home() };
    let said = ssh(&place(&sshd.top()), &sshd.host(), home.clone()).probe().await.unwrap();
    assert!(said.contains("agent's key"), "{said}");
    // Neither key nor agent: refused, and told what was tried.
    let bare = ssh(&place(&sshd.top()), &sshd.host(), sshd.home());
    let error = says(bare.make(&path("a")).await, &["can't sign in", "authorized_keys", "publickey"]);
    assert_eq!(error.retry, Retry::Never);
    fs::copy(sshd.key(), sshd.file("home/.ssh/id_ed25519")).unwrap();
    let said = bare.probe().await.unwrap();
    assert!(said.contains("id_ed25519"), "{said}");
    // An agent that never answers is passed over.
    let silent = sshd.file("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let home = Home { agent: Some(silent), ..sshd.home() };
    let said = ssh(&place(&sshd.top()), &sshd.host(), home).probe().await.unwrap();
    assert!(said.contains("id_ed25519"), "{said}");
}

#[tokio::test]
async fn keys_that_do_not_fit_are_named() {
    let sshd = Sshd::start();
    sshd.know_itself();
    make_key("ed25519", &sshd.file("wrong"));
    make_key_with("ed25519", &sshd.file("locked"), "secret phrase");
    for (name, part) in [("wrong", "was refused"), ("locked", "passphrase"), ("missing", "No such file")] {
        let place = config::Place { key_file: Some(sshd.file(name)), ..place(&sshd.top()) };
        let error = says(ssh(&place, &sshd.host(), sshd.home()).make(&path("a")).await, &[name, part]);
        assert_eq!(error.retry, Retry::Never);
    }
    assert_eq!(fs::read_dir(sshd.top()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_unknown_host_is_refused_until_the_command_in_the_error_was_run() {
    let sshd = Sshd::start();
    let place = config::Place { key_file: Some(sshd.key()), ..place(&sshd.top()) };
    let place = ssh(&place, &sshd.host(), sshd.home());
    let print = Command::new("ssh-keygen").arg("-lf").arg(sshd.file("host_ed25519.pub")).output().unwrap();
    let print = String::from_utf8(print.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let error = says(place.make(&path("a")).await, &["is unknown", "ed25519", &print, "ssh-keyscan"]);
    assert_eq!(error.retry, Retry::Never);
    assert!(!sshd.log().contains("Accepted"), "signed in on an unknown host");
    let command = error.message.split_once("if it is the same: ").unwrap().1;
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    assert_eq!(place.make(&path("a")).await, Ok(CreateOutcome::Created));
}

#[tokio::test]
async fn a_changed_or_revoked_key_is_refused() {
    let sshd = Sshd::start();
    make_key("ed25519", &sshd.file("other"));
    let other = fs::read_to_string(sshd.file("other.pub")).unwrap();
    let own = fs::read_to_string(sshd.file("host_ed25519.pub")).unwrap();
    let place = config::Place { key_file: Some(sshd.key()), ..place(&sshd.top()) };
    let place = ssh(&place, &sshd.host(), sshd.home());
    sshd.write(".ssh/known_hosts", &format!("# ours\n{} {other}", sshd.name()));
    let error =
        says(place.make(&path("a")).await, &["KEY HAS CHANGED", "attack", "known_hosts:2", "ssh-keygen -R"]);
    assert_eq!(error.retry, Retry::Never);
    // Known by a type that the host does not have any more.
    make_key("rsa", &sshd.file("rsa"));
    let rsa = fs::read_to_string(sshd.file("rsa.pub")).unwrap();
    sshd.write(".ssh/known_hosts", &format!("{} {rsa}", sshd.name()));
    says(place.make(&path("a")).await, &["KEY HAS CHANGED"]);
    sshd.write(".ssh/known_hosts", &format!("{name} {own}@revoked * {own}", name = sshd.name()));
    says(place.make(&path("a")).await, &["revokes", "known_hosts:2"]);
    assert!(!sshd.log().contains("Accepted"), "signed in all the same");
    sshd.write(".ssh/known_hosts", &format!("{} {other}{} {own}", sshd.name(), sshd.name()));
    assert_eq!(place.make(&path("a")).await, Ok(CreateOutcome::Created), "one of two known keys");
}

#[tokio::test]
async fn known_hosts_in_every_form() {
    let sshd = Sshd::start();
    let place = config::Place { key_file: Some(sshd.key()), ..place(&sshd.top()) };
    let check = async |what: &str| {
        let said = ssh(&place, &sshd.host(), sshd.home()).probe().await;
        said.unwrap_or_else(|error| panic!("{what}: {error}"))
    };
    sshd.know_itself();
    let hashed =
        Command::new("ssh-keygen").arg("-Hf").arg(sshd.file("home/.ssh/known_hosts")).output().unwrap();
    assert!(hashed.status.success());
    let text = fs::read_to_string(sshd.file("home/.ssh/known_hosts")).unwrap();
    assert!(text.starts_with("|1|") && !text.contains("127.0.0.1"), "{text}");
    check("hashed").await;
    // The server prefers ed25519; it is known by ecdsa.
    sshd.know(&sshd.name(), "ecdsa");
    assert!(check("ecdsa").await.contains("ecdsa-sha2-nistp256"));
    let hashed =
        Command::new("ssh-keygen").arg("-Hf").arg(sshd.file("home/.ssh/known_hosts")).output().unwrap();
    assert!(hashed.status.success());
    assert!(check("hashed ecdsa").await.contains("ecdsa-sha2-nistp256"));
    sshd.know("127.0.0.1", "ed25519");
    check("without the port").await;
    sshd.know(&format!("pg16,{}", sshd.name()), "ed25519");
    check("one of several names").await;
    sshd.know("[127.0.0.*]:*", "ed25519");
    check("a pattern").await;
    sshd.know(&format!("[127.0.0.*]:*,!{}", sshd.name()), "ed25519");
    says(ssh(&place, &sshd.host(), sshd.home()).probe().await, &["is unknown"]);
    sshd.know(
        "not a line\n@cert-authority *.example.org ssh-ed25519 AAAA\nx y-of-tomorrow AAAA\n[127.0.0.1]:1",
        "ed25519",
    );
    says(ssh(&place, &sshd.host(), sshd.home()).probe().await, &["is unknown"]);
    // The place's own file, and the machine's.
    let own = sshd.file("home/.ssh/known_hosts");
    sshd.know_itself();
    fs::rename(own, sshd.file("elsewhere")).unwrap();
    let configured = config::Place { known_hosts: Some(sshd.file("elsewhere")), ..place.clone() };
    assert!(ssh(&configured, &sshd.host(), sshd.home()).probe().await.is_ok());
    let home = Home { machine_known_hosts: sshd.file("elsewhere"), ..sshd.home() };
    assert!(ssh(&place, &sshd.host(), home).probe().await.is_ok());
}

#[tokio::test]
async fn the_check_says_how_and_leaves_nothing_behind() {
    let sshd = Sshd::start();
    let said = signed_in(&sshd, RIGHTS).probe().await.unwrap();
    assert!(
        said.contains("ssh-ed25519") && said.contains("user_key") && said.contains("is writable"),
        "{said}"
    );
    assert_eq!(fs::read_dir(sshd.top()).unwrap().count(), 0);
}

/// Exchanges the directory for a link to one outside, and back, until it is told to stop.
fn swap_until(stop: &AtomicBool, directory: &Path, link: &Path) {
    let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    while !stop.load(Ordering::Relaxed) {
        rustix::fs::renameat_with(cwd, directory, cwd, link, flags).unwrap();
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_outside_keeps_its_mode_whatever_is_exchanged_meanwhile() {
    let sshd = Sshd::start();
    let place = signed_in(&sshd, RIGHTS);
    assert_eq!(place.make(&path("2026-03/Li")).await, Ok(CreateOutcome::Created));
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
    // As anybody else's directory: not of the very same second.
    let hour = std::time::Duration::from_secs(3600);
    fs::File::open(&target).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
    let (directory, link) = (sshd.top().join("2026-03/Li"), sshd.top().join("2026-03/link"));
    symlink(&target, &link).unwrap();
    let (mut settled, mut changed) = (0, 0);
    for _ in 0..66 {
        // The directory is where it belongs when a round begins, and has not the mode that it should have.
        if directory.symlink_metadata().unwrap().is_symlink() {
            let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
            rustix::fs::renameat_with(cwd, &directory, cwd, &link, flags).unwrap();
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let stop = AtomicBool::new(false);
        let made = std::thread::scope(|scope| {
            let swapper = scope.spawn(|| swap_until(&stop, &directory, &link));
            let made = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(place.make(&path("2026-03/Li")))
            });
            stop.store(true, Ordering::Relaxed);
            swapper.join().unwrap();
            made
        });
        settled += u32::from(made.is_ok());
        changed += u32::from(mode(&target) != 0o700);
        fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
    }
    eprintln!("{settled} of 66 went well, {changed} changed the directory outside");
    assert_eq!(changed, 0, "of 66");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    // With nobody in the way the mode is put right.
    if directory.symlink_metadata().unwrap().is_symlink() {
        fs::remove_file(&directory).unwrap();
        fs::rename(&link, &directory).unwrap();
    }
    assert_eq!(place.make(&path("2026-03/Li")).await, Ok(CreateOutcome::Existed));
    assert_eq!(mode(&directory), 0o770);
}
