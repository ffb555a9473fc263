//! A channel to one PV: its events in order, reads and writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::{CaError, search_settings};
use crate::event::{Connection, Event};
use crate::libca::{self, Libca, Refusal, Reply, Request};
use crate::queue::EventQueue;
use crate::value::{Sample, Value};

/// A channel to one PV. Dropping it closes it.
pub struct Channel {
    id: u64,
    queue: Arc<EventQueue>,
    libca: Libca,
}

impl Channel {
    pub(crate) fn new(id: u64, queue: Arc<EventQueue>, libca: Libca) -> Self {
        Self { id, queue, libca }
    }

    /// Name of the PV.
    pub fn name(&self) -> &str {
        self.queue.name()
    }

    /// Waits for the next event.
    ///
    /// Cancel-safe: an event leaves the queue only when it is returned. One task at a time should call it.
    pub async fn next(&self) -> Event {
        self.queue.next().await
    }

    /// Waits for the next sample that `wanted` accepts; other events are dropped. Cancel-safe as
    /// [`next`](Self::next).
    pub async fn sample(&self, mut wanted: impl FnMut(&Sample) -> bool) -> Sample {
        loop {
            match self.next().await {
                Event::Sample(sample) if wanted(&sample) => return sample,
                _ => {}
            }
        }
    }

    /// The present connection, if there is one.
    pub fn connection(&self) -> Option<Connection> {
        self.queue.connection().borrow().clone()
    }

    /// Waits until the PV is connected. Cancel-safe.
    ///
    /// # Errors
    /// [`CaError::NotConnected`] after `limit`.
    pub async fn connected(&self, limit: Duration) -> Result<Connection, CaError> {
        self.wait_connected("connect", limit, Instant::now() + limit).await
    }

    /// Reads the value freshly from the IOC, waiting for a connection where there is none. Cancel-safe.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest.
    pub async fn get(&self, limit: Duration) -> Result<Sample, CaError> {
        let sample = self.call("read", limit, |id, reply| Request::Get { id, reply }).await?;
        sample.ok_or_else(|| self.error(Refusal::NO_VALUE, "read"))
    }

    /// Writes `value` and waits until the record has processed (put with callback), waiting for a connection
    /// where there is none.
    ///
    /// Cancel-safe in that nothing is left behind here; the IOC may still take the value.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest.
    pub async fn put(&self, value: Value, limit: Duration) -> Result<(), CaError> {
        let action = format!("write {value}");
        self.call(&action, limit, |id, reply| Request::Put { id, value, reply }).await.map(drop)
    }

    /// Writes `value` without waiting for the record, and renews the monitor over the same circuit, so that
    /// the IOC read every [`Event::Sample`] after the next [`Event::Renewed`] after it took the value. This
    /// tells one's own value from another client's.
    ///
    /// Only for channels with [`own_circuit`](crate::ChannelOptions::own_circuit): where a monitor ends while
    /// values of other channels of the same circuit wait, the IOC (rsrv, measured with base 7.0.10) may leave
    /// those unsent until it next has something to send, up to 30 s later.
    ///
    /// A refusal by the IOC comes as [`Event::PutFailed`] after the [`Event::Renewed`].
    ///
    /// # Errors
    /// [`CaError`] if it could not be sent; then there is no [`Event::Renewed`].
    pub async fn put_and_renew(&self, value: Value, limit: Duration) -> Result<(), CaError> {
        let action = format!("write {value}");
        self.call(&action, limit, |id, reply| Request::PutAndRenew { id, value, reply }).await.map(drop)
    }

    async fn wait_connected(
        &self,
        action: &str,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Connection, CaError> {
        let mut connection = self.queue.connection();
        match timeout_at(deadline, connection.wait_for(Option::is_some)).await {
            Ok(Ok(connection)) => connection.clone().ok_or_else(|| self.closed()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(CaError::NotConnected {
                pv: self.name().to_owned(),
                action: action.to_owned(),
                limit,
                search: search_settings(),
            }),
        }
    }

    async fn call(
        &self,
        action: &str,
        limit: Duration,
        request: impl FnOnce(u64, Reply) -> Request,
    ) -> Result<Option<Sample>, CaError> {
        let deadline = Instant::now() + limit;
        self.wait_connected(action, limit, deadline).await?;
        let (reply, answer) = oneshot::channel();
        self.libca.send(request(self.id, reply));
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result.map_err(|fault| self.error(fault, action)),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(CaError::Timeout { pv: self.name().to_owned(), action: action.to_owned(), limit }),
        }
    }

    fn closed(&self) -> CaError {
        CaError::Closed { pv: self.name().to_owned() }
    }

    fn error(&self, refusal: Refusal, action: &str) -> CaError {
        let (pv, action) = (self.name().to_owned(), action.to_owned());
        match refusal {
            Refusal::Disconnected => CaError::Disconnected { pv, action },
            Refusal::Status(status) => {
                CaError::Refused { pv, action, reason: libca::message(status), remedy: libca::remedy(status) }
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.libca.send(Request::Close { id: self.id });
    }
}
