//! The CA repeater: one process of a host hears the IOCs' beacons and repeats them to all its clients.
//!
//! libca starts the program `caRepeater` for that, which Debian does not have: it would complain, and find an
//! IOC that comes up late only by its own ever slower search. libca exports the repeater as a function, so a
//! thread of ours can be the host's repeater. It serves every client of the host for as long as this process
//! runs.

use std::ffi::c_void;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// `EPICS_CA_REPEATER_PORT` where it is not set (CA_REPEATER_PORT of EPICS base).
const DEFAULT_PORT: u16 = 5065;

/// How long the start of Channel Access waits for the repeater of our own.
const START_LIMIT: Duration = Duration::from_millis(500);

unsafe extern "C" {
    /// Serves as the repeater until the process ends; returns at once if another process holds the port.
    /// `caRepeaterThread (void *)` of EPICS base, exported by every libca.
    fn caRepeaterThread(unused: *mut c_void);
}

/// Starts a repeater in this process if there is none.
pub(super) fn ensure() {
    let port = match std::env::var("EPICS_CA_REPEATER_PORT") {
        Ok(text) => text.trim().parse().unwrap_or(DEFAULT_PORT),
        Err(_) => DEFAULT_PORT,
    };
    if is_there(port) {
        return;
    }
    let started = std::thread::Builder::new().name("ca-repeater".into()).spawn(|| {
        // SAFETY: the function takes a thread of its own and ignores its argument.
        unsafe { caRepeaterThread(std::ptr::null_mut()) }
    });
    if let Err(e) = started {
        tracing::warn!(port, "no CA repeater: {e}; an IOC that starts late is found more slowly");
        return;
    }
    // Were there still none when libca looks, libca would start a program `caRepeater` and complain.
    let patience = Instant::now() + START_LIMIT;
    while Instant::now() < patience {
        if is_there(port) {
            tracing::debug!(port, "this host had no CA repeater: this process is it now");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    tracing::warn!(
        port,
        "no CA repeater could be started on this UDP port; an IOC that starts late is found more slowly"
    );
}

/// Whether a repeater of this host holds its port: libca's own test (caStartRepeaterIfNotInstalled).
fn is_there(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
