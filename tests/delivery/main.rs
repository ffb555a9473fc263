//! Deliveries on real parts: directories, the Globus simulator, mail into files, SQLite, kill -9.

mod beamline;
mod controls;
mod crash;
mod faults;
mod obstacles;
mod whole;
