use crate::domain::FieldError;
use crate::journal::JournalError;

/// Why an experiment can't be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path can't be made from the experiment's fields
    #[error("{0}")]
    Field(#[from] FieldError),
    /// The journal can't be read
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// `Deliverer::accept` was called for a plan whose obstacles nobody approved
    #[error("{0}")]
    NotApproved(String),
}

/// A place that could not be inspected.
#[derive(Clone, Debug)]
pub struct UnreachablePlace {
    /// Its name
    pub place: String,
    /// Why
    pub reason: String,
}
