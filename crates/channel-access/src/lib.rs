//! EPICS Channel Access for async Rust: a safe client on libca, EPICS's own C library.
//!
//! - [`Context`] makes [`Channel`]s: events, reads and writes of one PV.
//! - [`TextChannel`] reads and writes a text in any form in which sites keep one.
//!
//! libca reads EPICS_CA_ADDR_LIST and its kin from the environment when the [`Context`] is made.
#![warn(missing_docs)]

mod actor;
mod callbacks;
mod channel;
mod context;
mod error;
mod repeater;
mod text;
mod value;

pub use channel::{Access, Channel, Connection, Event};
pub use context::Context;
pub use error::{CaError, search_settings};
pub use text::{Text, TextChannel, TextEvent};
pub use value::{AlarmStatus, FieldType, STRING_SIZE, Sample, Severity, Value, until_nul};
