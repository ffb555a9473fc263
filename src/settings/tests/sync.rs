//! `[[sync]]`, in a beamline's file and in one that only moves data.

use super::*;

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
    let paths = pair.resolve(PairOwner::Everyone).unwrap();
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

const ACCOUNT: &str = "[globus]\nsign_in.access_token_file.file = \"t\"\n";

#[test]
fn a_file_that_only_moves_data_needs_an_account_and_pairs() {
    let monthly = "/logs/{{ year_month }}";
    let (folder, file) = write(&(ACCOUNT.to_owned() + &pair("raw", monthly, monthly, "")));
    let config = load(&file).unwrap();
    assert_eq!((config.purpose, config.sync[0].scope()), (Purpose::DataOnly, SyncScope::Month));
    assert_eq!(config.journal.path, folder.path().join("beamshare.sqlite"), "beside the file");
    assert!(!config.beamline.name.is_empty() && config.sender.is_none());
    assert_eq!(config.globus.unwrap().collection.to_string(), COLLECTIONS[1], "the first destination");
    let more = "[beamline]\nname = \"archive\"\n[journal]\npath = \"x.sqlite\"\n[email]\nfrom = \"a@example.org\"\n\
                transport.folder.path = \"outbox\"\n";
    let notify = pair("raw", "/a", "/b", "notify = [\"b@example.org\"]");
    let (folder, file) = write(&[ACCOUNT, &notify, more].concat());
    let config = load(&file).unwrap();
    assert_eq!(
        (config.beamline.name.as_str(), config.journal.path),
        ("archive", folder.path().join("x.sqlite"))
    );
    let transport = config.sender.expect("a sender").transport;
    assert!(matches!(transport, MailTransport::Folder { path } if path == folder.path().join("outbox")));
}

#[test]
fn a_file_that_only_moves_data_says_what_it_cannot_have() {
    let with = |pair: &str, more: &str| problems(&[ACCOUNT, pair, more].concat());
    let group = "/a/{{ pi_last_name }}";
    let monthly = "/a/{{ year_month }}";
    let plain = pair("raw", "/a", "/b", "");
    let told = [
        with(&pair("raw", group, group, ""), ""),
        with(&pair("raw", "/b", monthly, ""), ""),
        with(&pair("raw", monthly, monthly, "share = true"), ""),
        with(&pair("raw", "/a", "/b", "notify = [\"b@example.org\"]"), ""),
        with(&plain, "[rules]\nsettle = \"1s\"\n"),
        with(&plain, "[email]\nfrom = \"a@example.org\"\ntext_template = \"message.txt\"\n"),
        problems(&plain),
        // A beamline's, in which [epics] was forgotten.
        with(&plain, "[directories]\npaths = [\"{{ pi_last_name }}\"]\n"),
        // A month's directory, where there are groups.
        problems(&format!("{SMALLEST}{WITH_GLOBUS}{}", pair("raw", monthly, monthly, ""))),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
