//! A local Globus.
