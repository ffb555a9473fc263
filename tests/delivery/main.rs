//! Deliveries on real parts: directories, the Globus simulator, mail into files, SQLite, kill -9.

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod beamline;
mod controls;
mod copies;
mod crash;
mod faults;
mod hooks;
mod hosts;
mod mail;
mod obstacles;
mod people;
mod retention;
mod whole;
mod words;
