//! A scripted HTTP service on loopback, for what no faithful simulator does: cut and hung connections,
//! nonsense.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub authorization: Option<String>,
    head: String,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header_of(&self.head, name)
    }

    pub fn form(&self, key: &str) -> Option<String> {
        let found = url::form_urlencoded::parse(self.body.as_bytes()).find(|(name, _)| name == key);
        found.map(|(_, value)| value.into_owned())
    }
}

pub enum Reply {
    Json(u16, Value),
    With(u16, &'static str, String, Value),
    Text(u16, &'static str),
    /// Any bytes with any headers; without an end when the last field is true.
    Raw(u16, Vec<(&'static str, String)>, Vec<u8>, bool),
    /// The connection is closed without an answer.
    Cut,
    /// No answer ever.
    Hang,
}

pub struct Stub {
    pub url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// Answers each request with what the script says; the number counts requests from 0.
    pub async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let log = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, script.clone(), log.clone()));
            }
        });
        Self { url, seen, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self, path_end: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.ends_with(path_end)).count()
    }
}

async fn serve<F>(mut stream: TcpStream, script: Arc<F>, log: Arc<Mutex<Vec<Seen>>>)
where
    F: Fn(&Seen, usize) -> Reply + Send + Sync,
{
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let (status, header, kind, body) = match script(&request, number) {
            Reply::Cut => return,
            Reply::Hang => std::future::pending().await,
            Reply::Raw(status, headers, body, endless) => {
                if write_raw(&mut stream, status, &headers, &body, endless).await.is_err() {
                    return;
                }
                continue;
            }
            Reply::Json(status, body) => (status, String::new(), "application/json", body.to_string()),
            Reply::With(status, name, value, body) => {
                (status, format!("{name}: {value}\r\n"), "application/json", body.to_string())
            }
            Reply::Text(status, body) => (status, String::new(), "text/html", body.to_owned()),
        };
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{header}\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Writes the body in chunks, so that no length gives it away; again and again when it is endless.
async fn write_raw(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&'static str, String)],
    body: &[u8],
    endless: bool,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Said\r\ntransfer-encoding: chunked\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    stream.write_all((head + "\r\n").as_bytes()).await?;
    loop {
        stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await?;
        stream.write_all(body).await?;
        stream.write_all(b"\r\n").await?;
        if !endless {
            return stream.write_all(b"0\r\n\r\n").await;
        }
    }
}

fn header_of(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let header = |name: &str| header_of(&head, name);
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut first = head.lines().next()?.split(' ');
    let method = first.next()?.to_owned();
    // A proxy is sent the whole address.
    let target = first.next()?;
    let target: Url = if target.starts_with('/') { format!("http://x{target}") } else { target.to_owned() }
        .parse()
        .unwrap();
    Some(Seen {
        method,
        path: target.path().to_owned(),
        query: target.query_pairs().into_owned().collect(),
        authorization: header("authorization"),
        head: head.clone(),
        body: String::from_utf8(bytes[head_end..head_end + length].to_vec()).unwrap(),
    })
}
