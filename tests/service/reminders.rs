//! The service reminds of access that ends, also where it was down when that came due.

use crate::site::{LIMIT, Site, garcia};
use beamshare::domain::Field;
use beamshare::status::Record;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_reminder_that_came_due_while_it_was_down_goes_out_once() {
    let changes = [
        ("permissions = \"r\"", "permissions = \"r\"\nretention = \"3600s 500ms\""),
        (
            "text_template = \"message.txt\"\n",
            "text_template = \"message.txt\"\nreminder = \"1h\"\nreminder_text_template = \"message.txt\"\n\
             reminder_subject = \"Your access ends\"\n",
        ),
    ];
    let mut site = Site::with(&Field::ALL, &changes).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    let reminders = |site: &Site| {
        let files = std::fs::read_dir(site.beamline.path("outbox")).unwrap().map(|file| file.unwrap().path());
        let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        texts
            .filter(|text| text.contains("Subject: Your access ends") && text.contains("To: ana@upf.example"))
            .count()
    };
    assert_eq!(reminders(&site), 0, "not before it is due");
    site.kill();

    site.start();
    let since = Instant::now();
    while reminders(&site) == 0 {
        assert!(since.elapsed() < LIMIT, "{}", site.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // And not again.
    assert_eq!(site.terminate(), Some(0));
    site.start();
    site.delivered("ana@upf.example").await;
    site.press(Record::Run, 1).await;
    site.record(Record::RunCount, |count| count == "2").await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.terminate(), Some(0));
    assert_eq!((reminders(&site), site.mailed().len()), (1, 2));
}
