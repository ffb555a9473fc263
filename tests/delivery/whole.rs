use crate::beamline::{
    Beamline, CONTACT, PI, STAFF, accept, assert_done, deliver, deliver_approved, experiment, li, run,
};
use beamshare::delivery::{Options, Outcome};
use beamshare::domain::{STEPS, Step, StepStatus};
use beamshare::journal::{Cause, DeliveryState};

fn rule(who: &str) -> (String, String, String) {
    ("/2026-03/Li/".to_owned(), who.to_owned(), "r".to_owned())
}

#[tokio::test]
async fn everything_is_there_once_and_the_report_says_so() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert!(beamline.path("local/2026-03/Li").is_dir());
    assert!(beamline.path("globus/2026-03/Li").is_dir());
    assert_eq!(beamline.rules(), [rule(PI), rule(STAFF)]);
    let messages = beamline.messages();
    let recipients: Vec<_> = messages.iter().map(|(recipient, _)| recipient.as_str()).collect();
    assert_eq!(recipients, [CONTACT, &PI.to_lowercase()]);
    assert_eq!((report.users_total, report.users_shared), (2, 2));
    assert_eq!((report.emails_sent, report.emails_failed), (2, 0));
    assert_eq!(report.path, "2026-03/Li");
    let link = format!("origin_id={}&origin_path=%2F2026-03%2FLi%2F", beamline.collection);
    assert!(report.data_link.ends_with(&link), "{}", report.data_link);
    assert_eq!(report.message, "2026-03/Li is there, shared with 2, 2 mailed");
    // As after a restart.
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    assert_eq!(beamline.deliverer().await.report_of(&row).await.unwrap(), report);
}

#[tokio::test]
async fn as_few_requests_as_the_api_allows() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &experiment("2026-03", "Kim", "kim@example.org", "1")).await;
    beamline.globus.clear_requests();
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let counts = beamline.globus.counts();
    let expected = [("access_create", 2), ("access_list", 1), ("identities", 1), ("ls", 1), ("mkdir", 1)];
    assert_eq!(
        counts,
        expected.map(|(call, count)| (call.to_owned(), count)).into(),
        "the month is there, so is the token"
    );
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_mails_nobody() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let (rules, messages) = (beamline.globus.rules(beamline.collection), beamline.messages());
    beamline.globus.clear_requests();
    // Also by another process.
    for deliverer in [deliverer, beamline.deliverer().await] {
        let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
        assert_done(&outcome, &report);
        assert_eq!((report.users_shared, report.emails_sent), (2, 2));
    }
    assert_eq!(beamline.globus.count("access_create"), 0);
    assert_eq!(beamline.globus.rules(beamline.collection), rules);
    assert_eq!(beamline.messages(), messages);
}

#[tokio::test]
async fn a_run_repairs_what_is_missing() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let messages = beamline.messages();
    std::fs::remove_dir(beamline.path("local/2026-03/Li")).unwrap();
    std::fs::remove_dir_all(beamline.path("globus/2026-03")).unwrap();
    let client = deliverer.collection().unwrap().client();
    let rules = client.transfer().access_rules(beamline.collection);
    let rule_of_pi = rules.list().await.unwrap().rules.remove(0);
    rules.delete(&rule_of_pi.id.unwrap()).await.unwrap();
    assert_eq!(beamline.rules().len(), 1);

    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert!(beamline.path("local/2026-03/Li").is_dir());
    assert!(beamline.path("globus/2026-03/Li").is_dir());
    assert_eq!(beamline.rules(), [rule(PI), rule(STAFF)]);
    assert_eq!(beamline.messages(), messages);
}

#[tokio::test]
async fn resend_mails_everyone_again_under_a_new_message_id() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let options = Options { resend: true, ..Options::all(Cause::Resend, "test") };
    let (outcome, report) = run(&deliverer, id, &options).await;
    assert_done(&outcome, &report);
    assert_eq!(report.emails_sent, 2);
    let mut ids: Vec<_> = beamline.messages().into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 4);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2, "one a message, whoever gets a copy");
    run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_eq!(beamline.messages().len(), 4);
}

#[tokio::test]
async fn a_corrected_address_gets_everything_and_the_wrong_one_loses_what_beamshare_gave() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li("wrong@example.org", "1234")).await;
    assert_eq!(beamline.rules(), [rule("staff@example.org"), rule("wrong@example.org")]);

    assert!(!deliverer.plan(&li(PI, "1234")).await.unwrap().is_known());
    let (same, outcome, report) = deliver_approved(&deliverer, &li(PI, "1234")).await;
    assert_eq!(same, id, "a correction is the same experiment");
    assert_done(&outcome, &report);
    assert_eq!(beamline.rules(), [rule(PI), rule(STAFF)]);
    let pi = PI.to_lowercase();
    let to = |who: &str| beamline.messages().iter().filter(|(recipient, _)| recipient == who).count();
    // Each their own, and all of them the message about the change.
    assert_eq!((to("wrong@example.org"), to(&pi), to(CONTACT)), (2, 2, 3));
    assert_eq!((report.users_shared, report.emails_sent), (2, 2));
    // And back again.
    let (_, outcome, report) = deliver_approved(&deliverer, &li("wrong@example.org", "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(beamline.rules(), [rule("staff@example.org"), rule("wrong@example.org")]);
    assert_eq!((to("wrong@example.org"), to(&pi), to(CONTACT)), (3, 3, 4), "the data was mailed before");
}

#[tokio::test]
async fn a_rule_that_beamshare_did_not_make_is_used_and_never_deleted() {
    let beamline =
        Beamline::with(&[], |collection| collection.rule("wrong@example.org", "/2026-03/Li/", "r")).await;
    std::fs::create_dir_all(beamline.path("globus/2026-03/Li")).unwrap();
    let deliverer = beamline.deliverer().await;
    let (_, outcome, report) = deliver(&deliverer, &li("wrong@example.org", "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(beamline.rules().len(), 2);
    assert!(report.steps[&Step::Share].1.contains("had access already"), "{report:#?}");
    let (_, outcome, report) = deliver_approved(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(beamline.rules(), [rule(PI), rule(STAFF), rule("wrong@example.org")]);
}

#[tokio::test]
async fn rules_end_when_configured() {
    let changes = [("permissions = \"r\"", "permissions = \"rw\"\nretention = \"28d\"")];
    let beamline = Beamline::with(&changes, |collection| collection).await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    for rule in beamline.globus.rules(beamline.collection) {
        assert_eq!(rule["permissions"], "rw");
        let end: jiff::Timestamp = rule["expiration_date"].as_str().unwrap().parse().unwrap();
        let days = end.duration_since(jiff::Timestamp::now()).as_hours() / 24;
        assert!((27..=28).contains(&days), "{rule}");
    }
}

#[tokio::test]
async fn more_trees_are_made_and_shared_alike() {
    let changes =
        [("{{ pi_last_name }}\"]", "{{ pi_last_name }}\", \"{{ year_month }}/{{ pi_last_name }}/rec\"]")];
    let beamline = Beamline::with(&changes, |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert!(beamline.path("local/2026-03/Li/rec").is_dir());
    assert!(beamline.path("globus/2026-03/Li/rec").is_dir());
    assert_eq!(beamline.rules().len(), 4);
    assert_eq!((report.users_total, report.users_shared), (2, 2));
}

#[tokio::test]
async fn single_steps_do_what_they_are_asked_and_no_more() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let id = accept(&deliverer, &deliverer.plan(&li(PI, "1234")).await.unwrap()).await;
    let only = |step: Step| Options { only: Some([step].into()), ..Options::all(Cause::Command, "test") };

    let (outcome, report) = run(&deliverer, id, &only(Step::Email)).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(report.message.contains("beamshare share"), "{}", report.message);
    assert!(beamline.messages().is_empty());

    let (outcome, _) = run(&deliverer, id, &only(Step::Dirs)).await;
    assert!(matches!(outcome, Outcome::Done));
    assert!(beamline.path("local/2026-03/Li").is_dir());
    assert!(!beamline.path("globus/2026-03/Li").exists());

    let (outcome, report) = run(&deliverer, id, &only(Step::Share)).await;
    assert!(matches!(outcome, Outcome::Done), "{report:#?}");
    assert_eq!(beamline.rules(), [rule(PI), rule(STAFF)]);
    assert!(beamline.path("globus/2026-03/Li").is_dir(), "what is shared must be there");
    assert_eq!(report.steps[&Step::Dirs].0, StepStatus::Done, "as it was: {report:#?}");

    let (outcome, report) = run(&deliverer, id, &only(Step::Email)).await;
    assert_done(&outcome, &report);
    assert_eq!(beamline.messages().len(), 2);
    let states: Vec<_> =
        deliverer.journal().deliveries_of(id).await.unwrap().iter().map(|row| row.state).collect();
    use DeliveryState::{Done, Failed, Running};
    assert_eq!(states, [Done, Done, Done, Failed, Running], "the acceptance's is still to be gone on with");
}

#[tokio::test]
async fn a_test_goes_to_the_contacts_alone_and_leaves_no_trace() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let sent = deliverer.send_test(&li(PI, "1234")).await.unwrap();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].result.is_ok(), "{sent:?}");
    assert_eq!(beamline.messages().len(), 1);
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(beamline.messages().len(), 3);
}

#[tokio::test]
async fn without_globus_the_message_waits_for_the_directories() {
    let beamline = Beamline::new().await;
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = (text.find("[globus]").unwrap(), text.find("[email]").unwrap());
    std::fs::write(&file, format!("{}{}", &text[..before], &text[after..])).unwrap();
    let deliverer = beamline.deliverer().await;
    std::fs::write(beamline.path("local/2026-03"), "a file where the month's directory should be").unwrap();
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(report.steps[&Step::Dirs].0, StepStatus::Failed);
    assert_eq!(report.steps[&Step::Globus].0, StepStatus::Skipped);
    assert!(beamline.messages().is_empty());
    std::fs::remove_file(beamline.path("local/2026-03")).unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert!(matches!(outcome, Outcome::Done), "{report:#?}");
    assert_eq!(beamline.messages().len(), 2);
}

#[tokio::test]
async fn a_name_with_the_proposal_and_its_sibling_are_made_and_shared_everywhere() {
    let name = "{{ year_month }}-{{ pi_last_name }}-{{ proposal_number }}";
    let paths = format!("paths = [\"{name}\", \"{name}_rec\"]");
    let before = "paths = [\"{{ year_month }}/{{ pi_last_name }}\"]";
    let beamline = Beamline::with(&[(before, &paths)], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    for (email, proposal) in [(PI, "81234"), ("other@example.org", "81235")] {
        let (_, outcome, report) = deliver(&deliverer, &li(email, proposal)).await;
        assert_done(&outcome, &report);
        assert_eq!(report.path, format!("2026-03-Li-{proposal}"), "the link goes to the first");
        assert!(
            report.data_link.ends_with(&format!("origin_path=%2F2026-03-Li-{proposal}%2F")),
            "{}",
            report.data_link
        );
        for path in ["", "_rec"].map(|sibling| format!("2026-03-Li-{proposal}{sibling}")) {
            for top in ["local", "globus"] {
                assert!(beamline.path(top).join(&path).is_dir(), "{top}/{path}");
            }
            let mut readers: Vec<_> =
                beamline.rules().into_iter().filter(|rule| rule.0 == format!("/{path}/")).collect();
            readers.sort_by_key(|rule| rule.1 == STAFF);
            let readers: Vec<_> = readers.iter().map(|rule| rule.1.as_str()).collect();
            assert_eq!(readers, [email, STAFF]);
        }
    }
}

#[tokio::test]
async fn the_steps_begin_as_the_table_declares() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    let rows = deliverer.journal().steps_in(1).await.unwrap();
    let of = |step: Step| rows.iter().filter(move |row| row.step == step);
    for rule in STEPS {
        let Some(began) = of(rule.step).map(|row| row.started_at).min() else { continue };
        for before in rule.waits_for {
            let ended = of(*before).map(|row| row.changed_at).max().unwrap();
            assert!(ended <= began, "{} began at {began}, {before} ended at {ended}", rule.step);
        }
    }
    assert!(of(Step::Email).count() > 0 && of(Step::Share).count() > 0, "{rows:?}");
}
