use super::{Finding, State};
use beamshare::config::{Config, Hook};
use rustix::fs::{Access, access};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SECTION: &str = "hooks";

/// Whether the programs are there and may be run. None is run.
pub fn check(config: &Config) -> Vec<Finding> {
    config.hooks.iter().map(of_hook).collect()
}

fn of_hook(hook: &Hook) -> Finding {
    let what = format!("{} of {}", hook.name(), hook.step());
    let Some(program) = hook.command.first() else { return Finding::failed(SECTION, what, "has no command") };
    let metadata = match Path::new(program).metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            return Finding::failed(SECTION, what, format!("{program}: {error}; correct its command"));
        }
    };
    if !metadata.is_file() {
        return Finding::failed(SECTION, what, format!("{program} is no file; correct its command"));
    }
    if let Err(error) = access(program, Access::EXEC_OK) {
        let says = format!("{program} may not be run by this account: {error}; chmod +x {program}");
        return Finding::failed(SECTION, what, says);
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        let says =
            format!("every account of the machine may change what {program} does; chmod o-w {program}");
        return Finding::new(SECTION, what, State::Warning, says);
    }
    Finding::ok(SECTION, what, format!("{program} may be run"))
}
