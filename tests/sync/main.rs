//! Data movement on real trees: what a walk and events bring into the manifest, and what the engine makes of it against
//! the simulator, which copies.

#[path = "../support/mod.rs"]
mod support;

mod cleaning;
mod events;
mod hostile;
mod killed;
mod links;
mod model;
mod moving;
mod site;
mod tree;
mod trouble;
mod walk;
