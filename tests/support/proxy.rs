//! A loopback proxy that stops forwarding, as a host does that hangs: its kernel still takes bytes, nothing
//! answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Forwards to a port of this machine.
pub struct Proxy {
    pub port: u16,
    answers_left: Arc<AtomicU64>,
}

impl Proxy {
    /// Forwards everything.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy {
            port: listener.local_addr().expect("a port").port(),
            answers_left: Arc::new(AtomicU64::new(u64::MAX)),
        };
        let left = Arc::clone(&proxy.answers_left);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || forward(client2, server2, None));
                let left = Arc::clone(&left);
                std::thread::spawn(move || forward(server, client, Some(left)));
            }
        });
        proxy
    }

    /// Forwards this many bytes more of the server's answers, then none.
    pub fn stop_after(&self, bytes: u64) {
        self.answers_left.store(bytes, Ordering::SeqCst);
    }

    /// Forwards everything again, on new connections.
    pub fn go_on(&self) {
        self.stop_after(u64::MAX);
    }

    /// How many bytes were forwarded since [`stop_after`](Self::stop_after) with this many.
    pub fn passed_of(&self, bytes: u64) -> u64 {
        bytes - self.answers_left.load(Ordering::SeqCst)
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, left: Option<Arc<AtomicU64>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut pass = count;
        if let Some(left) = &left {
            let before = left.load(Ordering::SeqCst);
            if before != u64::MAX {
                pass = count.min(usize::try_from(before).unwrap_or(usize::MAX));
                left.store(before - pass as u64, Ordering::SeqCst);
            }
        }
        if pass < count {
            let _ = to.write_all(&buffer[..pass]);
            // Swallow the rest without a word, until the other side gives up.
            std::io::copy(&mut from, &mut std::io::sink()).ok();
            return;
        }
        if to.write_all(&buffer[..pass]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
