//! EPICS: everything that knows Channel Access. The rest of the program sees only the domain's types.
//!
//! - [`CaContext`] makes [`Channel`]s: events, reads and writes of one PV, on libca.
//! - [`TextChannel`] reads and writes a text in any form in which sites keep one.
//! - [`StatusBoard`] keeps the records of db/beamshare.db at what beamshare has to say, and hears [`Commands`] there.
//! - [`Record`] names those records, with their types and states.
//!
//! libca reads EPICS_CA_ADDR_LIST and its kin from the environment when the [`CaContext`] is made.

mod actor;
mod board;
mod callbacks;
mod channel;
mod commands;
mod context;
mod error;
mod holder;
mod keeper;
mod lease;
mod moment;
mod records;
mod repeater;
mod run;
mod text;
mod value;

pub use board::{NotShown, StatusBoard};
pub use channel::{Access, Channel, Connection, Event};
pub use commands::{Command, Commands};
pub use context::CaContext;
pub use error::CaError;
pub use holder::holder_name;
pub use lease::Lease;
pub use records::{Kind, Record, STEP_STATES, Status};
pub use text::{Text, TextChannel, TextEvent};
pub use value::{AlarmStatus, FieldType, STRING_SIZE, Sample, Severity, Value};
