//! What arrives, and what starts a task.

use super::site::{AT_ONCE, DESTINATION, SOURCE, Site, age, odd, run, the_pair, tree};
use beamshare::domain::{Experiment, Field, RelativePath, UserInfo};
use beamshare::journal::{Acceptance, Accepted, AcceptedBy, DeliveryState, ExperimentRow};
use beamshare::sync::manifest::{FileState, Unsendable};
use beamshare::sync::{PairProblem, RunResult, SyncError};
use std::os::unix::fs::symlink;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn everything_that_can_be_sent_arrives_whole_and_once() {
    let site = Site::new(AT_ONCE).await;
    let long = "x".repeat(255);
    for name in [
        "a.h5",
        "with space/and  two.h5",
        "new\nline/x\ny",
        ".hidden/.file",
        "Übung/データ.h5",
        &long,
        "a*b?[c].h5",
        "~/x",
        "-rf",
    ] {
        site.write(name, format!("content of {name}"));
    }
    site.write("empty", "");
    site.write("large", vec![7; 3_000_000]);
    std::fs::hard_link(site.source("a.h5"), site.source("hard")).unwrap();
    symlink("a.h5", site.source("link")).unwrap();
    symlink("with space", site.source("linked directory")).unwrap();
    symlink("/etc", site.source("out")).unwrap();
    symlink("nothing", site.source("dangling")).unwrap();
    std::fs::write(site.source(odd(b"not\xffutf8")), "x").unwrap();
    std::fs::create_dir(site.source(odd(b"dir\xfe"))).unwrap();
    std::fs::write(site.source(odd(b"dir\xfe/inside")), "x").unwrap();
    std::fs::create_dir(site.source("empty directory")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(site.source("socket")).unwrap();

    let ended = site.done().await;
    let mut expected = tree(&site.source(""));
    expected.retain(|path, _| path.to_str().is_some());
    assert_eq!(tree(&site.destination("")), expected);
    assert_eq!(ended.sent, expected.len() as u64);
    assert_eq!(ended.sent_bytes, expected.values().map(|content| content.len() as u64).sum::<u64>());
    assert!(!site.destination("out").exists() && !site.destination("link").exists());
    let counts = site.counts().await;
    assert_eq!(counts.files(FileState::Unsendable(Unsendable::Name)), 2);
    assert_eq!(counts.files(FileState::Unsendable(Unsendable::Link)), 4);
    assert_eq!(counts.files(FileState::Unsendable(Unsendable::Special)), 1);
    let remarks = ended.remarks.join("\n");
    assert!(
        remarks.contains("no UTF-8") && remarks.contains("\\xFF") && remarks.contains("4 symbolic links"),
        "{remarks}"
    );
    assert_eq!(site.globus.count("transfer"), 1);
    drop(socket);

    // Nothing new: no task. Neither for an empty directory, nor for another name of the pair.
    std::fs::create_dir(site.source("another empty directory")).unwrap();
    site.configure(&site.local_pair(AT_ONCE).replace("\"raw\"", "\"renamed\""));
    let again = site.done().await;
    assert_eq!((again.sent, site.globus.count("transfer"), site.globus.count("submission_id")), (0, 1, 1));
    assert_eq!(site.subjects().len(), 1, "one mail, about what was new");
    assert!(site.subjects()[0].contains("12 files"), "{:?}", site.subjects());
}

#[tokio::test]
async fn only_what_changed_goes_again() {
    let site = Site::new(AT_ONCE).await;
    for n in 0..20 {
        site.write(format!("d/{n}"), format!("{n}"));
        age(&site.source(format!("d/{n}")), Duration::from_secs(60));
    }
    assert_eq!(site.done().await.sent, 20);
    site.write("d/7", "changed");
    site.write("d/new", "new");
    std::fs::remove_file(site.source("d/3")).unwrap();
    // Same size, another time: only the checksum tells that nothing has changed.
    age(&site.source("d/9"), Duration::from_secs(5));
    let ended = site.done().await;
    assert_eq!((ended.sent, ended.present), (2, 1), "{ended:?}");
    assert_eq!(std::fs::read(site.destination("d/7")).unwrap(), b"changed");
    assert_eq!(
        std::fs::read(site.destination("d/3")).unwrap(),
        b"3",
        "nothing is removed at the destination"
    );
    let task = site.globus.tasks().pop().unwrap();
    assert_eq!(task["files"], 3, "{task:#}");
}

#[tokio::test]
async fn what_changes_while_it_is_sent_goes_again() {
    let site = Site::new(AT_ONCE).await;
    site.write("grows", vec![1; 60_000]);
    site.write("same size", vec![1; 60_000]);
    age(&site.source("same size"), Duration::from_secs(60));
    site.globus.change_limits(|limits| limits.bytes_per_second = Some(60_000));
    let (grows, same) = (site.source("grows"), site.source("same size"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let change = async {
        // In the middle: bytes have moved, and the task has not ended.
        let moved = |tasks: &[serde_json::Value]| {
            tasks.first().is_some_and(|task| task["bytes_transferred"].as_u64() > Some(3_000))
        };
        for _ in 0..2000 {
            if moved(&site.globus.tasks()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(site.globus.tasks()[0]["status"], "ACTIVE");
        std::fs::write(&grows, vec![2; 70_000]).unwrap();
        std::fs::write(&same, vec![2; 60_000]).unwrap();
        site.globus.change_limits(|limits| limits.bytes_per_second = None);
    };
    let (ended, ()) = tokio::join!(run(&engine, &pair), change);
    assert_eq!(ended.result, RunResult::Done, "{ended:?}");
    site.done().await;
    assert_eq!(tree(&site.destination("")), tree(&site.source("")));
    assert_eq!(site.files(FileState::New).await, 0);
}

#[tokio::test]
async fn a_file_that_is_still_written_waits() {
    let site = Site::new("quiet = \"1h\"\n").await;
    site.write("old", "old");
    age(&site.source("old"), Duration::from_secs(7200));
    site.write("fresh", "fresh");
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let (sender, _report) = tokio::sync::watch::channel(Default::default());
    let mut options = super::site::options();
    options.wait_for_quiet = false;
    let ended = engine.run(&pair, &options, beamshare::sync::controls().1, sender).await.unwrap();
    assert_eq!((&ended.result, ended.sent), (&RunResult::Done, 1));
    let wait = ended.waiting_until.expect("told when").duration_since(jiff::Timestamp::now());
    assert!(
        wait > jiff::SignedDuration::from_mins(50) && wait <= jiff::SignedDuration::from_mins(60),
        "{wait}"
    );
    assert!(!site.destination("fresh").exists());

    // With a short quiet, a run waits for it.
    site.configure(&site.local_pair("quiet = \"500ms\"\n"));
    site.write("fresh", "fresh again");
    assert_eq!(site.done().await.sent, 1);
    assert_eq!(std::fs::read(site.destination("fresh")).unwrap(), b"fresh again");
}

#[tokio::test]
async fn filters_decide_by_names() {
    let filters = "filters = [{ exclude = \"tmp*.h5\" }, { include = \"*.h5\" }, { exclude = \"*\" }]";
    let site = Site::new(&format!("{AT_ONCE}{filters}\n")).await;
    for name in ["a.h5", "d/b.h5", "d/tmp1.h5", "notes.txt"] {
        site.write(name, name);
    }
    assert_eq!(site.done().await.sent, 2);
    assert!(site.destination("d/b.h5").exists() && !site.destination("d/tmp1.h5").exists());
}

#[tokio::test]
async fn many_files_go_in_several_tasks_one_after_the_other() {
    let site = Site::new(AT_ONCE).await;
    for n in 0..25 {
        site.write(format!("{n}"), "x");
    }
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let mut options = super::site::options();
    options.files_a_task = 10;
    let (sender, report) = tokio::sync::watch::channel(Default::default());
    let ended = engine.run(&pair, &options, beamshare::sync::controls().1, sender).await.unwrap();
    assert_eq!((ended.result, ended.sent, site.globus.count("transfer")), (RunResult::Done, 25, 3));
    let report = report.borrow().clone();
    assert_eq!((report.files, report.files_total, report.bytes), (25, 25, 25), "{report:?}");
}

#[tokio::test]
async fn a_remote_source_is_listed() {
    let site = Site::remote(AT_ONCE).await;
    for name in ["a", "b/c/d", "new\nline", ".hidden"] {
        site.write(name, name);
        age(&site.source(name), Duration::from_secs(10));
    }
    symlink("a", site.source("link")).unwrap();
    let ended = site.done().await;
    assert_eq!(ended.sent, 4, "{ended:?}");
    let mut expected = tree(&site.source(""));
    expected.remove(odd(b"link"));
    assert_eq!(tree(&site.destination("")), expected);
    assert_eq!((site.done().await.sent, site.globus.count("transfer")), (0, 1));
    std::fs::remove_dir_all(site.source("")).unwrap();
    assert!(
        matches!(site.run().await.result, RunResult::Failed(failure) if failure.message.contains("is not there"))
    );
}

#[tokio::test]
async fn what_the_destination_lost_is_sent_again_by_a_repair() {
    for level in ["checksum", "exists"] {
        let site = Site::new(&format!("level = \"{level}\"\n{AT_ONCE}")).await;
        for name in ["kept", "d/removed", "cut", "rewritten"] {
            site.write(name, format!("content of {name}"));
            age(&site.source(name), Duration::from_secs(60));
        }
        assert_eq!(site.done().await.sent, 4);
        std::fs::remove_dir_all(site.destination("d")).unwrap();
        std::fs::write(site.destination("cut"), "content").unwrap();
        std::fs::write(site.destination("rewritten"), "CONTENT OF rewritten").unwrap();
        assert_eq!(site.done().await.sent, 0, "a run looks at the source only");
        let engine = site.engine().await;
        let pair = the_pair(&engine).await;
        let (sender, _report) = tokio::sync::watch::channel(Default::default());
        let mut options = super::site::options();
        options.repair = true;
        let ended = engine.run(&pair, &options, beamshare::sync::controls().1, sender).await.unwrap();
        assert_eq!((&ended.result, ended.sent), (&RunResult::Done, 3), "{level}: {ended:?}");
        assert!(
            ended.remarks.join(" ").contains("3 files were missing or changed at the destination"),
            "{ended:?}"
        );
        assert_eq!(tree(&site.destination("")), tree(&site.source("")), "{level}");
        assert!(the_pair(&engine).await.row.compared_at.is_some());
        // By the clock, at the next run after the time is over.
        site.configure(&site.local_pair(&format!("compare = \"1ms\"\n{AT_ONCE}")));
        std::fs::remove_file(site.destination("kept")).unwrap();
        assert_eq!(site.done().await.sent, 1);
    }
}

pub async fn accept(
    engine: &beamshare::sync::Engine,
    name: &str,
    proposal: &str,
    path: &str,
) -> ExperimentRow {
    let fields = [
        (Field::YearMonth, "2026-03"),
        (Field::PiLastName, name),
        (Field::PiEmail, "pi@example.org"),
        (Field::ProposalNumber, proposal),
    ];
    let user_info = UserInfo(fields.map(|(field, text)| (field, text.to_owned())).into());
    let experiment = Experiment::parse(&user_info).unwrap();
    let path = RelativePath::try_from(path.to_owned()).unwrap();
    let acceptance = Acceptance {
        experiment: &experiment,
        readings: None,
        by: AcceptedBy::Run,
        path: &path,
        claims: &[],
        approved: &[],
        same_readers: &[],
        replaces: None,
    };
    let Accepted::Accepted { id, .. } = engine.journal().accept(&acceptance).await.unwrap() else { panic!() };
    engine.journal().experiment(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn each_group_has_its_own_directory_and_none_gets_anothers() {
    let site = Site::new(AT_ONCE).await;
    let path = "{{ year_month }}/{{ pi_last_name }}";
    let pair = site.local_pair(AT_ONCE).replace("/data\"", &format!("/{path}\""));
    let pair = pair.replace("/2bm/raw", &format!("/2bm/{path}")).replace(
        &format!("local = \"{}\"", site.source("").display()),
        &format!("local = \"{}/{path}\"", site.path("source").display()),
    );
    site.configure(&pair);
    let engine = site.engine().await;
    assert!(engine.pairs(None).await.unwrap().is_empty(), "without an experiment there is none");
    let li = accept(&engine, "Li", "1", "2026-03/Li-1").await;
    // While files that beamshare did not make hold the delivery, nothing is moved.
    let delivery = engine.journal().last_whole_delivery(li.id).await.unwrap().unwrap();
    engine.journal().end_delivery(delivery.number, DeliveryState::Held, "somebody's files").await.unwrap();
    let held = engine.pairs(Some(&li)).await.unwrap().remove(0).unwrap_err();
    assert!(matches!(&held, SyncError::Pair { problem: PairProblem::Held { .. }, .. }), "{held}");
    engine.journal().end_delivery(delivery.number, DeliveryState::Done, "").await.unwrap();
    let mut pairs = engine.pairs(Some(&li)).await.unwrap();
    let pair = pairs.remove(0).unwrap();
    assert_eq!(pair.row.pair.destination.path, "/2bm/2026-03/Li");
    std::fs::create_dir_all(site.path("source/2026-03/Li")).unwrap();
    std::fs::write(site.path("source/2026-03/Li/scan"), "of Li").unwrap();
    assert_eq!(run(&engine, &pair).await.result, RunResult::Done);
    assert_eq!(std::fs::read(site.path("destination/2bm/2026-03/Li/scan")).unwrap(), b"of Li");

    // The same group, accepted again after an edit of [directories] paths alone: the pair goes on with what was sent.
    let mut edited = (**engine.config()).clone();
    edited.directories.paths =
        vec!["{{ year_month }}/{{ pi_last_name }}-again".to_owned().try_into().unwrap()];
    let edited = beamshare::sync::Engine::open(edited.into(), engine.journal().clone()).await.unwrap();
    let again = accept(&edited, "Li", "1", "2026-03/Li-again").await;
    assert_ne!(again.id, li.id);
    let refused = edited.pairs(Some(&li)).await.unwrap().remove(0).unwrap_err();
    assert!(matches!(refused, SyncError::Pair { problem: PairProblem::OtherPath { .. }, .. }), "{refused}");
    let pair = edited.pairs(Some(&again)).await.unwrap().remove(0).unwrap();
    assert_eq!((pair.row.pair.experiment, run(&edited, &pair).await.sent), (Some(again.id), 0));
    engine.pairs(Some(&li)).await.unwrap().remove(0).unwrap();

    // Another Li in the same month.
    let other = accept(&engine, "Li", "2", "2026-03/Li-2").await;
    let taken = engine.pairs(Some(&other)).await.unwrap().remove(0).unwrap_err();
    assert!(
        matches!(&taken, SyncError::Pair { problem: PairProblem::Taken { other, .. }, .. } if other.contains("Li")),
        "{taken}"
    );
    assert!(taken.to_string().contains("proposal_number"), "{taken}");
    // Nor by a pair that begins where another group's data goes.
    let onward = site
        .local_pair(AT_ONCE)
        .replace(&format!(", local = \"{}\"", site.source("").display()), ", trusted = true")
        .replace("\"raw\"", "\"onward\"")
        .replace("/2bm/raw", &format!("/tape/{path}"))
        .replace("/data\"", &format!("/2bm/{path}\""))
        .replace(
            &format!("source = {{ collection = \"{SOURCE}\""),
            &format!("source = {{ collection = \"{DESTINATION}\""),
        );
    site.configure(&onward);
    let taken = site.engine().await.pairs(Some(&other)).await.unwrap().remove(0).unwrap_err();
    assert!(
        matches!(&taken, SyncError::Pair { pair, problem: PairProblem::Taken { .. } } if pair == "onward"),
        "{taken}"
    );

    // The next group: what Li has left is still sent, and then the pair is closed.
    let curie = accept(&engine, "Curie", "3", "2026-03/Curie-3").await;
    std::fs::write(site.path("source/2026-03/Li/late"), "late").unwrap();
    engine.pairs(Some(&curie)).await.unwrap().remove(0).unwrap();
    let earlier = engine.earlier(Some(curie.id)).await.unwrap();
    assert_eq!(earlier.len(), 1);
    assert_eq!(run(&engine, &earlier[0]).await.sent, 1);
    let earlier = engine.earlier(Some(curie.id)).await.unwrap();
    assert!(engine.close_if_finished(&earlier[0]).await.unwrap());
    assert!(engine.earlier(Some(curie.id)).await.unwrap().is_empty());
    assert_ne!(li.id, Uuid::nil());
}
