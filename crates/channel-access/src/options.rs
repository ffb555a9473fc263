//! How a channel is opened.

/// Options of a [`Channel`](crate::Channel), for [`Context::open`](crate::Context::open).
///
/// ```
/// use channel_access::ChannelOptions;
///
/// let options = ChannelOptions { monitor: false, ..ChannelOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Read the state of an enum record as its label instead of its index. Default: false.
    pub enum_labels: bool,
    /// Subscribe to changes of value and alarm. Default: true.
    pub monitor: bool,
    /// Use a TCP circuit of its own instead of the one that all channels to an IOC share; required for
    /// [`Channel::put_and_renew`](crate::Channel::put_and_renew). Default: false.
    pub own_circuit: bool,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self { enum_labels: false, monitor: true, own_circuit: false }
    }
}
