//! The queue between libca's callbacks and the reader of one channel.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::{Notify, watch};

use crate::event::{Connection, Event};
use crate::sync::lock;

/// Events kept for a reader that is slower than the IOC. Beyond it the oldest samples are dropped, never the
/// last one.
const BACKLOG: usize = 64;

/// Events kept in any case: a server that connects and disconnects in a loop must not fill the memory.
const LIMIT: usize = 4 * BACKLOG;

/// Takes events from any thread without waiting; one reader awaits them.
pub(crate) struct EventQueue {
    name: String,
    events: Mutex<VecDeque<Event>>,
    arrived: Notify,
    connection: watch::Sender<Option<Connection>>,
}

impl EventQueue {
    /// An empty queue for the PV `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            events: Mutex::default(),
            arrived: Notify::new(),
            connection: watch::Sender::new(None),
        }
    }

    /// Name of the PV.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The present connection, for waiting on it.
    pub(crate) fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection.subscribe()
    }

    /// Adds an event. Called by libca's threads; never waits.
    pub(crate) fn push(&self, event: Event) {
        match &event {
            Event::Connected(connection) => drop(self.connection.send_replace(Some(connection.clone()))),
            Event::Disconnected => drop(self.connection.send_replace(None)),
            Event::AccessRights(access) => self.connection.send_modify(|connection| {
                if let Some(connection) = connection {
                    connection.access = *access;
                }
            }),
            _ => {}
        }
        let mut events = lock(&self.events);
        if events.len() >= BACKLOG {
            if let Some(oldest) = events.iter().position(|e| matches!(e, Event::Sample(_))) {
                let is_told = oldest > 0 && events[oldest - 1] == Event::SamplesLost;
                if is_told {
                    events.remove(oldest);
                } else {
                    events[oldest] = Event::SamplesLost;
                }
            } else if events.len() >= LIMIT {
                events.pop_front();
            }
        }
        events.push_back(event);
        drop(events);
        self.arrived.notify_one();
    }

    /// The next event. Cancel-safe: an event leaves the queue only when it is returned.
    pub(crate) async fn next(&self) -> Event {
        loop {
            if let Some(event) = lock(&self.events).pop_front() {
                return event;
            }
            self.arrived.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Sample, Value};

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
        let queue = EventQueue::new("x");
        queue.push(Event::Disconnected);
        for n in 0..1000 {
            queue.push(sample(n));
        }
        queue.push(Event::Renewed);
        let events = lock(&queue.events);
        assert_eq!(events.len(), BACKLOG + 1);
        assert_eq!(events.front(), Some(&Event::Disconnected));
        assert_eq!(events.get(1), Some(&Event::SamplesLost));
        assert_eq!(events.back(), Some(&Event::Renewed));
        assert_eq!(events.get(BACKLOG - 1), Some(&sample(999)));
    }

    #[test]
    fn a_server_that_reconnects_in_a_loop_does_not_fill_the_memory() {
        let queue = EventQueue::new("x");
        for _ in 0..10_000 {
            queue.push(Event::Disconnected);
        }
        queue.push(sample(1));
        let events = lock(&queue.events);
        assert_eq!((events.len(), events.back()), (LIMIT, Some(&sample(1))));
    }
}
