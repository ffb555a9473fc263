//! Two services on the same records, each with its own journal, as on an old and a new host.

use crate::site::{LIMIT, Site, garcia, li};
use beamshare::status::Record;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A second service; ends with the test.
struct Second {
    process: Child,
    log: std::path::PathBuf,
}

impl Second {
    fn start(site: &Site) -> Second {
        let settings = std::fs::read_to_string(site.beamline.path("beamshare.toml")).unwrap();
        let journal =
            settings.lines().find(|line| line.starts_with("path = ") && line.contains("sqlite")).unwrap();
        let file = site.beamline.path("second.toml");
        std::fs::write(&file, settings.replace(journal, "path = \"second.sqlite\"")).unwrap();
        let log = site.beamline.path("second.log");
        let process = Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .args(["--log-level", "info", "run"])
            .arg(&file)
            .envs(site.ca.environment())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Second { process, log }
    }

    async fn says(&self, what: &str) {
        let limit = Instant::now() + LIMIT;
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if log.contains(what) {
                return;
            }
            assert!(Instant::now() < limit, "the second does not say {what:?}:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_second_service_delivers_nothing_until_the_first_has_gone() {
    let mut site = Site::started().await;
    let second = Second::start(&site);
    second.says("another beamshare serves the records site:Share:").await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"], "one message, though two services run");
    assert_eq!(site.text(Record::RunCount).await, "1");
    let first = site.text(Record::LeaseHolder).await;

    // An orderly stop hands over; the second has never seen who was served, and so holds.
    assert_eq!(site.terminate(), Some(0));
    second.says("this beamshare serves the records site:Share:").await;
    site.held("First start").await;
    assert_ne!(site.text(Record::LeaseHolder).await, first);
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}

/// A hundred presses in a second: one delivery, and Run goes back to 0.
#[tokio::test]
async fn run_pressed_a_hundred_times_delivers_once() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    // The delivery lasts longer than the presses, which fall into it.
    site.beamline.globus.fault(globus_simulator::Fault::delay("access_list", 3));
    let script = "import epics, time\n\
                  run = epics.PV('site:Share:Run')\n\
                  assert run.wait_for_connection(30)\n\
                  for _ in range(100):\n    run.put(1)\n    time.sleep(0.01)\n\
                  epics.ca.poll()\n";
    site.ca.python(script);
    site.record(Record::RunCount, |text| text == "2").await;
    site.record(Record::Run, |text| text == "Idle").await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    assert_eq!(site.text(Record::RunCount).await, "2", "one more delivery, not a hundred");
}
