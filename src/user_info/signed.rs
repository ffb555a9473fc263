//! Whether a set of user info is signed, where a key is configured.

use super::rules::Verdict;
use crate::config::{Config, read_tag_keys};
use crate::domain::Readings;
use crate::domain::decision::Hold;
use crate::journal::{Journal, JournalError};
use jiff::Timestamp;

/// What the signature of a set proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// No key is configured
    NotRequired,
    /// One key holder has put all values together, and no newer set was accepted
    Valid,
    /// The set must not be served
    Invalid {
        /// Why
        reason: String,
        /// What helps
        remedy: String,
        /// The key file can't be used: the same set may be valid when it can
        may_pass: bool,
    },
}

impl SignatureCheck {
    /// Whether the set is signed as required.
    pub fn is_valid(&self) -> bool {
        *self == SignatureCheck::Valid
    }

    /// Whether the set must not be served, whatever else is known about it.
    pub fn is_invalid(&self) -> bool {
        matches!(self, SignatureCheck::Invalid { .. })
    }

    /// The verdict with a hold for a wrong signature, which no button releases.
    pub fn hold(&self, verdict: Verdict) -> Verdict {
        match (self, verdict) {
            (
                SignatureCheck::Invalid { reason, remedy, may_pass },
                Verdict::Group { experiment, mut holds },
            ) => {
                holds.insert(0, Hold { asked_again: *may_pass, ..Hold::tag_again(reason, remedy) });
                Verdict::Group { experiment, holds }
            }
            (_, verdict) => verdict,
        }
    }
}

/// Checks the signature of a set, and keeps the newest valid one in the journal, so that older ones are
/// replays.
///
/// The key file is read each time: a new key needs no restart. A file that can't be used makes every set
/// invalid.
///
/// # Errors
/// The journal's.
pub async fn check_signature(
    config: &Config,
    journal: &Journal,
    readings: &Readings,
) -> Result<SignatureCheck, JournalError> {
    let Some(file) = &config.rules.tag_key_file else { return Ok(SignatureCheck::NotRequired) };
    let keys = match read_tag_keys(file) {
        Ok(keys) => keys,
        Err(error) => {
            let reason = format!("The signature can't be checked: {error}");
            let remedy = "Correct the key file; the signature is then checked again".to_owned();
            return Ok(SignatureCheck::Invalid { reason, remedy, may_pass: true });
        }
    };
    let last = journal.signed_set().await?;
    let checked = keys.check(&config.epics.prefix, &readings.user_info(), last.as_ref(), Timestamp::now());
    match checked {
        Ok(set) => {
            if last.as_ref() != Some(&set) {
                journal.set_signed_set(&set).await?;
            }
            Ok(SignatureCheck::Valid)
        }
        Err(fault) => {
            let (reason, remedy) = (fault.to_string(), fault.remedy().to_owned());
            Ok(SignatureCheck::Invalid { reason, remedy, may_pass: false })
        }
    }
}
