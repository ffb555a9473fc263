//! Data movement between collections: what was moved ([`manifest`]), how changes are found ([`walk`], [`events`]).
//! docs/sync.md tells the whole.

pub mod beneath;
pub mod events;
pub mod manifest;
pub mod walk;
