use crate::delivery::ResendRefused;
use crate::journal::{Journal, JournalError, SPACE_LOW};
use jiff::Timestamp;

/// What an operator should know beside the state of the group; appended to the status message.
#[derive(Default)]
pub(super) struct Notices {
    /// The journal's disk is almost full
    space_low: Option<String>,
    /// The last edit of the configuration was rejected: why
    config_error: Option<String>,
    /// The last press of Resend was refused; shown until the limit ends
    resend_refused: Option<ResendRefused>,
}

impl Notices {
    /// Looks at the free space of the journal's disk: a full disk stops deliveries, so it is reported while
    /// there is time.
    pub fn check_space(&mut self, journal: &Journal) -> Result<(), JournalError> {
        let free = journal.free_space()?;
        let low = (free < SPACE_LOW).then(|| {
            let path = journal.path().display();
            format!("Only {} MB are left on the disk of the journal {path}: make room", free >> 20)
        });
        if let (Some(low), None) = (&low, &self.space_low) {
            tracing::warn!("{low}");
        }
        self.space_low = low;
        Ok(())
    }

    pub fn set_config_error(&mut self, error: Option<String>) {
        self.config_error = error;
    }

    pub fn set_resend_refused(&mut self, refused: Option<ResendRefused>) {
        self.resend_refused = refused;
    }

    /// The notices that are valid now.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.space_low.iter().cloned().collect();
        if let Some(error) = &self.config_error {
            sentences.push(format!("Edit of the configuration not in force: {error}"));
        }
        let refused = self.resend_refused.as_ref().filter(|refused| refused.ends_at > Timestamp::now());
        sentences.extend(refused.map(ToString::to_string));
        sentences
    }
}
