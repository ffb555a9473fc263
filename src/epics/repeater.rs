//! The CA repeater: one process of a host hears the IOCs' beacons and repeats them to all its clients.
//!
//! libca starts the program `caRepeater` for that, which Debian does not have: it would complain, and find an IOC that
//! comes up late only by its own ever slower search. libca exports the repeater as a function, so a thread of ours can
//! be the host's repeater. It serves every client of the host for as long as beamshare runs.

use std::ffi::c_void;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// `EPICS_CA_REPEATER_PORT` where it is not set (CA_REPEATER_PORT of EPICS base).
const DEFAULT_PORT: u16 = 5065;

/// REPEATER_REGISTER and REPEATER_CONFIRM of the CA protocol.
const REGISTER: u16 = 24;
const CONFIRM: u16 = 17;

/// How long a repeater is given to answer a registration. Where there is none, the kernel says so at once.
const ANSWER_LIMIT: Duration = Duration::from_millis(50);

/// How long the start of Channel Access waits for the repeater of our own.
const START_LIMIT: Duration = Duration::from_millis(500);

unsafe extern "C" {
    /// Serves as the repeater until the process ends; returns at once if another process holds the port.
    /// `caRepeaterThread (void *)` of EPICS base, exported by every libca.
    fn caRepeaterThread(unused: *mut c_void);
}

/// Starts a repeater in this process if none answers.
pub(super) fn ensure() {
    let port = match std::env::var("EPICS_CA_REPEATER_PORT") {
        Ok(text) => text.trim().parse().unwrap_or(DEFAULT_PORT),
        Err(_) => DEFAULT_PORT,
    };
    if answers(port) {
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
        if answers(port) {
            tracing::debug!(port, "this host had no CA repeater: beamshare is it now");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    tracing::warn!(port, "no CA repeater answers on this UDP port, and none can be started there");
}

/// Whether a repeater of this host confirms a registration.
fn answers(port: u16) -> bool {
    register(port).unwrap_or(false)
}

fn register(port: u16) -> io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    // A CA header: command, payload size, type, count (16 bit each), then two words, the last our address.
    let mut header = [0u8; 16];
    header[..2].copy_from_slice(&REGISTER.to_be_bytes());
    header[12..].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    socket.send(&header)?;
    let mut answer = [0u8; 16];
    let n = socket.recv(&mut answer)?;
    Ok(n == answer.len() && answer[..2] == CONFIRM.to_be_bytes())
}
