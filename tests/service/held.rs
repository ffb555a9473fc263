//! What waits for an operator, and what releases it.

use crate::site::{Site, garcia, group, li, other_li};
use crate::trouble::restored;
use beamshare::domain::Field;
use beamshare::status::Record;
use soft_ioc::repository;

#[tokio::test]
async fn a_tool_that_dies_after_any_put_shares_nothing_wrong() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    for puts in 1..=9 {
        // The tool dies; beamshare settles, decides, and is restarted for good measure.
        site.tag_some(&li(), puts).await;
        if puts < 2 {
            site.delivered("ana@upf.example").await; // a first name alone is nobody else
        } else {
            site.held("Li").await;
        }
        assert_eq!(site.mailed_to(), ["ana@upf.example"], "after {puts} puts");
        assert_eq!(site.readers().len(), 1, "after {puts} puts: {:?}", site.readers());
        site.kill();
        site.start();
    }
    // The service may not have been there for the first puts.
    site.tag_as_advised(&li()).await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}

#[tokio::test]
async fn two_of_one_name_in_one_month_wait_for_approve() {
    let site = Site::started().await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    site.tag(&other_li()).await;
    let message = site.held("proposal_number").await;
    for part in ["nali@eth.example", "boli@mit.example"] {
        assert!(message.contains(part), "{message}");
    }
    // Run does not let one group into the other's directory.
    site.press(Record::Run, 1).await;
    site.record(Record::Run, |text| text == site_idle(text)).await;
    site.held("proposal_number").await;
    assert_eq!(site.readers().len(), 1);
    assert_eq!(site.mailed_to(), ["boli@mit.example"]);
    site.press(Record::Approve, 1).await;
    site.delivered("nali@eth.example").await;
    assert_eq!(site.readers().len(), 2);
}

fn site_idle(text: &str) -> &str {
    if text == "1" || text == "Running" { "" } else { text }
}

#[tokio::test]
async fn without_a_proposal_number_another_of_the_name_waits() {
    let mut site = Site::with(&Field::REQUIRED, &[]).await;
    site.start();
    site.idle().await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    site.tag(&other_li()).await;
    site.held("belongs to 2026-03/Li (boli@mit.example)").await;
    assert_eq!(site.mailed_to(), ["boli@mit.example"]);
}

#[tokio::test]
async fn a_directory_with_foreign_files_waits_and_an_empty_one_does_not() {
    let site = Site::started().await;
    std::fs::create_dir_all(site.beamline.path("globus/2026-03/Garcia")).unwrap();
    std::fs::create_dir_all(site.beamline.path("local/2026-03/Li")).unwrap();
    std::fs::write(site.beamline.path("local/2026-03/Li/scan_001.h5"), "someone's").unwrap();
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.tag(&li()).await;
    let message = site.held("scan_001.h5").await;
    assert!(message.contains("analysis"), "{message}");
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    assert!(!site.beamline.path("globus/2026-03/Li").exists(), "nothing was made");
    site.press(Record::Approve, 1).await;
    site.delivered("boli@mit.example").await;
}

#[tokio::test]
async fn the_first_start_waits_for_run() {
    let mut site = Site::new().await;
    site.tag(&garcia()).await;
    site.start();
    site.held("First start").await;
    site.terminate();
    site.start();
    site.held("First start").await;
    assert!(site.mailed_to().is_empty());
    site.press(Record::Run, 1).await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
}

#[tokio::test]
async fn another_address_by_hand_waits_for_approve() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.put(Field::PiEmail, "nali@eth.example").await;
    let message = site.held("replaces ana@upf.example, who loses access").await;
    assert!(message.starts_with("Approve?"), "{message}");
    site.record(Record::PendingMsg, |text| text.contains("the PI e-mail was put twice")).await;
    // The list says who loses the directory, to whom, and which reason has which remedy.
    site.record(Record::HoldCount, |text| text == "3").await;
    site.record(Record::HoldLoses, |text| text == "ana@upf.example").await;
    site.record(Record::HoldEmail, |text| text == "nali@eth.example").await;
    site.record(Record::HoldOldEmail, |text| text == "ana@upf.example").await;
    site.record(Record::HoldOldIs, |text| text == "accepted before").await;
    site.record(Record::HoldMails, |text| text.contains("Notice of the new PI: ana@upf.example")).await;
    site.record(Record::HoldRemedy2, |text| text.starts_with("Tag the group again")).await;
    // What is large is the held group; the steps are of the one before.
    site.record(Record::Group, |text| text == "2026-03 Garcia").await;
    site.record(Record::GroupServed, |text| text == "No").await;
    assert_eq!(site.readers().len(), 1);
    // Run does not move data from one address to another.
    site.press(Record::Run, 1).await;
    site.record(Record::Run, |text| text == site_idle(text)).await;
    site.held("replaces ana@upf.example, who loses access").await;
    assert_eq!(site.readers(), [("/2026-03/Garcia/".to_owned(), "ana@upf.example".to_owned())]);
    site.press(Record::Approve, 1).await;
    site.delivered("nali@eth.example").await;
    assert_eq!(site.readers(), [("/2026-03/Garcia/".to_owned(), "nali@eth.example".to_owned())]);
    site.record(Record::GroupServed, |text| text == "Yes").await;
    site.record(Record::HistoryGroup1, |text| text.starts_with("2026-03 Garcia, proposal ")).await;
    site.record(Record::HistoryResult1, |text| text == "Done").await;
    site.record(Record::HoldAsk, |text| text.is_empty()).await;
    site.record(Record::HoldJson, |text| text.is_empty()).await;
}

#[tokio::test]
async fn hostile_values_go_nowhere() {
    let site = Site::started().await;
    let hostile = [
        (Field::PiLastName, "../../etc"),
        (Field::PiLastName, "$(reboot)"),
        (Field::PiLastName, "Li\nBcc: all@example.org"),
        (Field::PiLastName, "...."),
        (Field::PiLastName, "`id`; rm -rf /"),
        (Field::PiEmail, "li@example.org\nBcc: all@example.org"),
        (Field::PiEmail, "not an address"),
        (Field::PiEmail, "a-very-long-address-of-just-39-ch@x.org"),
        (Field::YearMonth, "../.."),
        (Field::YearMonth, "2026-13"),
        (Field::ProposalNumber, "../../../tmp/x"),
    ];
    for (number, (field, value)) in hostile.into_iter().enumerate() {
        let updated: &'static str = Box::leak(format!("03-01 10:{number:02}").into_boxed_str());
        let mut set =
            group(["Ana", "Garcia", "UPF", "ana@upf.example", "11", updated, "71001", "T", "2026-03", "21"]);
        for (its, text) in &mut set {
            if *its == field {
                *text = value;
            }
        }
        site.tag(&set).await;
        site.record(Record::StatusMsg, |text| text.contains(&field.to_string())).await;
        site.status("Waiting").await;
        assert!(site.mailed_to().is_empty(), "{value:?}");
        assert!(site.readers().is_empty(), "{value:?}");
        for top in ["local", "globus"] {
            let made = std::fs::read_dir(site.beamline.path(top)).unwrap().count();
            assert_eq!(made, 0, "{value:?} made something in {top}");
        }
    }
    // A name in another script is a name.
    let mut set = garcia();
    set[1].1 = "Müller-Łukasiewicz";
    site.tag(&set).await;
    site.delivered("ana@upf.example").await;
    assert!(site.beamline.path("local/2026-03/Muller-Lukasiewicz").is_dir());
}

#[tokio::test]
async fn a_boot_of_the_ioc_makes_no_half_set_whole() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    // Everything but the year-month and the ESAF; then the IOC boots, restores its records and processes
    // them.
    site.tag_some(&li(), 8).await;
    site.held("Not one whole tagging").await;
    site.kill_ioc();
    let names = ["UserName", "UserLastName", "UserEmail", "UserBadge", "UserInfoUpdate", "ProposalNumber"];
    let texts = [0, 1, 3, 4, 5, 6].map(|place| li()[place].1);
    let mut fields: Vec<(&str, &str)> = names.into_iter().zip(texts).collect();
    fields.push(("ExperimentYearMonth", garcia()[8].1));
    let users = site.ca.file("restored.db", &restored(&fields));
    site.ioc = Some(site.ca.ioc(&[(&repository("db/beamshare.db"), "P=site:"), (&users, "P=site:")]));
    site.held("the connection to the IOC was restored at").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    // The steps are of the group before, and the screens show nothing green for it.
    site.record(Record::Group, |text| text == "2026-03 Li").await;
    site.record(Record::GroupServed, |text| text == "No").await;
    site.record(Record::View, |text| text == "Approval").await;
}
