//! Limits how many servers libca remembers by their beacons.
//!
//! IOCs announce themselves by UDP, and libca keeps an entry for each address that a beacon names until the
//! process ends. A datagram has room for 4,000 beacons with addresses of the sender's choice, so any host
//! could fill the memory. As in `guard`, this module takes the place of a function of libca:
//! `cac::beaconNotify`. Beacons only make libca search sooner for channels that are not connected, so one
//! that is dropped costs time, and nothing else.

use std::collections::HashSet;
use std::ffi::{CStr, c_void};
use std::sync::{LazyLock, Mutex, OnceLock};

use super::guard::next;
use crate::sync::lock;

/// How many servers are remembered; large sites have some hundred.
const MOST_SERVERS: usize = 4096;

/// `cac::beaconNotify(const inetAddrID &, const epicsTime &, ca_uint32_t, unsigned)`. An `inetAddrID` is a
/// `sockaddr_in`.
type BeaconNotify =
    unsafe extern "C-unwind" fn(*mut c_void, *const libc::sockaddr_in, *const c_void, u32, u32);

/// libca's own function.
fn beacon_notify() -> Option<BeaconNotify> {
    static OWN: OnceLock<Option<BeaconNotify>> = OnceLock::new();
    const NAME: &CStr = c"_ZN3cac12beaconNotifyERK10inetAddrIDRK9epicsTimejj";
    // SAFETY: the next definition of this symbol is libca's, which has this type.
    *OWN.get_or_init(|| {
        next(NAME).map(|own| unsafe { std::mem::transmute::<*mut c_void, BeaconNotify>(own) })
    })
}

/// The servers, by address and port, whose beacons libca gets.
#[derive(Default)]
struct Servers(HashSet<(u32, u16)>);

impl Servers {
    /// Whether libca may remember this server, or does already.
    fn admit(&mut self, server: (u32, u16)) -> bool {
        self.0.contains(&server) || (self.0.len() < MOST_SERVERS && self.0.insert(server))
    }
}

/// Takes the place of libca's function of this name.
///
/// # Safety
/// Called by libca: `server` is valid.
#[unsafe(export_name = "_ZN3cac12beaconNotifyERK10inetAddrIDRK9epicsTimejj")]
unsafe extern "C-unwind" fn guarded_beacon_notify(
    client: *mut c_void,
    server: *const libc::sockaddr_in,
    time: *const c_void,
    number: u32,
    revision: u32,
) {
    static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);
    let Some(own) = beacon_notify() else { return };
    // SAFETY: the caller's promise.
    let address = unsafe { ((*server).sin_addr.s_addr, (*server).sin_port) };
    let admitted = lock(&SERVERS).admit(address);
    if admitted {
        // SAFETY: libca's own function with its own arguments.
        unsafe { own(client, server, time, number, revision) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_servers_stay_and_new_ones_have_a_limit() {
        let mut servers = Servers::default();
        let all = 0..2 * MOST_SERVERS as u32;
        assert_eq!(all.clone().filter(|address| servers.admit((*address, 5064))).count(), MOST_SERVERS);
        assert!(servers.admit((0, 5064)) && !servers.admit((0, 5065)));
    }
}
