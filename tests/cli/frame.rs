use super::{Ended, beamshare, run, settings};
use std::path::Path;

fn in_folder(folder: &Path, arguments: &[&str]) -> Ended {
    run(beamshare(folder), arguments)
}

#[test]
fn help_answers_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let help = in_folder(folder.path(), &["--help"]);
    assert_eq!(help.code, 0);
    insta::assert_snapshot!(help.out);
    let verbs: Vec<&str> =
        help.out.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap().lines().collect();
    let verbs = verbs
        .iter()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty());
    for verb in verbs.filter(|verb| *verb != "help") {
        let help = in_folder(folder.path(), &[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}");
        assert!(help.out.contains("Usage: beamshare"), "{verb}: {}", help.out);
    }
    assert!(in_folder(folder.path(), &["--version"]).out.starts_with("beamshare "));
}

#[test]
fn wrong_use_is_told_with_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["deliver"][..], &[], &["history", "-n", "many"], &["rerun", "--timeout", "soon"]] {
        let ended = in_folder(folder.path(), arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.contains("Usage") || ended.err.contains("--help"), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn without_settings_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let ended = in_folder(folder.path(), &["history"]);
    assert_eq!(ended.code, 2);
    for told in ["--config", "./beamshare.toml", "/etc/beamshare/beamshare.toml", "beamshare init"] {
        assert!(ended.err.contains(told), "{}", ended.err);
    }
    let ended = in_folder(folder.path(), &["history", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("nowhere.toml: can't read"), "{}", ended.err);
}

#[test]
fn init_without_a_terminal_needs_a_level_of_trust() {
    let folder = tempfile::tempdir().unwrap();
    let ended = in_folder(folder.path(), &["init", "2bm"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("nothing written") && ended.err.contains("--email-domain"), "{}", ended.err);
    // A domain that the settings would reject.
    let ended = in_folder(folder.path(), &["init", "2bm", "--email-domain", "@example.org"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    assert!(ended.err.contains("\"@example.org\" is no mail domain"), "{}", ended.err);
    assert!(!folder.path().join("2bm").exists());
}

#[test]
fn init_writes_settings_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let init = ["init", "2bm", "--email-domain", "example.org"];
    let ended = in_folder(folder.path(), &init);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.ends_with("run: beamshare check --config 2bm/beamshare.toml\n"), "{}", ended.out);
    for file in ["beamshare.toml", "message.txt", "message.html", "beamshare.service"] {
        assert!(folder.path().join("2bm").join(file).exists() && ended.out.contains(file), "{}", ended.out);
    }
    // The settings are found by option, by environment, and in the working directory.
    let journal = format!("path = \"{}\"", folder.path().join("journal.sqlite").display());
    let file = folder.path().join("2bm/beamshare.toml");
    let text =
        std::fs::read_to_string(&file).unwrap().replace("path = \"/var/lib/beamshare/2bm.sqlite\"", &journal);
    std::fs::write(&file, text).unwrap();
    let nothing_yet = |ended: Ended| {
        assert_eq!((ended.code, ended.out.as_str()), (4, ""), "{}", ended.err);
        assert!(ended.err.contains("nothing was delivered yet"), "{}", ended.err);
    };
    nothing_yet(in_folder(folder.path(), &["-c", "2bm/beamshare.toml", "history"]));
    nothing_yet(in_folder(&folder.path().join("2bm"), &["history"]));
    let mut command = beamshare(folder.path());
    command.env("BEAMSHARE_CONFIG", &file);
    nothing_yet(run(command, &["history"]));
    assert!(!folder.path().join("journal.sqlite").exists(), "reading makes no journal");

    let ended = in_folder(folder.path(), &init);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("nothing written") && ended.err.contains("--force"), "{}", ended.err);
}

#[test]
fn a_mistake_in_the_settings_is_told_with_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let text = settings("x:").replace("prefix =", "prefx =") + "\n[rules]\nsettle = \"soon\"\n[email]\n";
    std::fs::write(folder.path().join("beamshare.toml"), text).unwrap();
    let ended = in_folder(folder.path(), &["status", "--json"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    insta::assert_snapshot!(ended.err);
}

/// What bash offers for the last of these words.
fn offered(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut command = beamshare(folder);
    command
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let words: Vec<&str> = ["--", "beamshare"].into_iter().chain(words.iter().copied()).collect();
    run(command, &words).out.lines().map(str::to_owned).collect()
}

#[test]
fn completions_know_verbs_and_pairs() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ended = in_folder(folder.path(), &["completions", shell]);
        assert!(ended.code == 0 && ended.out.contains("COMPLETE"), "{shell}: {}{}", ended.out, ended.err);
    }
    let verbs = offered(folder.path(), &[""]);
    for verb in ["init", "check", "run", "show", "status", "dirs", "share", "email", "history", "completions"]
    {
        assert!(verbs.iter().any(|offered| offered == verb), "{verb}: {verbs:?}");
    }
    assert_eq!(offered(folder.path(), &["sync", "sta"]), ["status"]);

    let pair = "[globus]\ncollection = \"00000000-0000-0000-0000-000000000001\"\n\
                [globus.sign_in.access_token_file]\nfile = \"token\"\n[journal]\npath = \"journal.sqlite\"\n\
                [[sync]]\nname = \"archive\"\nsource.collection = \"00000000-0000-0000-0000-000000000001\"\n\
                source.path = \"/a\"\nsource.trusted = true\n\
                destination.collection = \"00000000-0000-0000-0000-000000000002\"\ndestination.path = \"/b\"\n";
    std::fs::write(folder.path().join("pairs.toml"), pair).unwrap();
    let words = ["-c", "pairs.toml", "sync", "run", ""];
    assert!(
        offered(folder.path(), &words).contains(&"archive".to_owned()),
        "{:?}",
        offered(folder.path(), &words)
    );
}

#[test]
fn a_log_filter_that_is_none_is_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let ended = in_folder(folder.path(), &["history", "--log-level", "loud=x=y"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("is no log filter"), "{}", ended.err);
    let ended = in_folder(folder.path(), &["history", "--log-level", "loud"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("\"loud\" is no level"), "{}", ended.err);
}
