//! What is in a tree: directory by directory, never the whole at once.

mod listing;

pub use listing::{Entry, Kind, Listing, Stat};
