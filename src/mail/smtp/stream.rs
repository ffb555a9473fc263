//! The connection to a mail server, below TLS and lettre, which bound neither a line nor what precedes TLS.

#[expect(deprecated)]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::{AsyncTokioStream, TlsParameters};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The largest amount of data accepted from a server for one message, in bytes, including the TLS handshake.
/// A usual conversation needs less than 10 kB. lettre parses an answer anew with each of its lines, so the
/// time grows with the square of this.
const RECEIVE_MAX: usize = 32 * 1024;

/// The first byte of a TLS handshake (RFC 8446, 5.1); no SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// What remains of [`RECEIVE_MAX`] on a connection. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ReceiveBudget(Arc<AtomicUsize>);

impl ReceiveBudget {
    pub fn new() -> ReceiveBudget {
        ReceiveBudget(Arc::new(AtomicUsize::new(RECEIVE_MAX)))
    }

    /// Allows the data of one more message.
    pub fn renew(&self) {
        self.0.store(RECEIVE_MAX, Ordering::Relaxed);
    }

    fn take(&self, count: usize) -> io::Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)) {
            Ok(_) => Ok(()),
            Err(_) => Err(StreamError::TooMuch.into()),
        }
    }
}

/// Why the conversation is ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("the mail server sends without end: more than {} kB", RECEIVE_MAX / 1024)]
    TooMuch,
    #[error(
        "text came after the answer to STARTTLS and before TLS, as an attacker in the network would add it"
    )]
    Injected,
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

/// A TCP connection that yields at most one line at a time and a limited number of bytes.
///
/// lettre reads through a buffer that it keeps when it starts TLS. Since that buffer never holds more than
/// the line it asked for, nothing received before TLS can be taken for an answer after it.
#[derive(Debug)]
pub(super) struct BoundedStream {
    tcp: TcpStream,
    allowance: ReceiveBudget,
    received: Vec<u8>,
    /// Where the part of `received` begins that is not read yet
    start: usize,
    tls_started: bool,
}

impl BoundedStream {
    pub fn new(tcp: TcpStream, allowance: ReceiveBudget) -> BoundedStream {
        BoundedStream { tcp, allowance, received: vec![], start: 0, tls_started: false }
    }

    fn unread(&self) -> &[u8] {
        &self.received[self.start..]
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread().is_empty() {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.tcp).poll_read(context, &mut buffer))?;
            this.allowance.take(buffer.filled().len())?;
            this.received = buffer.filled().to_vec();
            this.start = 0;
        }
        let unread = this.unread();
        let line = unread.iter().position(|byte| *byte == b'\n').map_or(unread.len(), |at| at + 1);
        let count = line.min(out.remaining());
        out.put_slice(&unread[..count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.tls_started && bytes.first() == Some(&TLS_HANDSHAKE) {
            if !this.unread().is_empty() {
                return Poll::Ready(Err(StreamError::Injected.into()));
            }
            this.tls_started = true;
        }
        Pin::new(&mut this.tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}

impl AsyncTokioStream for BoundedStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

/// TLS from the first byte on. lettre starts TLS on its own streams only, whose type it has marked as not
/// meant for others.
#[derive(Debug)]
#[expect(deprecated)]
pub(super) struct TlsStream(AsyncNetworkStream);

#[expect(deprecated)]
impl TlsStream {
    pub async fn connect(
        stream: BoundedStream,
        tls: TlsParameters,
    ) -> Result<TlsStream, lettre::transport::smtp::Error> {
        let mut stream = AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(tls).await?;
        Ok(TlsStream(stream))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = Pin::new(&mut self.get_mut().0);
        let count = ready!(futures::io::AsyncRead::poll_read(stream, context, out.initialize_unfilled()))?;
        out.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        futures::io::AsyncWrite::poll_write(Pin::new(&mut self.get_mut().0), context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::io::AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().0), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures::io::AsyncWrite::poll_close(Pin::new(&mut self.get_mut().0), context)
    }
}

impl AsyncTokioStream for TlsStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}
