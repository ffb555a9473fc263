//! A channel to one PV: its events in order, and reads and writes with a limit of time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::actor::{Fault, Reply, Request, lock, message};
use super::context::Context;
use super::error::{CaError, search_settings};
use super::value::{FieldType, Sample, Value};

/// Samples kept for a reader that is slower than the IOC. Beyond it the oldest go, so the last is never lost.
const BACKLOG: usize = 64;

/// What happens on a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The PV was found, or found again. A [`Sample`](Event::Sample) follows.
    Connected(Connection),
    /// The IOC has gone. Nobody needs to do anything for it to be found again.
    Disconnected,
    /// The IOC's access security says what this client may do now.
    AccessRights(Access),
    /// A value: the present one after each connection, then each change of value or alarm. Under load values between
    /// may be left out, the last one never.
    Sample(Sample),
    /// The monitor was made anew by [`Channel::put_and_renew`]: each sample after this one was read by the IOC after
    /// that put.
    Renewed,
    /// The IOC refused a put that nobody waits for; libca's words.
    PutFailed(String),
}

/// A connected PV, as its IOC describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its native type.
    pub field_type: FieldType,
    /// Elements that it can hold: 1 for a scalar.
    pub count: usize,
    /// What this client may do.
    pub access: Access,
    /// Where the IOC is: `host:port`.
    pub host: String,
}

/// What the IOC's access security lets this client do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Access {
    pub read: bool,
    pub write: bool,
}

/// Between libca's callbacks and the reader of one channel.
pub(crate) struct Feed {
    name: String,
    events: Mutex<VecDeque<Event>>,
    arrived: Notify,
    link: watch::Sender<Option<Connection>>,
}

impl Feed {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), events: Mutex::default(), arrived: Notify::new(), link: watch::Sender::new(None) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Called by libca's threads; never waits.
    pub(crate) fn push(&self, event: Event) {
        match &event {
            Event::Connected(connection) => drop(self.link.send_replace(Some(connection.clone()))),
            Event::Disconnected => drop(self.link.send_replace(None)),
            Event::AccessRights(access) => self.link.send_modify(|link| {
                if let Some(connection) = link {
                    connection.access = *access;
                }
            }),
            _ => {}
        }
        let mut events = lock(&self.events);
        if events.len() >= BACKLOG
            && let Some(oldest) = events.iter().position(|e| matches!(e, Event::Sample(_)))
        {
            events.remove(oldest);
        }
        events.push_back(event);
        drop(events);
        self.arrived.notify_one();
    }
}

/// A channel to one PV. Dropping it closes it.
pub struct Channel {
    id: u64,
    feed: Arc<Feed>,
    context: Context,
}

impl Channel {
    pub(crate) fn new(id: u64, feed: Arc<Feed>, context: Context) -> Self {
        Self { id, feed, context }
    }

    /// Name of the PV.
    pub fn name(&self) -> &str {
        &self.feed.name
    }

    /// The next event; waits for one.
    ///
    /// Cancel-safe: an event leaves the queue only when it is returned. One task at a time should call it.
    pub async fn next(&self) -> Event {
        loop {
            if let Some(event) = lock(&self.feed.events).pop_front() {
                return event;
            }
            self.feed.arrived.notified().await;
        }
    }

    /// The connection as it is now, if there is one.
    pub fn connection(&self) -> Option<Connection> {
        self.feed.link.borrow().clone()
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
        sample.ok_or_else(|| self.error(Fault::Libca(epics_ca_sys::ECA_GETFAIL), "read"))
    }

    /// Writes `value` and waits until the record has processed (put with callback), waiting for a connection where
    /// there is none.
    ///
    /// Cancel-safe in that nothing is left behind here; the IOC may still take the value.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest.
    pub async fn put(&self, value: Value, limit: Duration) -> Result<(), CaError> {
        let action = format!("write {value}");
        self.call(&action, limit, |id, reply| Request::Put { id, value, reply }).await.map(drop)
    }

    /// Writes `value` without waiting for the record, and makes the monitor anew over the same connection, so that
    /// every [`Event::Sample`] after the [`Event::Renewed`] that comes now was read by the IOC after it took the
    /// value: the way to tell one's own value from another client's.
    ///
    /// For channels made with [`Context::channel_alone`] only: where a monitor ends while values of other channels of the
    /// same connection wait, the IOC (rsrv, measured with base 7.0.10) may leave those unsent until it next has something
    /// to send, up to 30 s later.
    ///
    /// A refusal by the IOC comes as [`Event::PutFailed`] after the [`Event::Renewed`].
    ///
    /// # Errors
    /// [`CaError`] if it could not be sent; then there is no [`Event::Renewed`].
    pub async fn put_and_renew(&self, value: Value, limit: Duration) -> Result<(), CaError> {
        let action = format!("write {value}");
        self.call(&action, limit, |id, reply| Request::PutAndRenew { id, value, reply }).await.map(drop)
    }

    async fn wait_connected(&self, action: &str, limit: Duration, deadline: Instant) -> Result<Connection, CaError> {
        let mut link = self.feed.link.subscribe();
        match timeout_at(deadline, link.wait_for(Option::is_some)).await {
            Ok(Ok(link)) => link.clone().ok_or_else(|| self.closed()),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(CaError::NotConnected {
                pv: self.feed.name.clone(),
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
        self.context.send(request(self.id, reply));
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result.map_err(|fault| self.error(fault, action)),
            Ok(Err(_)) => Err(self.closed()),
            Err(_) => Err(CaError::Timeout { pv: self.feed.name.clone(), action: action.to_owned(), limit }),
        }
    }

    fn closed(&self) -> CaError {
        CaError::Closed { pv: self.feed.name.clone() }
    }

    fn error(&self, fault: Fault, action: &str) -> CaError {
        let (pv, action) = (self.feed.name.clone(), action.to_owned());
        match fault {
            Fault::Disconnected => CaError::Disconnected { pv, action },
            Fault::Libca(status) => CaError::Refused {
                pv,
                action,
                reason: message(status),
                remedy: match status {
                    epics_ca_sys::ECA_NOWTACCESS => {
                        ". The IOC's access security does not let this user or host write: see its .acf file"
                    }
                    epics_ca_sys::ECA_NORDACCESS => {
                        ". The IOC's access security does not let this user or host read: see its .acf file"
                    }
                    epics_ca_sys::ECA_BADCOUNT => ". The record holds fewer elements: raise its NELM",
                    epics_ca_sys::ECA_PUTFAIL => ". Is the record disabled (DISP), or the value none of its states?",
                    _ => "",
                },
            },
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.context.send(Request::Close { id: self.id });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: i32) -> Event {
        Event::Sample(Sample {
            value: Value::Long(vec![n]),
            severity: Default::default(),
            status: Default::default(),
            timestamp: None,
        })
    }

    #[test]
    fn a_full_queue_loses_the_oldest_samples_and_no_other_event() {
        let feed = Feed::new("x");
        feed.push(Event::Disconnected);
        for n in 0..1000 {
            feed.push(sample(n));
        }
        feed.push(Event::Renewed);
        let events = lock(&feed.events);
        assert_eq!(events.len(), BACKLOG);
        assert_eq!(events.front(), Some(&Event::Disconnected));
        assert_eq!(events.back(), Some(&Event::Renewed));
        assert_eq!(events.get(BACKLOG - 2), Some(&sample(999)));
    }
}
