//! User-info PVs -> a settled, complete, valid experiment.
