//! The simulator, one API area a file.

mod auth;
mod beamline;
mod faults;
mod files;
mod gcs;
mod official;
mod program;
mod search;
mod sharing;
mod sign_in;
mod tasks;
