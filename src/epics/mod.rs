//! EPICS: everything that knows Channel Access.
//!
//! - [`CaContext`] makes [`Channel`]s: events, reads and writes of one PV, on libca.
//! - [`TextChannel`] reads and writes a text in any form in which sites keep one.
mod channel;
mod context;
mod error;
mod repeater;
mod text;
mod value;

pub use channel::{Access, Channel, Connection, Event};
pub use context::CaContext;
pub use error::CaError;
pub use text::{Text, TextChannel, TextEvent};
pub use value::{AlarmStatus, FieldType, STRING_SIZE, Sample, Severity, Value};
