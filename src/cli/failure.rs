use beamshare::config::ConfigError;
use beamshare::journal::JournalError;
use beamshare::log::LogError;
use beamshare::schedule::ScheduleError;
use beamshare::schedule::tag::TagError;
use channel_access::CaError;
use std::process::ExitCode;

/// The exit codes that `beamshare --help` documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done
    Done = 0,
    /// Failed
    Failed = 1,
    /// Wrong use, or a mistake in the settings
    Usage = 2,
    /// An operator must approve
    Held = 3,
    /// No experiment, or nothing recorded
    Nothing = 4,
    /// A service is away
    Away = 5,
    /// The journal can't be used until somebody puts it right
    Journal = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb ends early: what the user reads, and the exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn failed(message: impl ToString) -> Failure {
        Failure { exit: Exit::Failed, message: message.to_string() }
    }

    pub fn usage(message: impl ToString) -> Failure {
        Failure { exit: Exit::Usage, message: message.to_string() }
    }

    pub fn away(message: impl ToString) -> Failure {
        Failure { exit: Exit::Away, message: message.to_string() }
    }

    pub fn nothing(message: impl ToString) -> Failure {
        Failure { exit: Exit::Nothing, message: message.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        let head = "the settings can't be used:";
        Failure::usage(format!("{head}\n{error}"))
    }
}

impl From<CaError> for Failure {
    fn from(error: CaError) -> Failure {
        match error {
            CaError::NotConnected { .. } | CaError::Disconnected { .. } | CaError::Timeout { .. } => {
                Failure::away(error)
            }
            CaError::BadName { .. } => Failure::usage(error),
            _ => Failure::failed(error),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        let exit = match error {
            JournalError::Damaged { .. } | JournalError::Newer { .. } => Exit::Journal,
            _ => Exit::Failed,
        };
        Failure { exit, message: error.to_string() }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        match error {
            LogError::Filter { .. } => Failure::usage(error),
            _ => Failure::failed(error),
        }
    }
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Failure {
        match error {
            ScheduleError::NoAnswer { .. } => Failure::away(error),
            ScheduleError::Secret(_) | ScheduleError::NoSuchBeamline { .. } | ScheduleError::Days { .. } => {
                Failure::usage(error)
            }
            _ => Failure::failed(error),
        }
    }
}

impl From<TagError> for Failure {
    fn from(error: TagError) -> Failure {
        let message = error.to_string();
        let exit = match error {
            TagError::NotReady(error) | TagError::HalfPut { error, .. } => Failure::from(error).exit,
            TagError::NoRoom { .. } | TagError::NotConfirmed { .. } => Exit::Failed,
        };
        Failure { exit, message }
    }
}
