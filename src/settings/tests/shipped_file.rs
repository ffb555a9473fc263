//! config/beamshare.toml, which `beamshare init` writes.

use super::*;

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
    let text = include_str!("../../../config/beamshare.toml");
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
    let text = include_str!("../../../config/beamshare.toml");
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
    let text = include_str!("../../../config/beamshare.toml");
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
    let text = include_str!("../../../config/beamshare.toml");
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
    let text = include_str!("../../../config/beamshare.toml");
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

#[test]
fn the_pair_in_it_is_right() {
    let text = include_str!("../../../config/beamshare.toml");
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
