//! Data movement between collections: what was moved ([`manifest`]), how changes are found ([`walk`]).
//! docs/sync.md tells the whole.

pub mod manifest;
pub mod walk;
