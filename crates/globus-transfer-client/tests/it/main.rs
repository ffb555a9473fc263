//! The client against services on loopback.
#![recursion_limit = "256"]

mod calls;
mod limits;
mod listing;
mod native;
mod shapes;
mod sign_in;
mod store;
mod stub;
mod tasks;
mod transfer;
mod world;
