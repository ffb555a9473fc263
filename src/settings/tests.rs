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
fn the_file_that_we_hand_out_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let config = load(&folder.join("beamshare.toml")).unwrap();
    assert_eq!(config.epics.user_info.len(), Field::ALL.len(), "every field is shown");
    assert_eq!(config.directories.mode, 0o770);
    assert_eq!((config.trust(), config.rules.trust), (Trust::Domains, Some(Trust::Domains)));
    assert_eq!(config.email.unwrap().text_template, folder.join("message.txt"));
}

/// No key that is commented out in it is unknown (a pair of keys can miss its other half).
#[test]
fn what_is_commented_out_in_it_is_known() {
    let text = include_str!("../../config/beamshare.toml");
    let mut tried = 0;
    let mut whole = false;
    // The commented-out table that a key below it belongs to.
    let mut table = None;
    for (n, line) in text.lines().enumerate() {
        // Read as a whole by tests of their own.
        whole = match line {
            "#[[sync]]" | "#[[hooks]]" | "#[[email.choices]]" => true,
            "" => false,
            _ => whole,
        };
        if line.starts_with("#[") {
            table = line.strip_prefix('#');
        } else if line.starts_with('[') {
            table = None;
        }
        if whole {
            continue;
        }
        let Some(key) = line.strip_prefix('#').filter(|rest| rest.starts_with(char::is_alphabetic)) else {
            continue;
        };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[n].clear();
        match key.split_once('.').filter(|(section, _)| ["beamline", "globus"].contains(section)) {
            Some((section, rest)) => {
                let section = lines.iter().position(|line| *line == format!("[{section}]")).unwrap();
                lines.insert(section + 1, rest.to_owned());
            }
            None => lines[n] = format!("{}\n{key}", table.unwrap_or_default()),
        }
        let (_folder, file) = write(&lines.join("\n"));
        if let Err(error) = load(&file) {
            assert!(!error.to_string().contains("no such key"), "{key}: {error}");
        }
        tried += 1;
    }
    assert!(tried > 15, "{tried}");

    let start = text.find("#[[directories.on]]").unwrap();
    let end = start + text[start..].find("\n\n").unwrap();
    let host = text[start..end].replace("\n#", "\n");
    let (_folder, file) = write(&text.replace(&text[start..end], host.strip_prefix('#').unwrap()));
    let config = load(&file).unwrap();
    assert_eq!(config.directories.on[1].host.as_deref(), Some("user2bmb@detector.example.org"));
    assert_eq!(config.directories.on[1].mode, Some(0o750));
}

#[test]
fn the_level_of_trust_is_that_of_the_strongest_setting() {
    let signature = "[epics.user_info]\nsignature = \"a:Signature\"\nupdate_time = \"a:Time\"";
    let with_signature = SMALLEST.replace("[epics.user_info]", signature);
    let schedule = "[schedule.from.file]\npath = \"schedule.toml\"\n";
    let (network, domains, key) = ("", "email_domains = [\"a.org\"]", "tag_key_file = \"tag.key\"");
    for (rules, more, level) in [
        (network, "", Trust::Network),
        (domains, "", Trust::Domains),
        (domains, schedule, Trust::Schedule),
        (network, schedule, Trust::Schedule),
        (key, schedule, Trust::Signed),
    ] {
        let text = |trust: &str| format!("{with_signature}\n[rules]\n{rules}\n{trust}\n{more}");
        let (_folder, file) = write(&text(""));
        let config = load(&file).unwrap();
        assert_eq!((config.trust(), config.trusts_network_silently()), (level, level == Trust::Network));
        for required in Trust::ALL {
            let (_folder, file) = write(&text(&format!("trust = \"{required}\"")));
            let loaded = load(&file);
            assert_eq!(loaded.is_ok(), required <= level, "{required} at {level}");
            match loaded {
                Ok(config) => assert!(!config.trusts_network_silently()),
                Err(error) => assert!(error.to_string().contains(required.key()), "{error}"),
            }
        }
    }
}

#[test]
fn signed_tags_need_a_signature_and_an_update_time() {
    let text = format!("{SMALLEST}\n[rules]\ntag_key_file = \"tag.key\"\n");
    let told = problems(&text);
    assert!(told.contains("rules.tag_key_file: needs signature in [epics.user_info]"), "{told}");
    assert!(told.contains("rules.tag_key_file: needs update_time in [epics.user_info]"), "{told}");
}

#[test]
fn the_choice_of_words_in_it_is_right() {
    let text = include_str!("../../config/beamshare.toml");
    let start = text.find("#[[email.choices]]").unwrap();
    let end = start + text[start..].find("\n\n").unwrap();
    let choice = text[start..end].replace("\n#", "\n");
    let text = text.replace(&text[start..end], choice.strip_prefix('#').unwrap());
    let (folder, file) = write(&text);
    let missing = load(&file).unwrap_err().to_string();
    assert!(
        missing.contains("email.choices[0].text_template") && missing.contains("can't read"),
        "{missing}"
    );
    for name in ["commissioning.txt", "commissioning.html"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let email = load(&file).unwrap().email.unwrap();
    assert_eq!(email.choices[0].text_template, Some(folder.path().join("commissioning.txt")));
    std::fs::write(&file, text.replace("proposal_type ==", "proposal_tpye ==")).unwrap();
    let wrong = load(&file).unwrap_err().to_string();
    assert!(wrong.contains("email.choices[0].when") && wrong.contains("proposal_tpye"), "{wrong}");
    let line = text.lines().position(|line| line.starts_with("when =")).unwrap() + 1;
    assert!(wrong.contains(&format!("beamshare.toml:{line}:1: ")), "{wrong}");
}

#[test]
fn a_reminder_needs_an_end_and_words() {
    let text = include_str!("../../config/beamshare.toml");
    let with = |reminder: &str, retention: &str| {
        let text = text.replace("#reminder = \"3d\"\n", &format!("{reminder}\n"));
        let (folder, file) = write(&text.replace("#retention = \"28d\"\n", &format!("{retention}\n")));
        std::fs::write(folder.path().join("reminder.txt"), "ends on {{ expires }}").unwrap();
        load(&file).map(|config| config.email.unwrap().reminder).map_err(|error| error.to_string())
    };
    let words = "reminder = \"3d\"\nreminder_text_template = \"reminder.txt\"";
    assert_eq!(with(words, "retention = \"28d\""), Ok(Some(Duration::from_secs(3 * 86400))));
    for (reminder, retention, told) in [
        ("reminder = \"3d\"", "retention = \"28d\"", "email.reminder: needs reminder_text_template"),
        (words, "", "email.reminder: needs retention in [globus]"),
        (words, "retention = \"2d\"", "email.reminder: must be shorter than globus.retention"),
        ("reminder_text_template = \"none.txt\"", "", "email.reminder_text_template: "),
        (
            "reminder_subject = \"{{ nobody }}\"\nreminder_text_template = \"reminder.txt\"",
            "",
            "email.reminder_subject: ",
        ),
        ("", "retention = \"1s\"", "globus.retention: "),
    ] {
        let error = with(reminder, retention).unwrap_err();
        assert!(error.contains(told), "{error} does not say {told}");
    }
    assert!(
        with("", "expires_after = \"28d\"")
            .unwrap_err()
            .contains("globus.expires_after: there is no such key")
    );
}

#[test]
fn the_hook_in_it_is_right_and_a_wrong_one_is_told() {
    let text = include_str!("../../config/beamshare.toml");
    let start = text.find("#[[hooks]]").unwrap();
    let hook: String = text[start..]
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| line[1..].to_owned() + "\n")
        .collect();
    let (folder, file) = write(&(text.to_owned() + &hook));
    for name in ["message.txt", "message.html"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let config = load(&file).unwrap();
    let shown = &config.hooks[0];
    assert_eq!((shown.name().as_str(), shown.step(), shown.when()), ("dm", Step::Share, When::After));
    assert!(shown.required() && shown.timeout == Duration::from_secs(300));

    let bare = SMALLEST.to_owned() + "[[hooks]]\nbefore = \"delivery\"\ncommand = [\"hooks/go\"]\n";
    let (folder, file) = write(&bare);
    let hook = &load(&file).unwrap().hooks[0];
    assert_eq!(
        hook.command[0],
        folder.path().join("hooks/go").display().to_string(),
        "relative to the file's folder"
    );
    assert!(hook.required() && hook.name() == "go" && hook.timeout == Duration::from_secs(300));

    let wrong: Vec<String> = [
        "before = \"delivery\"",
        "command = [\"/bin/true\"]",
        "before = \"delivery\"\nafter = \"delivery\"\ncommand = [\"/bin/true\"]",
        "before = \"start\"\ncommand = [\"/bin/true\"]",
        "before = \"delivery\"\nrequired = false\ncommand = [\"/bin/true\"]",
        "after = \"email\"\ncommand = [\"/bin/true\"]",
        "after = \"delivery\"\ncommand = []",
        "after = \"delivery\"\ncommand = \"/bin/true\"",
        "after = \"delivery\"\ncommand = [\"true\"]",
        "after = \"delivery\"\ncommand = [\"/bin/true\", \"{{ pi_name }}\"]",
        "after = \"delivery\"\ncommand = [\"/bin/true\", \"--{{ path }}\"]",
        "after = \"delivery\"\ntimout = \"1s\"\ncommand = [\"/bin/true\"]",
        "after = \"delivery\"\ncommand = [\"/bin/true\"]\n[[hooks]]\nafter = \"delivery\"\ncommand = \
         [\"/usr/bin/true\"]",
    ]
    .iter()
    .map(|hook| problems(&format!("{SMALLEST}[[hooks]]\n{hook}\n")))
    .collect();
    insta::assert_snapshot!(wrong.join("\n---\n"));
}

/// The two kinds of schedule are commented out in it, one after the other.
#[test]
fn the_schedule_in_it_is_right() {
    let text = include_str!("../../config/beamshare.toml");
    let section = |begin: &str| {
        let section = &text[text.find(begin).unwrap()..];
        let lines = section.lines().take_while(|line| line.starts_with('#') && !line.starts_with("# "));
        lines.map(|line| line[1..].to_owned() + "\n").collect::<String>()
    };
    let service = section("#[schedule.from.aps]");
    let (folder, file) = write(&(SMALLEST.to_owned() + &service));
    let Some(Schedule { from: ScheduleFrom::Aps(aps), .. }) = load(&file).unwrap().schedule else { panic!() };
    assert_eq!(
        (aps.beamline.as_str(), aps.user.as_str(), aps.timeout),
        ("2-BM-A,B", "2bm", Duration::from_secs(30))
    );
    assert_eq!(aps.password_file, folder.path().join("schedule.password"));
    let (_folder, file) =
        write(&(SMALLEST.to_owned() + &service.replace("url =", "#").replace("timeout =", "#")));
    let Some(Schedule { from: ScheduleFrom::Aps(bare), .. }) = load(&file).unwrap().schedule else {
        panic!()
    };
    assert_eq!((bare.url, bare.timeout), (aps.url, aps.timeout), "the defaults are those that are shown");

    let (folder, file) = write(&(SMALLEST.to_owned() + &section("#[schedule.from.file]")));
    let Some(Schedule { from: ScheduleFrom::File { path }, .. }) = load(&file).unwrap().schedule else {
        panic!()
    };
    assert_eq!(path, folder.path().join("schedule.toml"));

    let common = section("#[schedule]");
    let (_folder, file) = write(&(SMALLEST.to_owned() + &service + &common));
    let shown = load(&file).unwrap().schedule.unwrap();
    let (_folder, file) = write(&(SMALLEST.to_owned() + &service));
    let bare = load(&file).unwrap().schedule.unwrap();
    assert_eq!((shown.recipients, shown.every, shown.grace), (bare.recipients, bare.every, bare.grace));

    for (wrong, told) in [
        (
            service.clone() + &common.replace("\"pi\"", "\"all\""),
            "schedule.recipients: there is no \"all\" here",
        ),
        (
            service.replace("user =", "usr ="),
            "schedule.from.aps.usr: there is no such key here; did you mean user?",
        ),
        (
            service.replace("https://", "http://"),
            "schedule.from.aps.url: \"http://beam-api.aps.anl.gov\" must begin with https",
        ),
        (
            service.replace("\"2bm\"", "\"2bm:secret\""),
            "schedule.from.aps.user: must be the account's name alone",
        ),
        (service.replace("2-BM-A,B", " "), "schedule.from.aps.beamline: must not be empty"),
        (service.replace("password_file =", "#"), "schedule.from.aps.password_file: this key is missing"),
        (
            service.clone() + &section("#[schedule.from.file]"),
            "schedule.from: there must be exactly one kind of it",
        ),
        ("[schedule]\n".into(), "schedule.from: this key is missing"),
    ] {
        let problems = problems(&(SMALLEST.to_owned() + &wrong));
        assert!(problems.contains(told), "{told}: {problems}");
    }
}

const COLLECTIONS: [&str; 2] =
    ["11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"];

/// The smallest settings of a pair.
fn pair(name: &str, source: &str, destination: &str, more: &str) -> String {
    let [from, to] = COLLECTIONS;
    format!(
        "[[sync]]\nname = \"{name}\"\nsource = {{ collection = \"{from}\", path = \"{source}\" }}\n\
         destination = {{ collection = \"{to}\", path = \"{destination}\" }}\n{more}\n"
    )
}

const WITH_GLOBUS: &str = "[globus]\ncollection = \"00000000-0000-0000-0000-000000000000\"\n\
                           sign_in.access_token_file.file = \"t\"\n";

const MAIL: &str = "[email]\nfrom = \"2bm@example.org\"\ntext_template = \"message.txt\"\n\
                    transport.folder.path = \".\"\n";

#[test]
fn the_pair_in_it_is_right() {
    let text = include_str!("../../config/beamshare.toml");
    let start = text.find("#[[sync]]").unwrap();
    let end = start + text[start..].find("\n\n").unwrap();
    let block = format!("\n{}", &text[start..end]).replace("\n#", "\n");
    // An example, in which both are the same placeholder.
    let block = block.replacen("00000000-0000", "11111111-0000", 1);
    let whole = text.replace(&text[start..end], &block);
    let (_folder, file) = write(&whole);
    let pair = &load(&file).unwrap().sync[0];
    assert_eq!((pair.on, pair.level, pair.filters.len()), (Some(SyncOn::Files), SyncLevel::Checksum, 3));
    assert_eq!(
        pair.clean_up,
        Some(CleanUp { keep: Duration::from_secs(7 * 86400), below: Some(500_000_000_000) })
    );
    let bare = block
        .lines()
        .filter(|line| !["quiet", "deadline", "level", "verify", "pres"].iter().any(|k| line.starts_with(k)));
    let (_folder, file) = write(&text.replace(&text[start..end], &bare.collect::<Vec<_>>().join("\n")));
    let bare = &load(&file).unwrap().sync[0];
    let defaults =
        |pair: &Sync| (pair.quiet, pair.deadline, pair.level, pair.verify, pair.preserve_times, pair.encrypt);
    assert_eq!(defaults(bare), defaults(pair), "the defaults are those that are shown");
}

#[test]
fn a_pair_has_sensible_settings() {
    let block = pair("raw", "/data", "/2bm", "filters = [{ include = \"*.h5\" }, { exclude = \"*\" }]");
    let (_folder, file) = write(&format!("{SMALLEST}{WITH_GLOBUS}{block}"));
    let pair = &load(&file).unwrap().sync[0];
    assert_eq!((pair.quiet, pair.deadline), (Duration::from_secs(30), Duration::from_secs(12 * 3600)));
    assert_eq!(pair.level, SyncLevel::Checksum);
    assert!(
        pair.verify
            && pair.preserve_times
            && !pair.encrypt
            && pair.clean_up.is_none()
            && !pair.is_per_experiment()
    );
    assert_eq!(pair.filters, [SyncFilter::Include("*.h5".to_owned()), SyncFilter::Exclude("*".to_owned())]);
    let paths = pair.resolve(None).unwrap();
    assert_eq!((paths.source.as_str(), paths.destination.as_str(), paths.local), ("/data/", "/2bm/", None));
}

#[test]
fn a_wrong_pair_says_what_would_be_right() {
    let li = "{{ year_month }}/{{ pi_last_name }}";
    let base = format!("{SMALLEST}{WITH_GLOBUS}");
    let local = |path: &str| format!("source.local = \"{path}\"");
    let inline =
        |block: String, more: &str| block.replace(" }\ndestination", &format!(", {more} }}\ndestination"));
    let trusted = |block: String| inline(block, "trusted = true");
    let clean = "[sync.clean_up]\nkeep = \"7d\"";
    let mut told = String::new();
    for text in [
        format!("{SMALLEST}{}", pair("raw", "/a", "/b", "")),
        format!("{base}{}{}", pair("raw", "/a", "/b", ""), pair("Raw", "/c", "/d", "")),
        base.clone()
            + &pair("raw", "/a", "/b", "")
                .replace(COLLECTIONS[1], COLLECTIONS[0])
                .replace("\"/b\"", "\"/A/x\""),
        base.clone() + &trusted(pair("raw", &format!("/a/{li}"), "/b", "")),
        // A group's own directory on a collection alone.
        base.clone() + &pair("raw", &format!("/a/{li}"), &format!("/b/{li}"), ""),
        base.clone() + &pair("raw", "/a", &format!("/b/{li}"), ""),
        base.clone()
            + &inline(
                pair("raw", &format!("/a/{li}"), &format!("/b/{li}"), ""),
                &local("/l/{{ pi_email }}")[7..],
            ),
        base.clone() + &pair("raw", "/a", "/b", "on = \"files\""),
        base.clone() + &pair("raw", "/a", "/b", "on = \"file\""),
        base.clone() + &pair("raw", "/a", "/b", "every = \"1h\"\nat = \"02:30\""),
        base.clone() + &pair("raw", "/a", "/b", "at = \"2:30 pm\""),
        base.clone() + &pair("raw", "/a", "/b", "quiet = \"2d\""),
        base.clone() + &pair("raw", "/a", "/b", "level = \"md5\""),
        base.clone() + &pair("raw", "/a", "/b", "filters = [{ exclude = \"a/b\" }]"),
        base.clone() + &pair("raw", "/a", "/b", "label = \"{{ name }}\""),
        base.clone() + &pair("raw", "/a", "/b", "notify = [\"a@example.org\"]"),
        base.clone() + &pair("raw", "/a", "/b", &format!("verify = false\n{clean}")),
        base.clone() + &pair("raw", "/a", "/b", &format!("{clean}\nbelow = \"500GB\"")),
        base.clone() + &pair("raw", "/a", "/b", &format!("{clean}\nbelow = \"much\"")),
        base.clone() + &pair("raw", "/a", "/b", clean) + &pair("two", "/A/x", "/B", ""),
        // Two collections on one directory of this machine.
        base.clone()
            + &inline(pair("raw", "/a", "/b", clean), &local("/l")[7..])
            + &inline(pair("two", "/", "/c", ""), &local("/l/x")[7..])
                .replace(COLLECTIONS[0], "00000000-0000-0000-0000-00000000000c"),
        // There and back.
        base.clone()
            + &pair("there", "/a", "/b", clean)
            + &pair("back", "/b", "/a", clean)
                .replace(COLLECTIONS[0], "x")
                .replace(COLLECTIONS[1], COLLECTIONS[0])
                .replace("\"x\"", &format!("{:?}", COLLECTIONS[1])),
        base.clone() + &pair("raw", "a", "/b", ""),
        base.clone() + &pair("raw", "/a/{{ pi_nmae }}", "/b", ""),
        base.clone() + &pair("raw", "/a", "/b", "share = true"),
        base.clone()
            + &trusted(pair("raw", &format!("/a/{li}"), &format!("/{li}"), "share = true"))
                .replace(COLLECTIONS[1], "00000000-0000-0000-0000-000000000000"),
        base.clone()
            + &trusted(pair("raw", &format!("/a/{li}"), &format!("/b/{li}"), "share = true"))
            + &trusted(pair("rec", &format!("/r/{li}"), &format!("/b/{li}"), "share = true")),
        base.clone() + MAIL + &trusted(pair("raw", &format!("/a/{li}"), &format!("/b/{li}"), "share = true")),
        format!("{base}{MAIL}[email.copy]\nsubject = \" \"\ntext_template = \"away.txt\"\n"),
    ] {
        told += &(problems(&text) + "\n");
    }
    insta::assert_snapshot!(told);
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

mod changes {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn watch(config: &Config) -> Changes {
        ConfigWatcher::new().unwrap().watch(config, CHECKS).unwrap()
    }

    async fn next(changes: &mut Changes) -> Result<Config, ConfigError> {
        tokio::time::timeout(LIMIT, changes.next()).await.expect("an edit is noticed")
    }

    fn with_mail() -> String {
        SMALLEST.to_owned()
            + "[email]\nfrom = \"a@b.org\"\ntext_template = \"message.txt\"\ntransport.folder.path = \"o\"\n"
    }

    #[tokio::test]
    async fn edits_of_every_kind_are_noticed() {
        let (folder, file) = write(&with_mail());
        let mut changes = watch(&load(&file).unwrap());

        // In place.
        std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
        // By a new file in the old one's place, as editors do.
        let new = folder.path().join(".beamshare.toml.swp");
        std::fs::write(&new, with_mail().replace("2-BM", "32-ID")).unwrap();
        std::fs::rename(&new, &file).unwrap();
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "32-ID");
        // A broken one, told once; then the same as before it, which is told because it was broken between.
        std::fs::write(&file, "[beamline").unwrap();
        assert!(next(&mut changes).await.is_err());
        std::fs::write(&file, with_mail().replace("2-BM", "32-ID")).unwrap();
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "32-ID");
        // A template; a broken one.
        std::fs::write(folder.path().join("message.txt"), "Dear {{ pi_last_name }}").unwrap();
        next(&mut changes).await.unwrap();
        std::fs::write(folder.path().join("message.txt"), "Dear {{ pi_last_name").unwrap();
        assert!(next(&mut changes).await.unwrap_err().to_string().contains("message.txt"));
    }

    #[tokio::test]
    async fn a_file_that_others_can_change_is_not_taken_over() {
        let (_folder, file) = write(SMALLEST);
        let mut changes = watch(&load(&file).unwrap());
        let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o666);
        std::fs::write(&file, SMALLEST.replace("2-BM", "7-BM")).unwrap();
        let error = next(&mut changes).await.unwrap_err().to_string();
        assert!(error.contains("can be changed by every account"), "{error}");
        mode(0o644);
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
    }

    #[tokio::test]
    async fn an_edit_before_the_watch_began_is_noticed_and_a_touch_is_none() {
        let (folder, file) = write(&with_mail());
        let config = load(&file).unwrap();
        std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
        let mut changes = watch(&config);
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");

        // The same text again and a file beside it: the next change told is the real one after them.
        std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
        std::fs::write(folder.path().join("beside"), "x").unwrap();
        let looked = tokio::time::timeout(Duration::from_secs(2), changes.next()).await;
        assert!(looked.is_err(), "nothing changed: {looked:?}");
        std::fs::write(&file, with_mail().replace("2-BM", "8-BM")).unwrap();
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "8-BM");
    }

    #[tokio::test]
    async fn an_edit_behind_a_link_is_noticed() {
        let (_folder, file) = write(&with_mail());
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("2bm.toml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::fs::write(elsewhere.path().join("message.txt"), "x").unwrap();
        let mut changes = watch(&load(&link).unwrap());
        std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
        assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
    }
}

/// The text that users get, with everything and with the least (and so without Globus).
#[test]
fn the_message_that_we_hand_out_reads_well() {
    use crate::mail::{MessageContext, Templates};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut email = load(&folder.join("beamshare.toml")).unwrap().email.unwrap();
    email.html_template = None;
    let templates = Templates::load(&email).unwrap();
    let texts = [MessageContext::sample(), MessageContext::bare_sample()].map(|context| {
        let recipient = "ada@example.org".parse().unwrap();
        let message = templates.compose(&context, &recipient, "<1@beamshare.invalid>").unwrap();
        String::from_utf8(message.bytes)
            .unwrap()
            .split_once("\r\n\r\n")
            .unwrap()
            .1
            .replace("=\r\n", "")
            .replace("\r\n", "\n")
    });
    insta::assert_snapshot!(texts.join("\n----\n"));
}
