//! The settings that the tests build on, by section. Tests join the sections that they need and replace
//! values in them.

use globus_simulator::Simulator;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use uuid::Uuid;

/// The PVs of the required fields and the proposal's number, for tests without an IOC.
pub const PVS: &str =
    "year_month = \"ym\"\npi_last_name = \"name\"\npi_email = \"email\"\nproposal_number = \"proposal\"\n";

/// `[beamline]`, `[epics]` and `[directories]`, with the PVs as lines like `pi_email = "PV"`.
pub fn base(prefix: &str, pvs: &str, path: &str) -> String {
    format!(
        r#"
[beamline]
name = "2-BM"
[epics]
prefix = "{prefix}"
[epics.user_info]
{pvs}[directories]
paths = ["{path}"]
"#
    )
}

/// `[globus]`: a collection of the simulator, with a service that signs in by the secret in `globus.secret`.
pub fn globus(globus: &Simulator, collection: Uuid, service: Uuid, more: &str) -> String {
    let (auth, transfer) = (globus.auth_url(), globus.transfer_url());
    format!(
        r#"
[globus]
collection = "{collection}"
{more}auth_url = "{auth}"
transfer_url = "{transfer}"
timeout = "10s"
[globus.sign_in.service]
client_id = "{service}"
client_secret_file = "globus.secret"
"#
    )
}

/// `[email]`: the message of `message.txt`, into the folder `outbox`.
pub fn email(more: &str) -> String {
    format!(
        r#"
[email]
from = "2-BM <2bm@example.org>"
{more}text_template = "message.txt"
[email.transport.folder]
path = "outbox"
"#
    )
}

/// `[journal]`
pub const JOURNAL: &str = "[journal]\npath = \"journal.sqlite\"\n";

/// Writes the files that [`globus`] and [`email`] name.
pub fn write_files(folder: &Path, message: &str) {
    let path = |name: &str| folder.join(name);
    std::fs::create_dir_all(path("outbox")).expect("a folder");
    std::fs::write(path("message.txt"), message).expect("a template");
    std::fs::write(path("globus.secret"), "a secret\n").expect("a secret");
    std::fs::set_permissions(path("globus.secret"), PermissionsExt::from_mode(0o600)).expect("its mode");
}
