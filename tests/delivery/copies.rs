//! The copy of the data that a pair makes: a second home, as strictly one group's own as the first, with a
//! message of its own.

use crate::beamline::{
    ARCHIVE, Beamline, CONTACT, DETECTOR, PI, STAFF, accept, assert_done, deliver, experiment, li, run,
    shared_pair,
};
use beamshare::config::Config;
use beamshare::delivery::{Deliverer, Obstacle, Options, Outcome};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::{Cause, ClaimState, MessageKind, MessageState};
use beamshare::sync::manifest::{End, Found, Limit, Manifest, NewPair, NewTask, Place, Rest, TaskState};
use beamshare::sync::walk::{Kind, Listing, Stat};
use beamshare::sync::{Engine, PairProblem, SyncError};
use globus_simulator::Fault;
use jiff::Timestamp;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

const OTHER: &str = "other@example.org";

async fn beamline() -> Beamline {
    Beamline::with(&[("[journal]", &shared_pair())], |collection| collection).await
}

/// The pair's first transfer for this experiment has succeeded, or not.
async fn transfer(beamline: &Beamline, id: Uuid, name: &str, state: TaskState) {
    let manifest = Manifest::open(&Manifest::beside(&beamline.path("journal.sqlite"))).await.unwrap();
    let pair = NewPair {
        name: "raw".to_owned(),
        experiment: Some(id),
        source: Place { collection: DETECTOR, path: format!("/2026-03/{name}") },
        destination: Place { collection: ARCHIVE, path: format!("/2bm/2026-03/{name}/") },
        local: None,
    };
    let pair = manifest.open_pair(&pair).await.unwrap().id;
    let mut listing = Listing::new("");
    let stat = Stat { size: 1, mtime: 0, ctime: 0, inode: 0 };
    assert!(listing.push(OsStr::new("scan_001.h5"), Kind::File, stat));
    let mut comparison = manifest.comparison(pair, Found::Walk);
    comparison.listings(&[listing]).unwrap();
    comparison.finish(&[PathBuf::new()], &[]).unwrap();
    let limit = Limit { files: 10, bytes: 10 };
    let files = manifest.ready(pair, Timestamp::now(), limit).await.unwrap().files;
    let task = NewTask { submission_id: Uuid::new_v4(), request: serde_json::json!({}), verified: true };
    let (task, _) = manifest.begin_task(pair, task, files, vec![]).await.unwrap().unwrap();
    let rest = if state == TaskState::Succeeded { Rest::Present } else { Rest::New };
    manifest.end_task(task.number, End { state, rest, faults: 0, words: None }).await.unwrap();
}

/// Who can read what on the archive.
fn archive(beamline: &Beamline) -> Vec<(String, String)> {
    beamline.rules_on(ARCHIVE).into_iter().map(|(path, who, _)| (path, who)).collect()
}

fn rule(path: &str, who: &str) -> (String, String) {
    (path.to_owned(), who.to_owned())
}

/// Messages about the copy: recipients and Message-IDs.
async fn about_the_copy(deliverer: &Arc<Deliverer>, id: Uuid) -> Vec<(String, String)> {
    let mut rows = deliverer.journal().messages(id).await.unwrap();
    rows.retain(|row| matches!(row.kind, MessageKind::Copy(_)));
    assert!(rows.iter().all(|row| row.state == MessageState::Sent), "{rows:?}");
    let mut mailed: Vec<_> = rows.into_iter().map(|row| (row.recipient.username(), row.message_id)).collect();
    mailed.sort();
    mailed
}

#[tokio::test]
async fn the_copy_is_made_at_once_and_shared_and_mailed_when_it_is_there() {
    let beamline = beamline().await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(report.steps[&Step::Sync].0, StepStatus::Pending, "{report:#?}");
    assert!(
        report.message.contains("is there") && report.steps[&Step::Sync].1.contains("first files"),
        "{report:#?}"
    );
    assert!(beamline.path("archive/2bm/2026-03/Li").is_dir(), "made before the first transfer");
    assert!(archive(&beamline).is_empty() && about_the_copy(&deliverer, id).await.is_empty());
    assert_eq!(beamline.messages().len(), 2, "the PI and the contact, about the first directory");
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    assert_eq!(beamline.deliverer().await.report_of(&row).await.unwrap(), report, "after a restart");

    // A transfer that failed is no copy.
    transfer(&beamline, id, "Li", TaskState::Failed).await;
    let options = Options::all(Cause::Sync, "test");
    run(&deliverer, id, &options).await;
    assert!(archive(&beamline).is_empty() && beamline.messages().len() == 2);

    transfer(&beamline, id, "Li", TaskState::Succeeded).await;
    let (outcome, report) = run(&deliverer, id, &options).await;
    assert_done(&outcome, &report);
    assert_eq!(report.steps[&Step::Sync].0, StepStatus::Done, "{report:#?}");
    assert_eq!(archive(&beamline), [rule("/2bm/2026-03/Li/", PI), rule("/2bm/2026-03/Li/", STAFF)]);
    let mailed = about_the_copy(&deliverer, id).await;
    assert_eq!(
        mailed.iter().map(|(who, _)| who.as_str()).collect::<Vec<_>>(),
        [CONTACT, &*PI.to_lowercase()]
    );
    assert_eq!(beamline.messages().len(), 4);
    assert_eq!(report.emails_sent, 4);
    let link = "origin_path=%2F2bm%2F2026-03%2FLi%2F";
    let outbox = std::fs::read_dir(beamline.path("outbox")).unwrap().map(|file| file.unwrap().path());
    let texts =
        outbox.map(|file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "").replace("=3D", "="));
    assert_eq!(texts.filter(|text| text.contains(link)).count(), 2, "the copy's own link");

    // Again, and after a restart: exactly once.
    let (before, rules) = (beamline.messages(), archive(&beamline));
    for deliverer in [deliverer, beamline.deliverer().await] {
        let (outcome, report) = run(&deliverer, id, &options).await;
        assert_done(&outcome, &report);
        assert_eq!((beamline.messages(), archive(&beamline)), (before.clone(), rules.clone()));
        assert_eq!(deliverer.report_of(&row).await.unwrap().emails_sent, 4);
    }
    // A resending is of both.
    let resend = Options { resend: true, ..Options::all(Cause::Resend, "test") };
    run(&beamline.deliverer().await, id, &resend).await;
    assert_eq!(beamline.messages().len(), 8);
}

#[tokio::test]
async fn who_comes_later_gets_the_copy_too_and_who_goes_loses_it() {
    let schedule = (
        "[rules]",
        "[schedule]\nrecipients = \"schedule\"\n[schedule.from.file]\npath = \"schedule.csv\"\n[rules]",
    );
    let beamline = Beamline::with(&[schedule, ("[journal]", &shared_pair())], |collection| collection).await;
    let write = |people: &[&str]| {
        let rows = people.iter().map(|email| format!("2020-01-01,2099-01-01,1234,X,{email}\n"));
        let text = "start,end,proposal,last_name,email\n".to_owned() + &rows.collect::<String>();
        std::fs::write(beamline.path("schedule.csv"), text).unwrap();
    };
    write(&[PI]);
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    transfer(&beamline, id, "Li", TaskState::Succeeded).await;
    run(&deliverer, id, &Options::all(Cause::Sync, "test")).await;
    let first = about_the_copy(&deliverer, id).await;
    assert_eq!(first.len(), 2);

    write(&[PI, OTHER]);
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    let both = |who: &str| {
        [beamline.rules(), beamline.rules_on(ARCHIVE)].map(|rules| rules.iter().any(|rule| rule.1 == who))
    };
    assert_eq!(both(OTHER), [true, true]);
    let second = about_the_copy(&deliverer, id).await;
    assert!(first.iter().all(|one| second.contains(one)), "nobody is mailed again: {first:?} {second:?}");
    assert_eq!(second.len(), 3);

    write(&[PI]);
    run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_eq!(both(OTHER), [false, false]);
    assert_eq!(both(PI), [true, true]);
}

#[tokio::test]
async fn a_copy_would_enter_nobody_elses_directory() {
    let fill = |beamline: &Beamline| {
        std::fs::create_dir_all(beamline.path("archive/2bm/2026-03/Li")).unwrap();
        std::fs::write(beamline.path("archive/2bm/2026-03/Li/scan_001.h5"), "someone's").unwrap();
    };
    // Files that beamshare did not put there.
    let beamline = beamline().await;
    fill(&beamline);
    let deliverer = beamline.deliverer().await;
    let mut plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let told = Obstacle::sentences(plan.obstacles());
    assert!(told.contains("scan_001.h5") && plan.obstacles().len() == 1, "{told}");
    plan.approve();
    let id = accept(&deliverer, &plan).await;
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Approve, "test")).await;
    assert_done(&outcome, &report);

    // Somebody else who can read there; and the archive away while the plan is made.
    let transfer_client = deliverer.collection().unwrap().client().transfer();
    let identity = beamline.globus.identity(OTHER).unwrap();
    transfer_client.access_rules(ARCHIVE).create(identity, "/2bm/2026-03/Xu/").send().await.unwrap();
    let xu = experiment("2026-03", "Xu", PI, "77");
    let told = Obstacle::sentences(deliverer.plan(&xu).await.unwrap().obstacles());
    assert!(told.contains(OTHER) && told.contains("/2bm/2026-03/Xu/"), "{told}");
    beamline.globus.fault(Fault::answer("ls", 503).always());
    let plan = deliverer.plan(&xu).await.unwrap();
    assert!(
        plan.unreachable.iter().any(|away| away.place.contains(&ARCHIVE.to_string())),
        "{:?}",
        plan.unreachable
    );
    beamline.globus.clear_faults();
    let id = accept(&deliverer, &plan).await;
    let (outcome, _) = run(&deliverer, id, &Options::all(Cause::UserInfo, "test")).await;
    let Outcome::Held { obstacles } = outcome else { panic!("{outcome:?}") };
    assert!(Obstacle::sentences(&obstacles).contains(OTHER), "{obstacles:?}");
    transfer(&beamline, id, "Xu", TaskState::Succeeded).await;
    run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_eq!(archive(&beamline), [rule("/2bm/2026-03/Xu/", OTHER)], "nothing is shared there");
}

#[tokio::test]
async fn two_groups_never_have_one_copy() {
    // The first directories differ, the copies' would not.
    let pair = shared_pair().replace("/2bm/{{ year_month }}/", "/2bm/");
    let beamline = Beamline::with(&[("[journal]", &*pair)], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let claims = deliverer.journal().claims(id).await.unwrap();
    let copy = claims.iter().find(|claim| claim.place == format!("globus:{ARCHIVE}/2bm")).unwrap();
    assert_eq!((copy.path.as_str(), copy.state), ("Li", ClaimState::Made));
    let told = Obstacle::sentences(
        deliverer.plan(&experiment("2026-04", "Li", OTHER, "5678")).await.unwrap().obstacles(),
    );
    assert!(told.starts_with("Li belongs to 2026-03/Li (") && told.contains(PI), "{told}");
}

#[tokio::test]
async fn a_pair_enters_no_directory_that_the_journal_gives_to_another_and_none_that_is_not_made() {
    let shared = beamline().await;
    let deliverer = shared.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let id = accept(&deliverer, &plan).await;
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    let config = Arc::new(Config::load(&shared.path("beamshare.toml")).unwrap());
    let engine = Engine::open(config.clone(), deliverer.journal().clone()).await.unwrap();
    let pair = |row| engine.pair(&config.sync[0], Some(row));
    assert!(
        matches!(pair(&row).await, Err(SyncError::Pair { problem: PairProblem::NotMade { .. }, .. })),
        "accepted, not delivered"
    );
    run(&deliverer, id, &Options::all(Cause::UserInfo, "test")).await;
    assert_eq!(pair(&row).await.unwrap().row.pair.experiment, Some(id));

    // No pair of Li's leads there, only the first directory does: by its proposal, the other's data would go
    // to 2026-03/Li.
    let copy = shared_pair().replace("share = true", "").replace("/2bm/{{ year_month }}/", "/2bm/2026-03/");
    let copy = copy.replacen("/2bm/2026-03/{{ pi_last_name }}", "/2bm/2026-03/{{ proposal_number }}", 1);
    let plain = Beamline::with(&[("[journal]", &*copy)], |collection| collection).await;
    let settings = plain.path("beamshare.toml");
    let text = std::fs::read_to_string(&settings).unwrap().replace("path = \"/2bm/", "path = \"/");
    std::fs::write(&settings, text.replace(&ARCHIVE.to_string(), &plain.collection.to_string())).unwrap();
    let deliverer = plain.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    let (xu, ..) = deliver(&deliverer, &experiment("2026-03", "Xu", OTHER, "Li")).await;
    let row = deliverer.journal().experiment(xu).await.unwrap().unwrap();
    let config = Arc::new(Config::load(&plain.path("beamshare.toml")).unwrap());
    let engine = Engine::open(config.clone(), deliverer.journal().clone()).await.unwrap();
    let refused = engine.pair(&config.sync[0], Some(&row)).await.map(|pair| pair.row).unwrap_err();
    let told = refused.to_string();
    assert!(
        matches!(refused, SyncError::Pair { problem: PairProblem::Taken { .. }, .. })
            && told.contains(PI)
            && told.contains("1234"),
        "{told}"
    );
    assert!(engine.manifest().pairs(true).await.unwrap().is_empty(), "nothing is looked for there");
}

#[tokio::test]
async fn the_remedy_names_the_key_of_the_directory_in_the_way() {
    let numbered = "{{ pi_last_name }}_{{ proposal_number }}";
    for (copy, made, remedy) in [
        (
            "{{ pi_last_name }}",
            "Li",
            "Put {{ proposal_number }} into [[sync]] destination.path of raw, or Approve",
        ),
        (numbered, "Li_1234", "Move these files away, or Approve"),
    ] {
        let pair = shared_pair().replace(
            "/2bm/{{ year_month }}/{{ pi_last_name }}",
            &format!("/2bm/{{{{ year_month }}}}/{copy}"),
        );
        let paths = ("{{ pi_last_name }}\"]", &*format!("{numbered}\"]"));
        let beamline = Beamline::with(&[paths, ("[journal]", &pair)], |collection| collection).await;
        let foreign = beamline.path("archive/2bm/2026-03").join(made);
        std::fs::create_dir_all(&foreign).unwrap();
        std::fs::write(foreign.join("scan_001.h5"), "someone's").unwrap();
        let plan = beamline.deliverer().await.plan(&li(PI, "1234")).await.unwrap();
        let told = Obstacle::sentences(plan.obstacles());
        assert!(told.contains(remedy) && !told.contains("[directories]"), "{told}");
    }
}
