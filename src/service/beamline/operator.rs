//! The operator's buttons and switches.

use super::super::deliveries::OWNER;
use super::Beamline;
use crate::delivery::Options;
use crate::journal::{AcceptedBy, Cause, JournalError};
use crate::status::OperatorCommand;
use uuid::Uuid;

impl Beamline {
    /// Obeys a button or a switch.
    pub(super) async fn command(&mut self, command: OperatorCommand) -> Result<(), JournalError> {
        tracing::info!(?command, "from the screen");
        if self.journal_lost {
            self.log_ignored("nothing is served");
            return Ok(());
        }
        if self.restore_check.reason().is_some() {
            match command {
                OperatorCommand::Approve => return self.restore_confirmed().await,
                OperatorCommand::Run | OperatorCommand::Resend | OperatorCommand::Abort => {
                    self.log_ignored("nothing is served before Approve");
                    return Ok(());
                }
                OperatorCommand::Auto(_) | OperatorCommand::Pause(_) => {}
            }
        }
        match command {
            OperatorCommand::Auto(on) => {
                let has_changed = self.common.auto.replace(on) != Some(on);
                if has_changed && self.decision.depends_on_switches() {
                    self.judge_again().await?;
                }
                self.serve_people().await?;
            }
            OperatorCommand::Pause(paused) => {
                let has_changed = std::mem::replace(&mut self.common.paused, paused) != paused;
                self.deliveries.pause(paused);
                self.syncs.pause(paused);
                if has_changed && self.decision.depends_on_switches() {
                    self.judge_again().await?;
                }
            }
            OperatorCommand::Run => {
                if let Some(id) = self.decision.served() {
                    self.deliver_again(id, Options::all(Cause::Run, OWNER)).await?;
                } else if !self.decision.press(AcceptedBy::Run, &self.common) {
                    self.log_ignored("Run: there is no group to serve");
                }
            }
            OperatorCommand::Approve => {
                if !self.decision.press(AcceptedBy::Approve, &self.common) {
                    self.log_ignored("Approve: nothing is held");
                }
            }
            OperatorCommand::Resend => match self.decision.served() {
                Some(id) if !self.deliveries.is_running(id) => self.resend(id).await?,
                _ => self.log_ignored("Resend: no group was served, or its delivery still runs"),
            },
            OperatorCommand::Abort => self.deliveries.abort(),
        }
        Ok(())
    }

    fn log_ignored(&self, reason: &str) {
        let (status, message) = self.view().status();
        tracing::warn!("{reason}; {status}: {message}");
    }

    async fn resend(&mut self, id: Uuid) -> Result<(), JournalError> {
        let refused = self.common.deliverer.resend_refused().await?;
        if let Some(refused) = &refused {
            tracing::warn!("{refused}");
        }
        let is_refused = refused.is_some();
        self.notices.set_resend_refused(refused);
        if is_refused {
            return Ok(());
        }
        self.deliver_again(id, Options { resend: true, ..Options::all(Cause::Resend, OWNER) }).await
    }

    async fn deliver_again(&mut self, id: Uuid, options: Options) -> Result<(), JournalError> {
        let Some(row) = self.common.journal.experiment(id).await? else { return Ok(()) };
        self.deliver(id, &row.experiment, options).await
    }
}
