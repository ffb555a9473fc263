//! The client against services on loopback.

mod calls;
mod limits;
mod listing;
mod native;
mod sign_in;
mod store;
mod stub;
mod tasks;
mod transfer;
mod world;
