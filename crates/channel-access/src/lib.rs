#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![deny(unsafe_code)]

mod alarm;
mod channel;
mod context;
mod error;
mod event;
#[allow(unsafe_code)]
mod libca;
mod options;
mod queue;
mod sync;
mod text;
mod value;
mod wire;

pub use alarm::{AlarmStatus, Severity};
pub use channel::Channel;
pub use context::Context;
pub use error::{CaError, search_settings};
pub use event::{Access, Connection, Event};
pub use options::ChannelOptions;
pub use text::{Text, TextChannel, TextEvent};
pub use value::{FieldType, STRING_SIZE, Sample, Value};
