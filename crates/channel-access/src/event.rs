//! What happens on a channel.

use crate::value::{FieldType, Sample};

/// An event of a [`Channel`](crate::Channel), in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The PV was found, or found again. A [`Sample`](Event::Sample) follows.
    Connected(Connection),
    /// The IOC is gone. The channel reconnects by itself.
    Disconnected,
    /// The IOC's access security has changed what this client may do.
    AccessRights(Access),
    /// A value: the present one after each connection, then each change of value or alarm. Under load
    /// intermediate values may be dropped, the last one never.
    Sample(Sample),
    /// The reader was so slow that samples were dropped here, the oldest first.
    SamplesLost,
    /// The monitor was renewed by [`Channel::put_and_renew`](crate::Channel::put_and_renew): the IOC read
    /// each sample after this event after that put.
    Renewed,
    /// The IOC refused a put that nobody waits for. The text is libca's.
    PutFailed(String),
}

/// A connected PV, as its IOC describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Native type.
    pub field_type: FieldType,
    /// Elements that the PV can hold: 1 for a scalar.
    pub count: usize,
    /// What this client may do.
    pub access: Access,
    /// The IOC's address, `host:port`.
    pub host: String,
}

/// What the IOC's access security lets this client do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Access {
    pub read: bool,
    pub write: bool,
}
