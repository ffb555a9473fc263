//! This machine.

/// Its name, as the system has it (`uname -n`).
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
