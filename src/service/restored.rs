use super::beamline_records::BeamlineRecords;
use super::common::Common;
use crate::journal::{JournalError, JournalMark};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long Globus may take to list the access rules before the service starts without them.
const GLOBUS_LIMIT: Duration = Duration::from_secs(3);

/// The number of directories that the screen names.
const MAX_NAMED: usize = 3;

/// Detects that an older state of the journal was restored, from a backup or with a whole virtual machine.
///
/// What was delivered since would be delivered and mailed again, and people who were removed since would get
/// their access back. So nothing is served until an operator has looked. Two copies of the journal's state
/// are compared: its mark in the record `JournalMark`, and the access rules on Globus, which are not restored
/// together with this machine.
#[derive(Default)]
pub(super) struct RestoreCheck {
    /// Why nothing is served
    reason: Option<String>,
    /// Whether Globus has answered since the start
    has_listed_rules: bool,
}

impl RestoreCheck {
    /// Why nothing is served; `None` without a sign of a restore.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Looks for signs of a restore before anything is served.
    pub async fn begin(&mut self, records: &BeamlineRecords, common: &Common) -> Result<(), JournalError> {
        self.reason = None;
        self.has_listed_rules = false;
        if let (Some(mark), Some(recorded)) = (common.journal.mark().await?, records.journal_mark().await)
            && mark.is_behind(&recorded)
        {
            self.hold(behind(&mark, &recorded));
            return Ok(());
        }
        self.compare_rules(common).await;
        Ok(())
    }

    /// Compares the access rules on Globus if they could not be listed at the start. Returns whether nothing
    /// may be served any more.
    pub async fn repeat(&mut self, common: &Common) -> bool {
        if !self.has_listed_rules {
            self.compare_rules(common).await;
        }
        self.reason.is_some()
    }

    async fn compare_rules(&mut self, common: &Common) {
        match tokio::time::timeout(GLOBUS_LIMIT, common.deliverer.shared_after_the_journal()).await {
            Ok(Ok(unknown)) => {
                self.has_listed_rules = true;
                if !unknown.is_empty() {
                    self.hold(shared_since(&unknown));
                }
            }
            Ok(Err(error)) => tracing::info!("the access rules are compared with the journal later: {error}"),
            Err(_) => {
                tracing::info!("the access rules are compared with the journal later: no answer from Globus")
            }
        }
    }

    fn hold(&mut self, reason: String) {
        tracing::error!("{reason}");
        self.reason = Some(reason);
    }

    /// The operator has looked, and lets the service continue with the journal as it is.
    pub async fn confirm(&mut self, common: &Common) -> Result<(), JournalError> {
        common.journal.confirm_state().await?;
        self.reason = None;
        self.has_listed_rules = true;
        Ok(())
    }

    /// Another process has the records now.
    pub fn end(&mut self) {
        self.reason = None;
    }
}

const REMEDY: &str =
    "Compare `beamshare history` with `beamshare permission list` (docs/operation.md), then press Approve";

fn behind(mark: &JournalMark, recorded: &JournalMark) -> String {
    format!(
        "An older journal was restored: it ends with delivery {}, and delivery {} was made. {REMEDY}",
        mark.delivery, recorded.delivery
    )
}

fn shared_since(unknown: &BTreeSet<String>) -> String {
    let named: Vec<_> = unknown.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = if unknown.len() > MAX_NAMED {
        format!(" and {} more", unknown.len() - MAX_NAMED)
    } else {
        String::new()
    };
    format!(
        "An older journal was restored, or others shared: {}{more} of Globus became readable after its \
         newest entry, and it does not know them. {REMEDY}",
        named.join(", ")
    )
}
