//! Globus Auth and Transfer.
