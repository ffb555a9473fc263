//! Real parts for the tests.
#![allow(dead_code)] // each test binary uses some of it
pub use soft_ioc as ioc;
pub mod disk;
pub mod proxy;
pub mod random;
pub mod settings;
pub mod smtp;
pub mod sshd;

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A TCP port of loopback that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// Waits until it is true; ten seconds at most.
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(Instant::now() < limit, "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}
