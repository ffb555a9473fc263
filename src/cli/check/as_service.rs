//! `beamshare check --as-service`: the same check under the account and the restrictions of the systemd unit.

use crate::cli::Outcome;
use crate::cli::failure::{Exit, Failure};
use beamshare::config::Config;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Settings of a unit that say how its process is started and watched, and not what it may do.
const NOT_FOR_A_CHECK: [&str; 11] = [
    "Exec",
    "Type",
    "Restart",
    "Timeout",
    "Watchdog",
    "Standard",
    "SuccessExitStatus",
    "PIDFile",
    "Notify",
    "OOMPolicy",
    // Removed with the unit that has it, and so with the check.
    "RuntimeDirectory",
];

/// Replaces this process by `systemd-run`, whose exit code is the check's.
pub fn run(unit: &str, config: &Config, json: bool) -> Outcome {
    let shown = Command::new("systemctl").args(["cat", "--", unit]).output();
    let shown = shown.map_err(|error| Failure::failed(format!("can't run systemctl: {error}")))?;
    if !shown.status.success() {
        let said = String::from_utf8_lossy(&shown.stderr);
        return Err(Failure::failed(format!(
            "systemctl cat {unit}: {}. Install the unit first",
            said.trim()
        )));
    }
    let absolute = |path: std::io::Result<std::path::PathBuf>| {
        path.map_err(|error| Failure::failed(format!("can't find out what to run: {error}")))
    };
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--pipe", "--wait", "--collect"]);
    command.args(
        properties(&String::from_utf8_lossy(&shown.stdout)).map(|property| format!("--property={property}")),
    );
    command.arg("--").arg(absolute(std::env::current_exe())?).arg("check");
    command.arg("--config").arg(absolute(std::path::absolute(&config.file))?);
    if json {
        command.arg("--json");
    }
    let error = command.exec();
    Err(Failure { exit: Exit::Failed, message: format!("can't run systemd-run: {error}") })
}

/// The settings of `[Service]`, in the order of the files, so that an empty one resets those before it.
fn properties(unit: &str) -> impl Iterator<Item = String> {
    let joined = unit.replace("\\\n", " ");
    let mut in_service = false;
    let mut found = vec![];
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            in_service = line == "[Service]";
        } else if let Some((key, _)) = line.split_once('=')
            && in_service
            && !line.starts_with(['#', ';'])
            && !NOT_FOR_A_CHECK.iter().any(|not| key.starts_with(not))
        {
            found.push(line.to_owned());
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::properties;

    #[test]
    fn what_the_unit_restricts_holds_for_the_check() {
        let unit = include_str!("../../../config/beamshare.service");
        let drop_in = "\n# /etc/systemd/system/beamshare.service.d/override.conf\n[Service]\nUser=2bm\n\
                       ReadWritePaths=/a \\\n/b\n";
        let found: Vec<String> = properties(&format!("{unit}{drop_in}")).collect();
        for property in ["User=beamshare", "ProtectHome=read-only", "StateDirectory=beamshare"] {
            assert!(found.iter().any(|found| found == property), "{property}: {found:?}");
        }
        assert_eq!(found[found.len() - 2..], ["User=2bm", "ReadWritePaths=/a  /b"]);
        assert!(
            !found.iter().any(|found| found.starts_with("Exec") || found.starts_with("WantedBy")),
            "{found:?}"
        );
    }
}
