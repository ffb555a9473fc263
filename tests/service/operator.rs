//! The operator's switches and buttons, and edits of the configuration.

use crate::site::{LIMIT, Site, garcia, li};
use beamshare::status::Record;
use globus_simulator::Fault;

#[tokio::test]
async fn run_repairs_and_mails_nobody_twice_and_resend_does() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    std::fs::remove_dir(site.beamline.path("local/2026-03/Garcia")).unwrap();
    site.press(Record::Run, 1).await;
    site.record(Record::RunCount, |text| text == "2").await;
    site.delivered("ana@upf.example").await;
    assert!(site.beamline.path("local/2026-03/Garcia").is_dir());
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);

    site.press(Record::Resend, 1).await;
    site.record(Record::RunCount, |text| text == "3").await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "ana@upf.example"]);
    let mailed = site.mailed();
    assert_ne!(mailed[0].1, mailed[1].1, "a message of its own");
}

#[tokio::test]
async fn with_auto_off_a_group_waits_for_run() {
    let site = Site::started().await;
    site.press(Record::Auto, 0).await;
    site.tag(&garcia()).await;
    site.held("Auto is Off").await;
    assert!(site.mailed_to().is_empty());
    site.press(Record::Run, 1).await;
    site.delivered("ana@upf.example").await;
    site.tag(&li()).await;
    site.held("Auto is Off").await;
    site.press(Record::Auto, 1).await;
    site.delivered("boli@mit.example").await;
}

#[tokio::test]
async fn with_auto_off_the_screen_shows_a_group_that_commands_have_served() {
    let site = Site::started().await;
    site.press(Record::Auto, 0).await;
    site.tag(&garcia()).await;
    site.held("Auto is Off").await;
    for step in ["dirs", "share"] {
        let (code, output) = site.verb(&[step]).await;
        assert_eq!(code, Some(0), "{output}");
    }
    site.held("Auto is Off").await;
    let (code, output) = site.verb(&["email"]).await;
    assert_eq!(code, Some(0), "{output}");
    site.delivered("ana@upf.example").await;
    site.record(Record::PendingMsg, str::is_empty).await;
    for step in [Record::DirsSts, Record::GlobusSts, Record::ShareSts, Record::EmailSts] {
        site.record(step, |text| text == "Done").await;
    }
    // The service delivers the group as any other when it may.
    site.press(Record::Auto, 1).await;
    site.record(Record::RunCount, |text| text == "4").await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
}

#[tokio::test]
async fn pause_holds_and_abort_ends() {
    let site = Site::started().await;
    site.press(Record::Pause, 1).await;
    site.tag(&garcia()).await;
    site.held("Paused").await;
    site.press(Record::Pause, 0).await;
    site.delivered("ana@upf.example").await;

    site.beamline.globus.fault(Fault::answer("access_create", 503).always());
    site.tag(&li()).await;
    site.record(Record::ShareMsg, |text| text.contains("next try")).await;
    site.record(Record::Run, |text| text != "Idle" && text != "0").await;
    site.press(Record::Abort, 1).await;
    site.record(Record::StatusMsg, |text| text.contains("aborted")).await;
    site.status("Failed").await;
    site.beamline.globus.clear_faults();
    site.press(Record::Run, 1).await;
    site.delivered("boli@mit.example").await;
}

#[tokio::test]
async fn an_edit_of_the_configuration_is_taken_over_and_a_broken_one_is_not() {
    let site = Site::started().await;
    let file = site.beamline.path("beamshare.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("[rules]", "[rulez]")).unwrap();
    site.record(Record::StatusMsg, |text| text.contains("rulez")).await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;

    // A delivery that waits is gone on with under the new settings.
    site.beamline.globus.fault(Fault::answer("access_create", 503).always());
    site.tag(&li()).await;
    site.record(Record::ShareMsg, |text| text.contains("next try")).await;
    site.beamline.globus.clear_faults();
    std::fs::create_dir(site.beamline.path("other")).unwrap();
    std::fs::write(&file, good.replace("top = \"local\"", "top = \"other\"")).unwrap();
    site.delivered("boli@mit.example").await;
    let moved = tokio::time::timeout(LIMIT, async {
        while !site.log().contains("the edited configuration is in force") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    moved.await.unwrap_or_else(|_| panic!("{}", site.log()));
    site.press(Record::Run, 1).await;
    site.record(Record::DirsMsg, |text| text.contains("made") || text.contains("there")).await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}
