//! Real directory trees: what scans and events bring into the manifest.

mod events;
mod model;
mod tree;
mod walk;
