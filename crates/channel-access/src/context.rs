//! The entrance to Channel Access.

use std::ffi::CString;
use std::sync::Arc;

use crate::channel::Channel;
use crate::error::CaError;
use crate::libca::Libca;
use crate::options::ChannelOptions;
use crate::queue::EventQueue;

/// Channel Access of this process: opens [`Channel`]s. Cheap to clone.
///
/// It ends, with its threads, when the last clone and the last channel are dropped.
#[derive(Clone)]
pub struct Context {
    libca: Libca,
}

impl Context {
    /// Starts Channel Access with the EPICS_CA_* settings of the environment, which libca reads now and never
    /// again. Runs a CA repeater in this process if the host has none.
    ///
    /// Without a setting of EPICS_CA_AUTO_ARRAY_BYTES, libca accepts no message larger than
    /// EPICS_CA_MAX_ARRAY_BYTES. It logs through `tracing` and no longer to stderr.
    ///
    /// # Errors
    /// [`CaError::Start`] if libca or the operating system refuses.
    pub fn new() -> Result<Self, CaError> {
        Ok(Self { libca: Libca::start()? })
    }

    /// Opens a channel to the PV `name` with the default options: it is searched for, connected and monitored
    /// from now on for as long as the channel lives, whether the PV exists already or not.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, ChannelOptions::default())
    }

    /// Opens a channel with other options.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn open(&self, name: &str, options: ChannelOptions) -> Result<Channel, CaError> {
        let bad = |reason| CaError::BadName { name: name.escape_debug().to_string(), reason };
        if name.is_empty() {
            return Err(bad("it is empty"));
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad("it contains a blank or a control character"));
        }
        let c_name = CString::new(name).map_err(|_| bad("it contains a NUL"))?;
        let queue = Arc::new(EventQueue::new(name));
        let id = self.libca.open(c_name, queue.clone(), options);
        Ok(Channel::new(id, queue, self.libca.clone()))
    }
}
