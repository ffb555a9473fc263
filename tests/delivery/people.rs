//! Everyone on the proposal, by a schedule kept by hand: who comes, who goes, and who can't be reached.

use crate::beamline::{
    ARCHIVE, Beamline, CONTACT, PI, Running, STAFF, accept, assert_done, deliver, li, run,
};
use beamshare::delivery::{Deliverer, Options, Outcome, Refreshed};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::{AccessState, Cause};
use globus_simulator::Fault;
use std::sync::Arc;
use uuid::Uuid;

const BO: &str = "bo@mit.example";
const NA: &str = "na@eth.example";

pub const SCHEDULE: (&str, &str) = (
    "[journal]",
    "[schedule]\nrecipients = \"schedule\"\n[schedule.from.file]\npath = \"schedule.csv\"\n[journal]",
);

/// Writes who is on proposal 1234: name, address.
pub fn schedule(beamline: &Beamline, people: &[(&str, &str)]) {
    let mut text = "start,end,proposal,last_name,email\n".to_owned();
    for (name, email) in people {
        text += &format!("2020-01-01,2099-01-01,1234,{name},{email}\n");
    }
    // In one moment, as an editor does it: the service may be reading.
    std::fs::write(beamline.path("schedule.new"), text).unwrap();
    std::fs::rename(beamline.path("schedule.new"), beamline.path("schedule.csv")).unwrap();
}

/// Who can read the directory on the collection, beside the staff.
async fn readers(beamline: &Beamline, deliverer: &Arc<Deliverer>, id: Uuid) -> Vec<String> {
    let rows = deliverer.journal().access(id).await.unwrap();
    let mut readers: Vec<_> = beamline
        .globus
        .rules(beamline.collection)
        .iter()
        .map(|rule| {
            assert_eq!(rule["path"], "/2026-03/Li/");
            let identity = rule["principal"].as_str().unwrap();
            let row = rows
                .iter()
                .find(|row| row.identity.to_string() == identity)
                .expect("one that the journal knows");
            assert_eq!((row.state, row.rule.as_deref()), (AccessState::Granted, rule["id"].as_str()));
            row.email.to_string()
        })
        .filter(|email| email != STAFF)
        .collect();
    readers.sort();
    readers
}

/// Whose message went to whom.
fn mailed(beamline: &Beamline) -> Vec<String> {
    beamline.messages().into_iter().map(|(recipient, _)| recipient).collect()
}

#[tokio::test]
async fn everyone_on_the_proposal_is_served_once_each() {
    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    schedule(&beamline, &[("Li", PI), ("Bo", "Bo@MIT.example"), ("Bo", BO), ("Ng", ""), ("Ma", "ma at eth")]);
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let pi = &*PI.to_lowercase();
    assert_eq!(readers(&beamline, &deliverer, id).await, [BO, pi]);
    assert_eq!(mailed(&beamline), [BO, CONTACT, pi]);
    let ids = beamline.messages();
    let id_of = |who: &str| &ids.iter().find(|(recipient, _)| recipient == who).unwrap().1;
    assert_eq!(id_of(CONTACT), id_of(pi), "the contact has a copy of the PI's");
    assert_ne!(id_of(BO), id_of(pi), "everyone has a message of their own");
    let to = |who: &str| {
        let files = std::fs::read_dir(beamline.path("outbox")).unwrap().map(|file| file.unwrap().path());
        let file =
            files.into_iter().find(|file| file.to_string_lossy().ends_with(&format!("_{who}.eml"))).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_lowercase()
    };
    assert_eq!((to(BO), to(CONTACT)), (BO.to_owned(), pi.to_owned()));
    assert_eq!((report.users_total, report.users_shared, report.emails_sent), (3, 3, 3));
    for step in [Step::Share, Step::Email] {
        let message = &report.steps[&step].1;
        for told in ["Ng: no e-mail address", "Ma: no usable e-mail address: \"ma at eth\""] {
            assert!(message.contains(told), "{step}: {message}");
        }
    }
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    assert_eq!(beamline.deliverer().await.report_of(&row).await.unwrap().message, report.message);
}

#[tokio::test]
async fn the_list_grows_shrinks_and_changes_its_capitals() {
    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    let pi = &*PI.to_lowercase();
    schedule(&beamline, &[("Li", PI)]);
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, &deliverer, id).await, [pi]);

    schedule(&beamline, &[("Li", PI), ("Bo", BO), ("Staff", STAFF)]);
    let again = || async { run(&deliverer, id, &Options::all(Cause::Run, "test")).await };
    let (outcome, report) = again().await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, &deliverer, id).await, [BO, pi]);
    assert_eq!(mailed(&beamline), [BO, CONTACT, STAFF, pi], "the new ones only");

    let before = (beamline.globus.rules(beamline.collection), beamline.messages());
    schedule(
        &beamline,
        &[("LI", &PI.to_uppercase()), ("Bo", "BO@MIT.EXAMPLE"), ("Staff", "Staff@Example.ORG")],
    );
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    assert_eq!(deliverer.refresh_people(&row).await.unwrap(), Refreshed::Same);
    again().await;
    assert_eq!((beamline.globus.rules(beamline.collection), beamline.messages()), before);

    // Who goes loses what beamshare gave for that reason: not staff, who are in share_with, and not the PI.
    schedule(&beamline, &[("Li", PI), ("Na", NA)]);
    let (outcome, report) = again().await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, &deliverer, id).await, [NA, pi]);
    assert!(beamline.rules().iter().any(|(_, who, _)| who == STAFF), "{:?}", beamline.rules());
    schedule(&beamline, &[("Li", PI), ("Na", NA), ("Bo", BO)]);
    again().await;
    assert_eq!(readers(&beamline, &deliverer, id).await, [BO, NA, pi]);
    assert_eq!(mailed(&beamline), [BO, CONTACT, NA, STAFF, pi], "who comes back has the message");
}

#[tokio::test]
async fn an_answer_that_does_not_tell_changes_nothing() {
    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    schedule(&beamline, &[("Li", PI), ("Bo", BO)]);
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let before = beamline.globus.rules(beamline.collection);
    let csv = |rows: &str| format!("start,end,proposal,last_name,email\n{rows}");
    for (answer, told) in [
        (csv(""), "the schedule has no proposal 1234"),
        (csv("2020-01-01,2099-01-01,1234,,\n"), "the schedule names nobody on proposal 1234"),
        // Another group's people under the number that stands in the PVs.
        (csv("2020-01-01,2099-01-01,1234,Na,na@eth.example\n"), "is not on proposal 1234"),
    ] {
        std::fs::write(beamline.path("schedule.csv"), answer).unwrap();
        let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
        assert_done(&outcome, &report);
        let message = &report.steps[&Step::Share].1;
        assert!(message.contains(told), "{message}");
        assert_eq!(beamline.globus.rules(beamline.collection), before);
    }
    assert_eq!(mailed(&beamline), [BO, CONTACT, &PI.to_lowercase()]);
}

#[tokio::test]
async fn a_rule_that_beamshare_did_not_make_stays() {
    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    schedule(&beamline, &[("Li", PI)]);
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let client = deliverer.collection().unwrap().client();
    let other = client.auth().identities().by_usernames(&["other@example.org"]).send().await.unwrap();
    let identity = other.iter().next().unwrap().id;
    client
        .transfer()
        .access_rules(beamline.collection)
        .create(identity, "/2026-03/Li/")
        .send()
        .await
        .unwrap();
    for people in [&[("Li", PI), ("Other", "other@example.org")][..], &[("Li", PI)]] {
        schedule(&beamline, people);
        let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
        assert_done(&outcome, &report);
        assert!(
            beamline.rules().iter().any(|(_, who, _)| who == "other@example.org"),
            "{:?}",
            beamline.rules()
        );
    }
}

#[tokio::test]
async fn a_rule_that_two_experiments_need_ends_with_the_second() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (one, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let mut plan = deliverer.plan(&li("other@example.org", "5678")).await.unwrap();
    plan.approve();
    let two = accept(&deliverer, &plan).await;
    let bo: beamshare::domain::EmailAddress = "wrong@example.org".parse().unwrap();
    let has_access = || beamline.rules().iter().any(|(_, who, _)| who == bo.as_str());
    let again = |id| {
        let deliverer = &deliverer;
        async move {
            assert!(matches!(run(deliverer, id, &Options::all(Cause::Users, "test")).await.0, Outcome::Done))
        }
    };
    for id in [one, two] {
        deliverer.journal().add_person(id, &bo, "Bo").await.unwrap();
        again(id).await;
    }
    deliverer.journal().remove_person(one, &bo).await.unwrap();
    again(one).await;
    assert!(has_access(), "still one of the other's people");
    deliverer.journal().remove_person(two, &bo).await.unwrap();
    again(two).await;
    assert!(!has_access());
    again(one).await;
}

#[tokio::test]
async fn who_is_known_does_not_wait_for_a_schedule_that_is_away() {
    let service = "[schedule]\nrecipients = \"schedule\"\n[schedule.from.aps]\nbeamline = \"2-BM-A,B\"\n\
                   user = \"2bm\"\n\
                   password_file = \"globus.secret\"\ntimeout = \"1s\"\nurl = \"http://127.0.0.1:PORT\"\n\
                   [journal]";
    let port = crate::support::free_port();
    let service = service.replace("PORT", &port.to_string());
    let beamline = Beamline::with(&[("[journal]", &service)], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let id = accept(&deliverer, &deliverer.plan(&li(PI, "1234")).await.unwrap()).await;
    let mut running = Running::start(&deliverer, id, |_| {});
    running.shows("the scheduling service does not answer").await;
    let limit = tokio::time::timeout(
        std::time::Duration::from_secs(20),
        running.report.wait_for(|report| report.emails_sent == 2),
    );
    limit.await.expect("the PI's message goes out").unwrap();
    assert_eq!(running.report.borrow().steps[&Step::Share].0, StepStatus::Running, "it is asked again");
    assert_eq!(mailed(&beamline), [CONTACT, &PI.to_lowercase()]);
    running.controller.abort();
    assert!(matches!(running.ends().await, Outcome::Aborted));
}

/// The settings have got another collection since: what is on the former one is not forgotten.
#[tokio::test]
async fn who_is_removed_loses_access_to_a_former_collection() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let bo: beamshare::domain::EmailAddress = "wrong@example.org".parse().unwrap();
    deliverer.journal().add_person(id, &bo, "Bo").await.unwrap();
    let users = Options::all(Cause::Users, "test");
    let (outcome, report) = run(&deliverer, id, &users).await;
    assert_done(&outcome, &report);
    let former = || beamline.rules().into_iter().map(|(_, who, _)| who).collect::<Vec<_>>();
    assert!(former().iter().any(|who| who == bo.as_str()), "{:?}", former());

    let settings = std::fs::read_to_string(beamline.path("beamshare.toml")).unwrap();
    let settings = settings.replace(&beamline.collection.to_string(), &ARCHIVE.to_string());
    std::fs::write(beamline.path("beamshare.toml"), settings).unwrap();
    let deliverer = beamline.deliverer().await;
    let (outcome, report) = run(&deliverer, id, &users).await;
    assert_done(&outcome, &report);
    assert!(former().iter().any(|who| who == bo.as_str()), "still one of the people: {:?}", former());

    deliverer.journal().remove_person(id, &bo).await.unwrap();
    let (outcome, report) = run(&deliverer, id, &users).await;
    assert_done(&outcome, &report);
    for collection in [beamline.collection, ARCHIVE] {
        let left: Vec<_> = beamline.rules_on(collection).into_iter().map(|(_, who, _)| who).collect();
        assert!(!left.iter().any(|who| who == bo.as_str()), "{left:?}");
        assert!(left.iter().any(|who| who == PI) && left.iter().any(|who| who == STAFF), "{left:?}");
    }
}

#[tokio::test]
async fn who_was_mailed_is_never_called_unsent_again() {
    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    schedule(&beamline, &[("Li", PI), ("Bo", BO)]);
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    // Staff take Bo's rule away by hand, and for a while Globus refuses to make another.
    let rows = deliverer.journal().access(id).await.unwrap();
    let rule = rows.iter().find(|row| row.email.to_string() == BO).unwrap().rule.clone().unwrap();
    let settings = beamshare::config::Config::load(&beamline.path("beamshare.toml")).unwrap().globus.unwrap();
    let globus = beamshare::globus::client(&settings).unwrap();
    globus.transfer().access_rules(beamline.collection).delete(&rule).await.unwrap();
    beamline.globus.fault(Fault::answer("access_create", 403).times(2));
    let again = || async { run(&deliverer, id, &Options::all(Cause::Run, "test")).await };
    let (outcome, report) = again().await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(report.steps[&Step::Email].0, StepStatus::Done, "{report:#?}");
    beamline.globus.clear_faults();
    let (outcome, report) = again().await;
    assert_done(&outcome, &report);
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    let recalled = beamline.deliverer().await.report_of(&row).await.unwrap();
    assert_eq!(recalled.steps[&Step::Email].0, StepStatus::Done, "{recalled:#?}");
    assert_eq!(mailed(&beamline), [BO, CONTACT, &*PI.to_lowercase()]);
}

#[tokio::test]
async fn globus_mails_each_person_once_where_it_is_asked_to() {
    let notify = ("share_with", "notify_email = true\nnotify_message = \"Your data\"\nshare_with");
    let beamline = Beamline::with(&[SCHEDULE, notify], |collection| collection).await;
    schedule(&beamline, &[("Li", PI), ("Bo", BO)]);
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    let notifications = beamline.globus.notifications();
    let mut to: Vec<_> = notifications.iter().map(|mail| mail.to.to_lowercase()).collect();
    to.sort();
    assert_eq!(to, [BO, &*PI.to_lowercase()], "not the staff of share_with, and nobody twice");
    assert!(notifications.iter().all(|mail| mail.text.contains("Your data")));
}

/// `share --schedule` and `email --schedule` by hand, seen by the service whose settings serve the PI alone.
#[tokio::test]
async fn people_served_by_hand_are_counted() {
    let by_schedule = SCHEDULE.1.replace("recipients = \"schedule\"\n", "");
    let beamline = Beamline::with(&[(SCHEDULE.0, &by_schedule)], |collection| collection).await;
    schedule(&beamline, &[("Li", PI), ("Bo", BO)]);
    let service = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&service, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(
        (report.users_total, report.users_shared, report.emails_sent),
        (2, 2, 2),
        "PI, staff; PI, contact"
    );
    let only = Some([Step::Share, Step::Email].into());
    let by_hand = Options { only, ask_schedule: true, ..Options::all(Cause::Command, "by hand") };
    let (outcome, report) = run(&service, id, &by_hand).await;
    assert_done(&outcome, &report);
    let row = service.journal().experiment(id).await.unwrap().unwrap();
    let shown = service.report_of(&row).await.unwrap();
    assert_eq!((shown.users_total, shown.users_shared, shown.emails_sent), (3, 3, 3), "{shown:#?}");
}
