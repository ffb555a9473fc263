//! When access ends, and who is reminded of it.

use crate::beamline::{Beamline, CONTACT, PI, accept, assert_done, deliver, li, run};
use beamshare::delivery::{Deliverer, Options};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::{Cause, MessageState, ReminderRow};
use globus_transfer_client::{Authorizer, ClientCredentials, GlobusClient};
use jiff::{SignedDuration, Timestamp};
use mailparse::{MailHeaderMap, parse_mail};
use std::fs;
use std::sync::Arc;
use uuid::Uuid;

const BO: &str = "bo@mit.example";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Access for 28 days, a reminder three days before its end; Bo is on the proposal, too.
async fn beamline(more: &[(&str, &str)]) -> Beamline {
    let mut changes = vec![
        ("permissions = \"r\"", "permissions = \"r\"\nretention = \"28d\""),
        (
            "text_template = \"message.txt\"\n",
            "text_template = \"message.txt\"\nreminder = \"3d\"\nreminder_text_template = \"reminder.txt\"\n\
             reminder_subject = \"Ends on {{ expires }}\"\n",
        ),
        ("name = \"2-BM\"", "name = \"2-BM\"\ntime_zone = \"Pacific/Kiritimati\""),
        (
            "[journal]",
            "[schedule]\nrecipients = \"schedule\"\n[schedule.from.file]\npath = \"schedule.csv\"\n[journal]",
        ),
    ];
    changes.extend_from_slice(more);
    let beamline = Beamline::with(&changes, |collection| collection).await;
    fs::write(beamline.path("message.txt"), "until {{ expires }}").unwrap();
    fs::write(beamline.path("reminder.txt"), "{{ recipient }} {{ proposal_title }} {{ expires }} {{ path }}")
        .unwrap();
    schedule(&beamline, "2020-01-01", "2020-01-04");
    beamline
}

fn schedule(beamline: &Beamline, start: &str, end: &str) {
    let line = |name: &str, email: &str| format!("{start},{end},1234,Foam,{name},{email}\n");
    let text = format!("start,end,proposal,title,last_name,email\n{}{}", line("Li", PI), line("Bo", BO));
    fs::write(beamline.path("schedule.csv"), text).unwrap();
}

/// The end of each rule.
fn ends(beamline: &Beamline) -> Vec<Timestamp> {
    let rules = beamline.globus.rules(beamline.collection);
    rules.iter().map(|rule| rule["expiration_date"].as_str().expect("an end").parse().unwrap()).collect()
}

fn day(at: Timestamp) -> String {
    at.in_tz("Pacific/Kiritimati").unwrap().strftime("%Y-%m-%d").to_string()
}

/// The messages with this subject: recipient, Message-ID, text.
fn messages(beamline: &Beamline, subject: &str) -> Vec<(String, String, String)> {
    let mut found = vec![];
    for file in fs::read_dir(beamline.path("outbox")).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        let mail = parse_mail(&bytes).unwrap();
        let header = |name: &str| mail.headers.get_first_value(name).unwrap();
        if header("Subject").starts_with(subject) {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let text = mail.get_body().unwrap().trim_end().to_owned();
            found.push((name.split_once('_').unwrap().1.to_owned(), header("Message-ID"), text));
        }
    }
    found.sort();
    found
}

async fn delivered(beamline: &Beamline) -> (Arc<Deliverer>, Uuid, Timestamp) {
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let ends = ends(beamline);
    assert_eq!(ends.len(), 3, "the PI, Bo and the staff");
    assert!(ends.iter().all(|end| *end == ends[0]), "one end for all: {ends:?}");
    (deliverer, id, ends[0])
}

/// Changes our rule of the collection as its administrator does, who sees it in the web app.
async fn client(beamline: &Beamline) -> GlobusClient {
    let settings = beamshare::config::Config::load(&beamline.path("beamshare.toml")).unwrap().globus.unwrap();
    let beamshare::config::SignIn::Service { client_id, .. } = settings.sign_in else { panic!() };
    GlobusClient::builder()
        .auth_url(settings.auth_url)
        .transfer_url(settings.transfer_url)
        .authorizer(Authorizer::client_credentials(ClientCredentials::new(client_id, "a secret".to_owned())))
        .build()
        .unwrap()
}

async fn rule_of(deliverer: &Deliverer, id: Uuid, who: &str) -> String {
    let rows = deliverer.journal().access(id).await.unwrap();
    rows.into_iter().find(|row| row.email.as_str().eq_ignore_ascii_case(who)).unwrap().rule.unwrap()
}

#[tokio::test]
async fn it_ends_so_long_after_the_first_access_and_another_run_changes_nothing() {
    let beamline = beamline(&[]).await;
    let before = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let (deliverer, id, end) = delivered(&beamline).await;
    assert!(end >= before + DAY * 28 && end <= Timestamp::now() + DAY * 28, "{end}");
    let row = deliverer.journal().access(id).await.unwrap();
    assert!(row.iter().all(|row| row.expires_at == Some(end)), "{row:?}");
    let told: Vec<_> = messages(&beamline, "Data").into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(told, vec![format!("until {}", day(end)); 3], "the day by the beamline's clocks");

    // Later, and after a rule was lost.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let lost = rule_of(&deliverer, id, PI).await;
    client(&beamline).await.transfer().access_rules(beamline.collection).delete(&lost).await.unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert!(report.steps[&Step::Share].1.contains(&format!("shared until {}", day(end))), "{report:#?}");
    assert_eq!(ends(&beamline), [end; 3]);

    // Another value in the settings is a wish.
    let file = beamline.path("beamshare.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("\"28d\"", "\"30d\"")).unwrap();
    let deliverer = beamline.deliverer().await;
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert_eq!(ends(&beamline), [end + DAY * 2; 3]);
    let rows = deliverer.journal().access(id).await.unwrap();
    assert!(rows.iter().all(|row| row.expires_at == Some(end + DAY * 2)), "{rows:?}");
}

#[tokio::test]
async fn it_is_counted_from_the_end_of_the_beam_time_where_that_is_known() {
    let beamline = beamline(&[]).await;
    let today = Timestamp::now().in_tz("Pacific/Kiritimati").unwrap().date();
    let last = today.checked_add(jiff::Span::new().days(5)).unwrap();
    schedule(&beamline, &today.to_string(), &last.to_string());
    let (deliverer, id, end) = delivered(&beamline).await;
    // The last day is part of it.
    let over = last.tomorrow().unwrap().in_tz("Pacific/Kiritimati").unwrap().timestamp();
    assert_eq!(end, over + DAY * 28);
    // A schedule that changes its mind doesn't move what the users were told.
    schedule(&beamline, &today.to_string(), &today.to_string());
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert_eq!(ends(&beamline), [end; 3]);
}

#[tokio::test]
async fn an_end_that_staff_have_moved_by_hand_stays_and_counts_for_the_reminder() {
    let beamline = beamline(&[]).await;
    let (deliverer, id, end) = delivered(&beamline).await;
    let rule = rule_of(&deliverer, id, BO).await;
    let later = end + DAY * 10;
    let client = client(&beamline).await;
    client
        .transfer()
        .access_rules(beamline.collection)
        .update(&rule)
        .expires(Some(later))
        .send()
        .await
        .unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert!(report.steps[&Step::Share].1.contains(&format!("{}, as set by hand", day(later))), "{report:#?}");
    let mut now = ends(&beamline);
    now.sort();
    assert_eq!(now, [end, end, later]);

    assert_eq!(deliverer.remind(end - DAY).await.unwrap(), 1, "the PI");
    assert_eq!(deliverer.remind(end + DAY).await.unwrap(), 0, "not yet");
    assert_eq!(deliverer.remind(later - DAY).await.unwrap(), 1, "Bo");
    assert_eq!(deliverer.remind(later - DAY).await.unwrap(), 0, "once");
    let told: Vec<_> = messages(&beamline, "Ends on").into_iter().map(|(who, _, text)| (who, text)).collect();
    let text = |who: &str, end| (who.to_owned(), format!("{who} Foam {} 2026-03/Li", day(end)));
    assert_eq!(told[0], text(BO, later));
    assert_eq!(told[1].1, format!("{} Foam {} 2026-03/Li", PI.to_lowercase(), day(end)));
}

#[tokio::test]
async fn everyone_is_reminded_once_in_time() {
    let beamline = beamline(&[]).await;
    let (deliverer, id, end) = delivered(&beamline).await;
    let minute = SignedDuration::from_mins(1);
    assert_eq!(deliverer.remind(end - DAY * 3 - minute).await.unwrap(), 0, "too early");
    assert_eq!(deliverer.remind(end).await.unwrap(), 0, "too late");
    // The service was down when it came due.
    assert_eq!(beamline.deliverer().await.remind(end - minute).await.unwrap(), 2);
    assert_eq!(deliverer.remind(end - minute).await.unwrap(), 0, "nobody twice");
    let reminded = messages(&beamline, "Ends on");
    let who: Vec<_> = reminded.iter().map(|(who, ..)| who.clone()).collect();
    assert_eq!(who, [BO.to_owned(), PI.to_lowercase()], "neither staff nor contacts");
    let contact = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(CONTACT);
    let files =
        fs::read_dir(beamline.path("outbox")).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    assert_eq!(
        files.filter(|bytes| contact(bytes)).count(),
        3,
        "the contact stands in the first messages alone"
    );
    let rows = deliverer.journal().reminders(id).await.unwrap();
    assert!(rows.iter().all(|row| row.state == MessageState::Sent && row.expires_at == end), "{rows:?}");

    // Without a reminder in the settings there is none.
    let file = beamline.path("beamshare.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("reminder = \"3d\"", "")).unwrap();
    assert_eq!(beamline.deliverer().await.remind(end - minute).await.unwrap(), 0);
}

#[tokio::test]
async fn a_reminder_cut_short_by_a_kill_goes_out_under_its_message_id() {
    let beamline = beamline(&[]).await;
    let (deliverer, id, end) = delivered(&beamline).await;
    let row = ReminderRow {
        experiment: id,
        recipient: BO.parse().unwrap(),
        expires_at: end,
        message_id: "<first@beamshare.example.org>".to_owned(),
        state: MessageState::Writing,
        server_reply: String::new(),
    };
    deliverer.journal().set_reminder(&row).await.unwrap();
    // And the mail folder is away for a while.
    fs::rename(beamline.path("outbox"), beamline.path("away")).unwrap();
    assert!(deliverer.remind(end - DAY).await.is_err());
    let ids = deliverer.journal().reminders(id).await.unwrap();
    assert!(ids.iter().all(|row| row.state == MessageState::Writing), "{ids:?}");
    fs::rename(beamline.path("away"), beamline.path("outbox")).unwrap();
    assert_eq!(beamline.deliverer().await.remind(end - DAY).await.unwrap(), 2);
    let sent = messages(&beamline, "Ends on");
    assert_eq!(sent[0].1, "<first@beamshare.example.org>");
    assert_eq!(sent[1].1, ids.iter().find(|row| row.recipient.as_str() != BO).unwrap().message_id);
}

#[tokio::test]
async fn who_has_lost_the_access_is_not_reminded() {
    let beamline = beamline(&[]).await;
    let (deliverer, id, end) = delivered(&beamline).await;
    // The schedule doesn't list Bo any more; somebody has deleted the PI's rule on Globus.
    let text = fs::read_to_string(beamline.path("schedule.csv")).unwrap();
    let text: String =
        text.lines().filter(|line| !line.contains(BO)).map(|line| line.to_owned() + "\n").collect();
    fs::write(beamline.path("schedule.csv"), text).unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    let rule = rule_of(&deliverer, id, PI).await;
    client(&beamline).await.transfer().access_rules(beamline.collection).delete(&rule).await.unwrap();
    assert_eq!(deliverer.remind(end - DAY).await.unwrap(), 0);
    assert!(messages(&beamline, "Ends on").is_empty());
    // Run gives it again, to the same end, and so there is something to be reminded of.
    run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_eq!(deliverer.remind(end - DAY).await.unwrap(), 1);
}

#[tokio::test]
async fn once_it_is_over_nothing_is_given_and_nobody_is_mailed() {
    let beamline = beamline(&[]).await;
    let deliverer = beamline.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let id = accept(&deliverer, &plan).await;
    // The first access was long ago.
    deliverer.journal().count_from(id, Timestamp::now() - DAY * 40).await.unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert!(matches!(outcome, beamshare::delivery::Outcome::Done), "{outcome:?} {report:#?}");
    assert!(beamline.globus.rules(beamline.collection).is_empty(), "{:?}", beamline.rules());
    assert!(beamline.messages().is_empty());
    for step in [Step::Share, Step::Email] {
        let (status, message) = &report.steps[&step];
        assert!(matches!(status, StepStatus::Skipped | StepStatus::Done), "{report:#?}");
        assert!(
            message.contains(&format!("the access has ended on {}", day(Timestamp::now() - DAY * 12))),
            "{message}"
        );
    }
}
