//! Data movement on real trees: what a walk and events bring into the manifest.

mod events;
mod model;
mod tree;
mod walk;
