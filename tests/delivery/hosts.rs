//! Hosts over SSH: one that works, one that is dead and one that hangs.

use crate::beamline::{Beamline, PI, Running, accept, li, run};
use crate::support::free_port;
use crate::support::sshd::Sshd;
use beamshare::delivery::{Options, Outcome};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::Cause;
use std::net::TcpListener;

#[tokio::test]
async fn a_dead_and_a_hanging_host_hold_up_nobody_and_are_served_when_they_are_back() {
    let sshd = Sshd::start();
    sshd.know_itself();
    // Accepts, by its backlog, and never says a word.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let (hanging_port, dead_port) = (hanging.local_addr().unwrap().port(), free_port());
    let place = |name: &str, port: u16| {
        let top = sshd.top().join(name);
        std::fs::create_dir_all(&top).unwrap();
        format!(
            "[[directories.on]]\nname = \"{name}\"\nhost = \"{}@127.0.0.1:{port}\"\ntop = \"{}\"\nkey_file \
             = \"{}\"\n\
             known_hosts = \"{}\"\ntimeout = \"1s\"\n",
            sshd.user,
            top.display(),
            sshd.key().display(),
            sshd.file("home/.ssh/known_hosts").display(),
        )
    };
    let hosts =
        [place("detector", sshd.port), place("dead", dead_port), place("hanging", hanging_port)].concat();
    let changes = [("[globus]\n", format!("{hosts}[globus]\n"))];
    let changes = changes.each_ref().map(|(from, to)| (*from, to.as_str()));
    let beamline = Beamline::with(&changes, |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let mut away: Vec<_> = plan.unreachable.iter().map(|away| away.place.as_str()).collect();
    away.sort_unstable();
    assert_eq!(away, ["dead", "hanging"]);
    let id = accept(&deliverer, &plan).await;

    let mut running = Running::start(&deliverer, id, |_| {});
    let served = running.report.wait_for(|report| {
        let (status, message) = &report.steps.get(&Step::Dirs).cloned().unwrap_or_default();
        report.steps.get(&Step::Email).is_some_and(|(status, _)| *status == StepStatus::Done)
            && *status == StepStatus::Running
            && ["detector: 2026-03/Li made", "analysis: 2026-03/Li made"]
                .iter()
                .all(|made| message.contains(made))
            && message.matches("next try at").count() == 2
    });
    let limit = tokio::time::timeout(std::time::Duration::from_secs(15), served).await;
    assert!(limit.is_ok_and(|served| served.is_ok()), "{:#?}", running.report.borrow());
    assert!(sshd.top().join("detector/2026-03/Li").is_dir());
    assert_eq!(beamline.messages().len(), 2);
    running.controller.abort();
    assert!(matches!(running.ends().await, Outcome::Aborted));

    // They are back, with keys of their own.
    drop(hanging);
    let back = [Sshd::at(hanging_port, SFTP), Sshd::at(dead_port, SFTP)];
    let known: String = [&sshd, &back[0], &back[1]]
        .into_iter()
        .map(|host| {
            let key = std::fs::read_to_string(host.file("host_ed25519.pub")).unwrap();
            let _ = std::fs::copy(sshd.file("user_key.pub"), host.file("authorized_keys")).unwrap();
            format!("{} {key}", host.name())
        })
        .collect();
    sshd.write(".ssh/known_hosts", &known);
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert!(matches!(outcome, Outcome::Done), "{report:#?}");
    for host in ["dead", "hanging"] {
        assert!(sshd.top().join(host).join("2026-03/Li").is_dir(), "{host}");
    }
    assert_eq!(beamline.messages().len(), 2, "mailed once");
}

const SFTP: &str = "Subsystem sftp internal-sftp";
