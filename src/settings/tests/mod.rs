mod changes;
mod shipped_file;
mod sync;

use super::{CHECKS, load};
use crate::config::*;
use crate::domain::Field;
use crate::domain::Step;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const SMALLEST: &str = r#"
[beamline]
name = "2-BM"
[epics]
prefix = "2bmb:Share:"
[epics.user_info]
year_month = "a:YearMonth"
pi_last_name = "a:LastName"
pi_email = "a:Email"
[directories]
paths = ["{{ year_month }}/{{ pi_last_name }}"]
[journal]
path = "journal.sqlite"
"#;

fn write(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for template in ["message.txt", "message.html"] {
        std::fs::write(folder.path().join(template), "{{ data_link }}").unwrap();
    }
    let file = folder.path().join("beamshare.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// The problems' lines without the folder.
fn problems(text: &str) -> String {
    let (folder, file) = write(text);
    let error = load(&file).expect_err("a wrong file");
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn the_smallest_file_has_sensible_settings() {
    let (folder, file) = write(SMALLEST);
    let config = load(&file).unwrap();
    assert_eq!(config.rules.settle, Duration::from_secs(10));
    assert_eq!((config.directories.mode, config.directories.on.len()), (0o770, 0));
    assert!(config.globus.is_none() && config.email.is_none());
    assert_eq!(config.journal.path, folder.path().join("journal.sqlite"), "relative to the file's folder");
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = SMALLEST
        .replace("name = \"2-BM\"", "nmae = \"2-BM\"\ncolour = 1")
        .replace("pi_email = ", "pi_emial = ")
        .replace(
            "[journal]",
            "mode = 770\n[[directories.on]]\nname = \"here\"\ntop = 5\n[rules]\nsettle = \"soon\"\n[journal]",
        );
    insta::assert_snapshot!(problems(&text));
}

#[test]
fn what_only_the_whole_can_tell_is_told_at_once() {
    let text = SMALLEST
        .replace("\"a:LastName\"", "\"a:Last Name\"")
        .replace("\"a:Email\"", "\"a:YearMonth\"")
        .replace("2bmb:Share:", "")
        .replace("pi_last_name }}\"]", "pi_last_name }}\", \"{{ year_month }}/{{ pi_last_name }}\"]")
        + r#"
[log]
level = "loud=noise=x"
[[directories.on]]
name = "detector"
host = "user@host:port"
top = "data"
[[directories.on]]
name = "Detector"
top = "../x"
password_file = "x"
[email]
from = "2-BM <2bm@example.org>"
text_template = "message.txt"
html_template = "nothing.html"
subject = "{{ beamline"
[email.transport.smtp]
host = "mail.example.org"
user = "2bm"
security = "none"
[globus]
collection = "00000000-0000-0000-0000-000000000000"
retention = "1s"
share_with = ["a@example.org", "A@Example.org"]
sign_in.token_store = { client_id = "00000000-0000-0000-0000-000000000000", file = "~/tokens" }
"#;
    insta::assert_snapshot!(problems(&text));
}

#[test]
fn a_single_wrong_value_says_what_would_be_right() {
    let globus = "[globus]\ncollection = \"00000000-0000-0000-0000-000000000000\"\n";
    let sign_in =
        "[globus.sign_in.token_store]\nclient_id = \"00000000-0000-0000-0000-000000000000\"\nfile = \"t\"\n";
    let mail = "[email]\ntext_template = \"message.txt\"\ntransport.folder.path = \"o\"\n";
    let lines: Vec<String> = [
        format!("{SMALLEST}\nnonsense"),
        SMALLEST.replace("{{ pi_last_name }}", "data"),
        SMALLEST.replace("{{ pi_last_name }}", "{{ pi_name }}"),
        SMALLEST.replace("{{ pi_last_name }}", "../{{ pi_last_name }}"),
        SMALLEST.replace("[journal]", "[jurnal]"),
        format!("{SMALLEST}\n{globus}auth_url = \"http://auth.globus.org\"\n{sign_in}"),
        format!("{SMALLEST}\n{globus}permissions = \"x\"\n{sign_in}"),
        format!("{SMALLEST}\n{globus}top = \"data/../..\"\n{sign_in}"),
        format!("{SMALLEST}\n{globus}share_with = [\"me\"]\n{sign_in}"),
        format!("{SMALLEST}\n{globus}sign_in.password.file = \"t\"\n"),
        format!("{SMALLEST}\n{globus}{sign_in}[globus.sign_in.access_token_file]\nfile = \"t\"\n"),
        format!("{SMALLEST}\n{}", globus.replace("0000-", "xyz-")) + sign_in,
        format!("{SMALLEST}\n{globus}"),
        format!("{SMALLEST}\n{mail}from = \"2-BM\"\n"),
        format!("{SMALLEST}\n{mail}from = \"a@b.org\"\ncontacts = [\"x@y.org\", \"nobody\"]\n"),
        format!("{SMALLEST}\n[beamline.time]\nzone = \"x\"\n"),
        SMALLEST.replace("name = \"2-BM\"", "name = \"\"\ntime_zone = \"Mars\""),
        SMALLEST.replace("[journal]\npath = \"journal.sqlite\"", "[rules]\nsettle = 10"),
        format!("{SMALLEST}\n[rules]\nemail_domains = [\"@example.org\"]\n"),
    ]
    .iter()
    .map(|text| problems(text))
    .collect();
    insta::assert_snapshot!(lines.join("\n---\n"));
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let error = load(Path::new("/nonexistent/beamshare.toml")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/beamshare.toml: can't read"), "{error}");
    assert!(error.summary().contains("beamshare init"), "{}", error.summary());
}

#[test]
fn sign_ins_are_kept_beside_the_journal_where_the_service_can_write() {
    let globus = "[globus]\ncollection = \"00000000-0000-0000-0000-000000000001\"\n\
                  sign_in.token_store = { client_id = \"00000000-0000-0000-0000-000000000002\" }\n";
    let (_folder, file) = write(
        &SMALLEST
            .replace("journal.sqlite", "/var/lib/beamshare/2bm.sqlite")
            .replace("[journal]", &format!("{globus}[journal]")),
    );
    let SignIn::TokenStore { file, .. } = Config::load(&file).unwrap().globus.unwrap().sign_in else {
        panic!()
    };
    assert_eq!(file, Path::new("/var/lib/beamshare/2bm.globus-tokens.json"));
}

#[test]
fn what_others_can_change_is_no_setting() {
    let mode = |file: &Path, mode| std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
    let (folder, file) = write(SMALLEST);
    mode(&file, 0o666);
    let error = load(&file).unwrap_err().to_string();
    assert!(error.contains("can be changed by every account") && error.contains("chmod go-w"), "{error}");
    mode(&file, 0o644);
    mode(folder.path(), 0o777);
    let error = load(&file).unwrap_err().to_string();
    assert!(error.contains("can be replaced by every account"), "{error}");
    mode(folder.path(), 0o755);
    load(&file).unwrap();

    // The programs that the settings name are run, so the same holds for them.
    let script = folder.path().join("tell.py");
    std::fs::write(&script, "").unwrap();
    let script = script.to_str().unwrap();
    for command in
        [format!("[{script:?}]"), format!("[\"/usr/bin/python3\", {script:?}]"), "[\"./tell.py\"]".to_owned()]
    {
        let hook = format!("{SMALLEST}\n[[hooks]]\nafter = \"delivery\"\ncommand = {command}\n");
        std::fs::write(&file, hook).unwrap();
        mode(script.as_ref(), 0o777);
        let error = load(&file).unwrap_err().to_string();
        assert!(error.contains("hooks[0].command") && error.contains("can be changed"), "{command}: {error}");
        mode(script.as_ref(), 0o755);
        load(&file).unwrap();
    }
}
