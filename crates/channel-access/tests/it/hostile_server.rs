//! A Channel Access server for one test that answers every search, and then what the test wants: well-formed
//! values for PVs whose name begins with `good`, anything else for the others.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use soft_ioc::CaTest;

pub const EVENT_ADD: u16 = 1;
pub const SEARCH: u16 = 6;
pub const ERROR: u16 = 11;
pub const BEACON: u16 = 13;
pub const READ_NOTIFY: u16 = 15;
pub const CREATE_CHAN: u16 = 18;
pub const WRITE_NOTIFY: u16 = 19;
pub const ACCESS_RIGHTS: u16 = 22;
pub const ECHO: u16 = 23;

/// ECA_NORMAL.
pub const NORMAL: u32 = 1;

/// A message of the client, or one for it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub command: u16,
    pub data_type: u16,
    pub count: u32,
    pub cid: u32,
    pub available: u32,
    pub payload: Vec<u8>,
}

impl Message {
    /// The bytes, in the extended form where the short one has no room.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_claiming(self.payload.len() as u32)
    }

    /// The bytes with another payload size in the header than the payload has.
    pub fn bytes_claiming(&self, size: u32) -> Vec<u8> {
        let mut bytes = self.command.to_be_bytes().to_vec();
        let extended = size >= 0xffff || self.count >= 0xffff;
        let short = |n: u32| if extended { 0 } else { n as u16 };
        bytes.extend(if extended { 0xffff } else { short(size) }.to_be_bytes());
        bytes.extend(self.data_type.to_be_bytes());
        bytes.extend(short(self.count).to_be_bytes());
        bytes.extend(self.cid.to_be_bytes());
        bytes.extend(self.available.to_be_bytes());
        if extended {
            bytes.extend(size.to_be_bytes());
            bytes.extend(self.count.to_be_bytes());
        }
        bytes.extend(&self.payload);
        bytes
    }

    /// This value as the answer to this request, which has asked for as many elements as there are (0) or for
    /// some.
    pub fn answer(&self, value: &[u8]) -> Message {
        Message {
            cid: NORMAL,
            count: self.count.max(1),
            payload: padded(time_structure(self.data_type, value)),
            ..self.clone()
        }
    }
}

/// A DBR_TIME_… structure in the network's byte order: no alarm, a time, the value.
pub fn time_structure(data_type: u16, value: &[u8]) -> Vec<u8> {
    let padding = [0, 2, 0, 2, 3, 0, 4].get(usize::from(data_type.saturating_sub(14))).copied().unwrap_or(0);
    let mut bytes = [&[0; 4][..], &1_000_000_000u32.to_be_bytes(), &[0; 4]].concat();
    bytes.extend(vec![0; padding]);
    bytes.extend(value);
    bytes
}

/// Filled up to a multiple of 8 bytes, as the protocol wants it.
pub fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// What a server does with a client's message: it returns bytes to send, or `None` for the usual answer. What
/// is too much for the memory it writes itself.
type Answer = dyn Fn(&Message, &mut TcpStream) -> Option<Vec<u8>> + Send + Sync;

/// The server; its threads end with the process.
pub struct HostileServer {
    closed: Arc<AtomicUsize>,
    /// Where the client's searches come from
    pub client: Arc<std::sync::Mutex<Option<SocketAddr>>>,
    pub udp: UdpSocket,
}

impl HostileServer {
    /// A server whose bad PVs have this native type and number of elements, and answer so.
    pub fn start(
        test: &CaTest,
        native: (u16, u32),
        answer: impl Fn(&Message, &mut TcpStream) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let closed = Arc::<AtomicUsize>::default();
        let good = serve((5, 1), Arc::new(|_, _| None), Arc::default());
        let bad = serve(native, Arc::new(answer), closed.clone());
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, test.server_port)).expect("the server port is free");
        let server = Self { closed, client: Arc::default(), udp: udp.try_clone().expect("a socket") };
        let client = server.client.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 0x10000];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                *client.lock().unwrap() = Some(from);
                for message in messages(&mut &buffer[..length]) {
                    if message.command == SEARCH {
                        let port = if message.payload.starts_with(b"good") { good } else { bad };
                        let found = Message {
                            command: SEARCH,
                            data_type: port,
                            cid: u32::MAX, // the address that this comes from
                            available: message.available,
                            payload: vec![0, 13, 0, 0, 0, 0, 0, 0],
                            ..Message::default()
                        };
                        let _ = udp.send_to(&found.bytes(), from);
                    }
                }
            }
        });
        server
    }

    /// Waits until the client has closed a connection to the bad PVs.
    pub fn wait_closed(&self) {
        self.wait("the client closes the connection", || self.closed.load(Ordering::SeqCst) > 0);
    }

    fn wait(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !is_true() {
            assert!(Instant::now() < limit, "{what}: not within 30 seconds");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Serves TCP on a port of its own, which is returned.
fn serve(native: (u16, u32), answer: Arc<Answer>, closed: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, closed) = (answer.clone(), closed.clone());
            std::thread::spawn(move || {
                talk(stream, native, &*answer);
                closed.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    port
}

/// Answers a client until it closes the connection.
fn talk(mut stream: TcpStream, native: (u16, u32), answer: &Answer) {
    let _ = stream.write_all(&Message { count: 13, ..Message::default() }.bytes()); // CA_PROTO_VERSION
    while let Some(message) = read_message(&mut stream) {
        let reply = answer(&message, &mut stream).or_else(|| usual(&message, native));
        if reply.is_some_and(|bytes| stream.write_all(&bytes).is_err()) {
            // Whatever the client still has to say ends with its closing.
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
            return;
        }
    }
}

/// What an honest server answers.
fn usual(message: &Message, native: (u16, u32)) -> Option<Vec<u8>> {
    match message.command {
        CREATE_CHAN => {
            let rights =
                Message { command: ACCESS_RIGHTS, cid: message.cid, available: 3, ..Message::default() };
            let (data_type, count) = native;
            let created = Message {
                command: CREATE_CHAN,
                data_type,
                count,
                cid: message.cid,
                available: 1,
                ..rights.clone()
            };
            Some([rights.bytes(), created.bytes()].concat())
        }
        EVENT_ADD | READ_NOTIFY => Some(message.answer(&[0; 40][..size_of(message.data_type)]).bytes()),
        WRITE_NOTIFY => Some(Message { cid: NORMAL, payload: vec![], ..message.clone() }.bytes()),
        ECHO => Some(message.bytes()),
        _ => None,
    }
}

/// Bytes of an element of a DBR_TIME_… type.
pub fn size_of(data_type: u16) -> usize {
    [40, 2, 4, 2, 1, 4, 8].get(usize::from(data_type.saturating_sub(14))).copied().unwrap_or(8)
}

fn messages(bytes: &mut &[u8]) -> Vec<Message> {
    std::iter::from_fn(|| read_message(bytes)).collect()
}

fn read_message(stream: &mut impl Read) -> Option<Message> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).ok()?;
    let u16_at = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let (mut size, mut count) = (u32::from(u16_at(2)), u32::from(u16_at(6)));
    if size == 0xffff && count == 0 {
        let mut large = [0; 8];
        stream.read_exact(&mut large).ok()?;
        size = u32::from_be_bytes(large[..4].try_into().expect("four bytes"));
        count = u32::from_be_bytes(large[4..].try_into().expect("four bytes"));
    }
    let mut payload = vec![0; size as usize];
    stream.read_exact(&mut payload).ok()?;
    let (command, data_type, cid, available) = (u16_at(0), u16_at(4), u32_at(8), u32_at(12));
    Some(Message { command, data_type, count, cid, available, payload })
}
