//! The client against services on loopback.
#![recursion_limit = "256"]

mod calls;
mod gcs;
mod limits;
mod listing;
mod native;
mod services;
mod shapes;
mod sign_in;
mod store;
mod stub;
mod tasks;
mod transcript;
mod transfer;
mod world;
