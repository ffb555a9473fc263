//! What messages and hooks are told by the schedule.

use crate::beamline::{Beamline, CONTACT, PI, assert_done, deliver, li, run};
use beamshare::delivery::Options;
use beamshare::journal::Cause;
use mailparse::{MailHeaderMap, parse_mail};
use std::fs;

const SCHEDULE: &str = r#"
[[beam_time]]
start = 2020-01-01
end = 2099-01-02
proposal = "1234"
title = "Foam"
kind = "commissioning"
esaf = "77"
user = [
  { first_name = "Wei", last_name = "Li", email = "Wei.Li@example.org", institution = "MIT", badge = "55", pi = true },
  { first_name = "Bo", last_name = "Ng" },
]
"#;

const SETTINGS: [(&str, &str); 3] = [
    (
        "[journal]",
        "[[hooks]]\nbefore = \"dirs\"\ncommand = [\"./hook\"]\n[schedule.from.file]\npath = \"schedule.toml\"\n[journal]",
    ),
    (
        "text_template = \"message.txt\"\n",
        "text_template = \"message.txt\"\n[[email.choices]]\nwhen = \"proposal_type == 'commissioning'\"\n\
         subject = \"Commissioning {{ proposal_title }}\"\n",
    ),
    ("name = \"2-BM\"", "name = \"2-BM\"\ntime_zone = \"America/Chicago\""),
];

/// The message of one recipient: subject, body.
fn message(beamline: &Beamline, recipient: &str) -> (String, String) {
    let files = fs::read_dir(beamline.path("outbox")).unwrap().map(|file| file.unwrap().path());
    let ending = format!("_{}.eml", recipient.to_lowercase());
    let mut files: Vec<_> = files.filter(|file| file.to_string_lossy().ends_with(&ending)).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = fs::read(files.remove(0)).unwrap();
    let mail = parse_mail(&bytes).unwrap();
    (mail.headers.get_first_value("Subject").unwrap(), mail.get_body().unwrap().replace("\r\n", "\n"))
}

async fn beamline() -> Beamline {
    let beamline = Beamline::with(&SETTINGS, |collection| collection).await;
    let template = "{{ recipient_name }}|{{ proposal_title }}|{{ proposal_type }}|{{ esaf }}|{{ start }}|{{ \
                    end }}|{{ users | map(attribute='name') | join(', ') }}|{{ pi_badge }}";
    fs::write(beamline.path("message.txt"), template).unwrap();
    let folder = beamline.folder.path().display();
    let script = format!(
        "#!/bin/sh\ncat > '{folder}/input'; echo \"$BEAMSHARE_PROPOSAL_TYPE $BEAMSHARE_END\" > \
         '{folder}/told'\n"
    );
    fs::write(beamline.path("hook"), script).unwrap();
    fs::set_permissions(beamline.path("hook"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    beamline
}

const TOLD: &str = "Wei Li|Foam|commissioning|77|2020-01-01 00:00 CST|2099-01-03 00:00 CST|Wei Li, Bo Ng|55";

#[tokio::test]
async fn everything_is_told_and_still_when_the_schedule_is_away() {
    let beamline = beamline().await;
    fs::write(beamline.path("schedule.toml"), SCHEDULE).unwrap();
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let (subject, body) = message(&beamline, PI);
    assert_eq!((subject.as_str(), body.trim_end()), ("Commissioning Foam", TOLD));
    let told = fs::read_to_string(beamline.path("told")).unwrap();
    assert_eq!(told.trim_end(), "commissioning 2099-01-03 00:00 CST");
    let input: serde_json::Value =
        serde_json::from_slice(&fs::read(beamline.path("input")).unwrap()).unwrap();
    assert_eq!((&input["users"][0]["badge"], &input["users"][1]["last_name"]), (&"55".into(), &"Ng".into()));

    // What it said before is told, weeks later and without it.
    fs::remove_file(beamline.path("schedule.toml")).unwrap();
    fs::remove_dir_all(beamline.path("outbox")).unwrap();
    fs::create_dir(beamline.path("outbox")).unwrap();
    let again = Options { resend: true, ..Options::all(Cause::Resend, "test") };
    let (outcome, report) = run(&beamline.deliverer().await, id, &again).await;
    assert_done(&outcome, &report);
    assert_eq!(message(&beamline, PI).1.trim_end(), TOLD);
}

#[tokio::test]
async fn a_schedule_that_was_never_heard_holds_no_message_up() {
    let beamline = beamline().await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let (subject, body) = message(&beamline, PI);
    assert_eq!((subject.as_str(), body.trim_end()), ("Data of 2026-03", "Li|||||||"));
}

#[tokio::test]
async fn a_test_goes_to_the_contacts_alone_in_the_chosen_words_before_anything_is_accepted() {
    let beamline = beamline().await;
    fs::write(beamline.path("schedule.toml"), SCHEDULE).unwrap();
    let deliverer = beamline.deliverer().await;
    let sent = deliverer.send_test(&li(PI, "1234")).await.unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(beamline.messages().len(), 1);
    let (subject, body) = message(&beamline, CONTACT);
    assert_eq!((subject.as_str(), body.trim_end()), ("Commissioning Foam", TOLD), "as the PI would get it");
    assert!(deliverer.find_same(&li(PI, "1234")).await.unwrap().is_none(), "nothing is accepted by it");
    assert!(beamline.rules().is_empty() && !beamline.path("told").exists());
}
