//! Real parts for the tests.
#![allow(dead_code)] // each test binary uses some of it
pub mod ioc;
