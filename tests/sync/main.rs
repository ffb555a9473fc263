//! Data movement between collections, against the simulator, which copies real trees.

#[path = "../support/mod.rs"]
mod support;

mod cleaning;
mod data_only;
mod hostile;
mod killed;
mod links;
mod moving;
mod site;
mod trouble;
