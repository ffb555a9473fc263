//! The client against services on loopback.

mod calls;
mod sign_in;
mod stub;
