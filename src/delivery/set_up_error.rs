use crate::domain::StepError;
use crate::mail::{MailError, TemplateError};
use crate::schedule::ScheduleError;

/// Why deliveries can't be prepared: which file (a secret, a template) or section can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A place of `[directories]` or a collection
    #[error(transparent)]
    Place(#[from] StepError),
    /// The mail server of `[email]`
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A template of `[email]`
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The schedule of `[schedule]`
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}
