//! beamshare.
fn main() {}
