//! Nothing changes hands by what the PVs say: who replaces a principal investigator, who is told, and what is
//! limited.

use crate::beamline::{
    ARCHIVE, Beamline, CONTACT, PI, STAFF, accept, assert_done, deliver, deliver_approved, experiment, li,
    run, shared_pair,
};
use crate::people::SCHEDULE;
use beamshare::delivery::{Deliverer, Obstacle, Options, Outcome};
use beamshare::domain::{EmailAddress, Experiment, Field, Step, StepStatus};
use beamshare::journal::{Accepted, AcceptedBy, Cause, Role, ServedRow};
use std::sync::Arc;

const OTHER: &str = "other@example.org";
const WRONG: &str = "wrong@example.org";

fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

/// What is held against the experiment, as the operator reads it; empty where nothing is.
async fn held(deliverer: &Deliverer, experiment: &Experiment) -> String {
    let plan = deliverer.plan(experiment).await.unwrap();
    match plan.obstacles() {
        [] => String::new(),
        // The group comes first, as on the screen and in the log.
        obstacles => format!("{experiment}: {}", Obstacle::sentences(obstacles)),
    }
}

/// Who can read this path, staff left out.
fn readers(beamline: &Beamline, path: &str) -> Vec<String> {
    let rules = beamline.rules().into_iter().chain(beamline.rules_on(ARCHIVE));
    rules.filter(|rule| rule.0 == path && rule.1 != STAFF).map(|rule| rule.1).collect()
}

fn with(experiment: Experiment, field: Field, text: &str) -> Experiment {
    let mut details = experiment.details.clone();
    details.insert(field, text.to_owned());
    Experiment { details, ..experiment }
}

/// The texts of a recipient's messages with this subject.
fn texts(beamline: &Beamline, recipient: &str, subject: &str) -> Vec<String> {
    let files = std::fs::read_dir(beamline.path("outbox")).unwrap().map(|file| file.unwrap().path());
    let theirs = files.filter(|file| file.to_string_lossy().ends_with(&format!("_{recipient}.eml")));
    let texts = theirs.map(|file| std::fs::read_to_string(file).unwrap());
    texts.filter(|text| text.contains(subject)).collect()
}

#[tokio::test]
async fn another_address_for_a_served_experiment_waits_for_approve() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let told = held(&deliverer, &li(OTHER, "1234")).await;
    let expected = format!("{OTHER} replaces {PI}, who loses access to 2026-03/Li");
    assert!(told.contains(&expected), "{told}");
    let plan = deliverer.plan(&li(OTHER, "1234")).await.unwrap();
    assert!(deliverer.accept(&plan, AcceptedBy::Auto, None).await.is_err());
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    assert_eq!(row.experiment.pi_email, address(PI));

    // Who keeps access in another role loses none.
    deliverer.journal().add_person(id, &address(PI), "").await.unwrap();
    assert!(!held(&deliverer, &li(OTHER, "1234")).await.contains("loses access"));
}

#[tokio::test]
async fn everyone_concerned_is_told_of_another_pi_exactly_once() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    let (id, outcome, report) = deliver_approved(&deliverer, &li(OTHER, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [OTHER]);
    let subject = "another principal investigator of 2026-03/Li";
    for _ in 0..2 {
        run(&deliverer, id, &Options { resend: true, ..Options::all(Cause::Resend, "test") }).await;
        for recipient in [&*PI.to_lowercase(), OTHER, CONTACT] {
            let texts = texts(&beamline, recipient, subject);
            assert_eq!(texts.len(), 1, "{recipient}");
            assert!(
                texts[0].contains(&format!("{} no longer has access", PI.to_lowercase())),
                "{}",
                texts[0]
            );
        }
    }
    let changes = deliverer.journal().pi_changes(id).await.unwrap();
    assert_eq!((changes.len(), changes[0].is_mailed), (1, true));
    assert_eq!((&changes[0].former, &changes[0].present), (&address(PI), &address(OTHER)));
}

#[tokio::test]
async fn a_step_by_hand_tells_of_another_pi_too() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    let mut plan = deliverer.plan(&li(OTHER, "1234")).await.unwrap();
    plan.approve();
    let id = accept(&deliverer, &plan).await;
    let share = Options { only: Some([Step::Share].into()), ..Options::all(Cause::Command, "test") };
    let (outcome, report) = run(&deliverer, id, &share).await;
    assert!(matches!(outcome, Outcome::Done), "{report:#?}");
    assert_eq!(texts(&beamline, &PI.to_lowercase(), "another principal investigator").len(), 1);
}

#[tokio::test]
async fn a_plan_made_before_another_pi_was_accepted_replaces_nobody() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let late = deliverer.plan(&li(OTHER, "1234")).await.unwrap();
    assert!(late.obstacles().is_empty());
    deliver(&deliverer, &li(PI, "1234")).await;
    match deliverer.accept(&late, AcceptedBy::Auto, None).await.unwrap() {
        Accepted::Taken(conflicts) => assert_eq!(conflicts[0].named, li(PI, "1234")),
        accepted => panic!("{accepted:?}"),
    }
}

/// The same proposal number with a foreign address, and a path that is another one: above the group's own
/// directory, or with a second tree or a copy that has no name in it.
#[tokio::test]
async fn a_proposal_number_opens_no_directory_of_its_group() {
    let esaf = ("proposal_number = \"proposal\"", "proposal_number = \"proposal\"\nesaf = \"esaf\"");
    let nested = ("{{ pi_last_name }}\"]", "{{ pi_last_name }}{% if esaf %}/{{ esaf }}{% endif %}\"]");
    let second =
        ("{{ pi_last_name }}\"]", "{{ pi_last_name }}\", \"{{ year_month }}/all-{{ proposal_number }}\"]");
    let pair =
        shared_pair().replace("/2bm/{{ year_month }}/{{ pi_last_name }}", "/2bm/{{ proposal_number }}");
    let copy = ("[journal]", &*pair);
    let below = |experiment| with(experiment, Field::Esaf, "77");
    for (changes, first, theft) in [
        (&[esaf, nested][..], below(li(PI, "1234")), li(OTHER, "1234")),
        (&[second], li(PI, "1234"), experiment("2026-03", "Eve", OTHER, "1234")),
        (&[copy], li(PI, "1234"), experiment("2026-03", "Eve", OTHER, "1234")),
    ] {
        let beamline = Beamline::with(changes, |collection| collection).await;
        let deliverer = beamline.deliverer().await;
        deliver(&deliverer, &first).await;
        let told = held(&deliverer, &theft).await;
        assert!(told.contains(PI) && told.contains(OTHER), "{changes:?}: {told:?}");
    }
}

#[tokio::test]
async fn the_schedule_confirms_the_proposals_pi_alone() {
    let beamline =
        Beamline::with(&[(SCHEDULE.0, &SCHEDULE.1.replace("recipients = \"schedule\"", ""))], |c| c).await;
    let schedule = |rows: &[&str]| {
        let rows: String = rows.iter().map(|row| format!("2020-01-01,2099-01-01,1234,{row}\n")).collect();
        let text = format!("start,end,proposal,last_name,email,pi\n{rows}");
        std::fs::write(beamline.path("schedule.csv"), text).unwrap();
    };
    let deliverer = beamline.deliverer().await;
    let accepted = [format!("Li,{PI},yes"), format!("Li,{OTHER},")];
    schedule(&accepted.each_ref().map(String::as_str));
    deliver(&deliverer, &li(PI, "1234")).await;
    // Somebody else of the proposal.
    assert!(deliverer.schedule_hold(&li(OTHER, "1234"), None).await.is_none(), "on the proposal");
    assert!(held(&deliverer, &li(OTHER, "1234")).await.contains("replaces"));
    // The PI's address with another name.
    schedule(&[&format!("Bo,{OTHER},yes")]);
    assert!(held(&deliverer, &li(OTHER, "1234")).await.contains("replaces"));
    // A schedule that can't be read.
    std::fs::remove_file(beamline.path("schedule.csv")).unwrap();
    assert!(held(&deliverer, &li(OTHER, "1234")).await.contains("replaces"));
    // The corrected PI; both are told.
    schedule(&[&format!("Li,{OTHER},yes"), &format!("Li,{PI},")]);
    let (_, outcome, report) = deliver(&deliverer, &li(OTHER, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [OTHER]);
    assert_eq!(texts(&beamline, &PI.to_lowercase(), "another principal investigator").len(), 1);
}

#[tokio::test]
async fn removed_is_removed_whoever_is_tagged() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let users = Options::all(Cause::Users, "test");
    deliverer.journal().add_person(id, &address(OTHER), "").await.unwrap();
    run(&deliverer, id, &users).await;
    deliverer.journal().remove_person(id, &address(OTHER)).await.unwrap();
    run(&deliverer, id, &users).await;
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);

    // Tagged as the PI, and even approved.
    let told = held(&deliverer, &li(OTHER, "1234")).await;
    assert!(told.contains(&format!("{OTHER} was removed from 2026-03/Li by hand")), "{told}");
    let before = beamline.messages();
    let (_, outcome, report) = deliver_approved(&deliverer, &li(OTHER, "1234")).await;
    assert!(matches!(outcome, Outcome::Done), "{outcome:?} {report:#?}");
    assert!(readers(&beamline, "/2026-03/Li/").is_empty());
    assert_eq!(beamline.messages().len(), before.len() + 3, "of the change alone");

    // The PI's own address.
    deliver_approved(&deliverer, &li(PI, "1234")).await;
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);
    deliverer.journal().remove_person(id, &address(PI)).await.unwrap();
    for _ in 0..2 {
        run(&deliverer, id, &users).await;
        assert!(readers(&beamline, "/2026-03/Li/").is_empty(), "{:?}", beamline.rules());
    }
    assert!(beamline.rules().iter().any(|rule| rule.1 == STAFF));
    deliverer.journal().add_person(id, &address(PI), "").await.unwrap();
    run(&deliverer, id, &users).await;
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);
}

#[tokio::test]
async fn a_text_with_a_link_waits_and_never_becomes_one() {
    let html = (
        "text_template = \"message.txt\"",
        "text_template = \"message.txt\"\nhtml_template = \"message.html\"",
    );
    let folder_html = "<p>{{ pi_first_name }} {{ proposal_title }} {{ pi_institution }}</p><a href=\"{{ \
                       data_link }}\">x</a>";
    let beamline = Beamline::with(&[], |collection| collection).await;
    std::fs::write(beamline.path("message.html"), folder_html).unwrap();
    let settings = std::fs::read_to_string(beamline.path("beamshare.toml")).unwrap();
    std::fs::write(beamline.path("beamshare.toml"), settings.replace(html.0, html.1)).unwrap();
    let deliverer = beamline.deliverer().await;
    let hostile = "Your account is locked, verify at https://evil.example/login";
    for field in [Field::PiFirstName, Field::PiInstitution, Field::ProposalTitle] {
        for text in [hostile, "www.evil.example", "evil.example/login", "<a href=\"//evil.com\">x</a>"] {
            let told = held(&deliverer, &with(li(PI, "1234"), field, text)).await;
            assert!(told.contains(&format!("The {field} contains a link")), "{text}: {told:?}");
        }
    }
    assert!(
        held(&deliverer, &with(li(PI, "1234"), Field::ProposalTitle, "Pores in Al2O3/TiO2, 1.5 K"))
            .await
            .is_empty()
    );
    assert!(
        held(&deliverer, &experiment("2026-03", "evil.com", PI, "1234"))
            .await
            .contains("PI last name contains")
    );

    let (_, outcome, report) =
        deliver_approved(&deliverer, &with(li(PI, "1234"), Field::ProposalTitle, hostile)).await;
    assert_done(&outcome, &report);
    let text =
        texts(&beamline, &PI.to_lowercase(), "Subject").remove(0).replace("=\r\n", "").replace("=3D", "=");
    assert!(!text.contains("://evil") && !text.contains("evil.example"), "{text}");
    assert!(text.contains("https[:]&#x2f;&#x2f;evil[.]example&#x2f;login"), "{text}");
    // Approved once, it is known.
    assert!(held(&deliverer, &with(li(PI, "1234"), Field::ProposalTitle, hostile)).await.is_empty());
}

#[tokio::test]
async fn new_groups_are_limited_by_the_hour_also_after_a_restart() {
    let limit = ("new_groups_per_hour = 1000", "new_groups_per_hour = 2");
    let beamline = Beamline::with(&[limit], |collection| collection).await;
    for name in ["Kim", "Xu"] {
        let (_, outcome, report) =
            deliver(&beamline.deliverer().await, &experiment("2026-03", name, PI, name)).await;
        assert_done(&outcome, &report);
    }
    let deliverer: Arc<Deliverer> = beamline.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let told = Obstacle::sentences(plan.obstacles());
    assert!(
        told.contains(
            "The limit of 2 new groups per hour is reached (new_groups_per_hour). This one is served at "
        ),
        "{told}"
    );
    let ends = plan.free_at().unwrap().duration_since(jiff::Timestamp::now()).as_secs();
    assert!((3500..=3600).contains(&ends), "{ends}");
    // Those that were accepted before are no new ones, and Approve lets one in.
    assert!(held(&deliverer, &experiment("2026-03", "Kim", PI, "Kim")).await.is_empty());
    let (_, outcome, report) = deliver_approved(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn messages_are_limited_by_the_hour_and_the_others_wait() {
    let limit = ("messages_per_hour = 10000", "messages_per_hour = 3");
    let retry = ("retry_for = \"20s\"", "retry_for = \"1s\"");
    let beamline = Beamline::with(&[limit, retry], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &experiment("2026-03", "Kim", OTHER, "1")).await;
    assert_eq!(beamline.messages().len(), 2, "the PI's and the contact's copy");
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("the limit of 3 messages per hour is reached (messages_per_hour)"), "{message}");
    assert_eq!(report.steps[&Step::Email].0, StepStatus::Failed);
    assert_eq!(beamline.messages().len(), 3, "one more was allowed");
    let (outcome, _) = run(&beamline.deliverer().await, id, &Options::all(Cause::Run, "test")).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(beamline.messages().len(), 3, "also after a restart");
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI], "sharing waits for no message");
}

#[tokio::test]
async fn resends_are_limited_by_the_hour() {
    let beamline =
        Beamline::with(&[("resends_per_hour = 1000", "resends_per_hour = 2")], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    for _ in 0..2 {
        assert_eq!(deliverer.resend_refused().await.unwrap(), None);
        run(&deliverer, id, &Options { resend: true, ..Options::all(Cause::Resend, "test") }).await;
    }
    let refused = beamline.deliverer().await.resend_refused().await.unwrap().unwrap();
    let told = refused.to_string();
    assert!(
        told.contains("the limit of 2 per hour is reached (resends_per_hour); the next is possible at "),
        "{told}"
    );
}

#[tokio::test]
async fn each_delivery_keeps_the_addresses_that_it_served() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &with(li(PI, "1234"), Field::PiFirstName, "Wei")).await;
    deliver_approved(&deliverer, &li(OTHER, "1234")).await;
    let history = deliverer.journal().history(10).await.unwrap();
    let then: Vec<_> =
        history.iter().map(|(delivery, _)| delivery.experiment_then.clone().unwrap().pi_email).collect();
    assert_eq!(then, [address(OTHER), address(PI)]);
    let served = |delivery| {
        let journal = deliverer.journal().clone();
        async move { journal.served(delivery).await.unwrap() }
    };
    let row = |delivery, email, name, role, shared, mailed, taken_back| ServedRow {
        shared,
        mailed,
        taken_back,
        ..ServedRow::new(delivery, &address(email), name, role)
    };
    assert_eq!(
        served(1).await,
        [
            row(1, PI, "Wei Li", Role::Pi, true, true, false),
            row(1, CONTACT, "", Role::Contact, false, true, false),
            row(1, STAFF, "", Role::Further, true, false, false),
        ]
    );
    let second = served(2).await;
    assert!(second.contains(&row(2, OTHER, "Li", Role::Pi, true, true, false)), "{second:?}");
    assert!(second.contains(&row(2, PI, "", Role::Pi, false, false, true)), "{second:?}");
}

#[tokio::test]
async fn one_pi_with_two_proposals_may_use_one_directory_until_others_read_it() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (one, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    std::fs::write(beamline.path("globus/2026-03/Li/scan_001.h5"), "its own").unwrap();
    let (two, outcome, report) = deliver(&deliverer, &li(PI, "5678")).await;
    assert_done(&outcome, &report);
    assert_ne!(one, two);
    assert!(held(&deliverer, &li(PI, "1234")).await.is_empty());

    // Somebody else would read the other proposal's data.
    deliverer.journal().add_person(one, &address(OTHER), "").await.unwrap();
    for (id, other) in [(one, "5678"), (two, "1234")] {
        let (outcome, _) = run(&deliverer, id, &Options::all(Cause::Users, "test")).await;
        let Outcome::Held { obstacles } = outcome else { panic!("{outcome:?}") };
        let told = Obstacle::sentences(&obstacles);
        assert!(told.contains(other), "{told}");
    }
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);
    assert!(!held(&deliverer, &li(PI, "9")).await.is_empty(), "a third proposal of the PI, too");
    let (_, outcome, report) = deliver_approved(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI, OTHER]);
}

/// `share --schedule` by hand adds people in the middle of a delivery.
#[tokio::test]
async fn one_pi_with_two_proposals_waits_where_the_schedule_adds_others() {
    let by_schedule = SCHEDULE.1.replace("recipients = \"schedule\"\n", "");
    let beamline = Beamline::with(&[(SCHEDULE.0, &by_schedule)], |collection| collection).await;
    crate::people::schedule(&beamline, &[("Li", PI), ("Bo", OTHER)]);
    let deliverer = beamline.deliverer().await;
    let (one, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "5678")).await;
    assert_done(&outcome, &report);
    for step in [Step::Share, Step::Email] {
        let by_hand = Options {
            only: Some([step].into()),
            ask_schedule: true,
            ..Options::all(Cause::Command, "by hand")
        };
        let (outcome, _) = run(&deliverer, one, &by_hand).await;
        let Outcome::Held { obstacles } = outcome else { panic!("{outcome:?}") };
        let told = Obstacle::sentences(&obstacles);
        assert!(told.contains("5678"), "{told}");
    }
    assert_eq!(readers(&beamline, "/2026-03/Li/"), [PI]);
    assert!(texts(&beamline, OTHER, "").is_empty());
}

#[tokio::test]
async fn one_pi_with_two_proposals_waits_where_others_read_either() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (one, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    deliverer.journal().add_person(one, &address(WRONG), "").await.unwrap();
    run(&deliverer, one, &Options::all(Cause::Users, "test")).await;
    assert!(held(&deliverer, &li(PI, "5678")).await.contains("belongs to"));
    // Removed, but not taken back yet.
    deliverer.journal().remove_person(one, &address(WRONG)).await.unwrap();
    assert!(held(&deliverer, &li(PI, "5678")).await.contains("belongs to"));

    // By a rule that beamshare did not make.
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    let identity = beamline.globus.identity(WRONG).unwrap();
    let transfer = deliverer.collection().unwrap().client().transfer();
    transfer.access_rules(beamline.collection).create(identity, "/2026-03/Li/").send().await.unwrap();
    let told = held(&deliverer, &li(PI, "5678")).await;
    assert!(told.contains(&format!("{WRONG} can read /2026-03/Li/")), "{told}");

    let beamline = Beamline::with(&[SCHEDULE], |collection| collection).await;
    crate::people::schedule(&beamline, &[("Li", PI)]);
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    assert!(
        held(&deliverer, &li(PI, "5678")).await.contains("belongs to"),
        "each proposal has people of its own"
    );
}

/// What protected a group before it was in the journal protects it when the journal is lost.
#[tokio::test]
async fn without_its_journal_a_group_is_still_protected() {
    let beamline = Beamline::new().await;
    deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    for name in std::fs::read_dir(&beamline.folder).unwrap().map(|file| file.unwrap().path()) {
        if name.to_string_lossy().contains("journal.sqlite") {
            std::fs::remove_file(name).unwrap();
        }
    }
    let deliverer = beamline.deliverer().await;
    let told = held(&deliverer, &li(OTHER, "1234")).await;
    assert!(told.to_lowercase().contains(&format!("{} can read /2026-03/li/", PI.to_lowercase())), "{told}");
}
