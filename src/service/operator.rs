//! What the operator's buttons and switches do.

use super::beamline::{Beamline, WHO};
use super::judging::ToPlan;
use super::situation::{Held, Press, Situation};
use crate::delivery::Options;
use crate::journal::{AcceptedBy, Cause, JournalError};
use crate::status::OperatorCommand;
use uuid::Uuid;

impl Beamline {
    pub(super) async fn command(&mut self, command: OperatorCommand) -> Result<(), JournalError> {
        tracing::info!(?command, "from the screen");
        if self.journal_lost {
            self.pressed_in_vain("nothing is served");
            return Ok(());
        }
        match command {
            OperatorCommand::Auto(on) => {
                let before = self.auto.replace(on);
                if before != Some(on)
                    && matches!(self.situation, Situation::Held(_) | Situation::Planning { .. })
                {
                    self.judge_again().await?;
                }
                self.serve_owed().await?;
            }
            OperatorCommand::Pause(paused) => {
                let before = std::mem::replace(&mut self.paused, paused);
                self.deliveries.pause(paused);
                self.syncs.pause(paused);
                if before != paused
                    && matches!(self.situation, Situation::Held(_) | Situation::Planning { .. })
                {
                    self.judge_again().await?;
                }
            }
            OperatorCommand::Run => match &self.situation {
                Situation::Held(held) => self.press(AcceptedBy::Run, Press::on(AcceptedBy::Run, held)),
                Situation::Served(id) => {
                    let id = *id;
                    self.deliver_again(id, Options::all(Cause::Run, WHO)).await?;
                }
                _ => self.pressed_in_vain("Run: there is no group to serve"),
            },
            OperatorCommand::Approve => match &self.situation {
                Situation::Held(held) => {
                    self.press(AcceptedBy::Approve, Press::on(AcceptedBy::Approve, held))
                }
                _ => self.pressed_in_vain("Approve: nothing is held"),
            },
            OperatorCommand::Resend => match self.situation {
                Situation::Served(id) if !self.deliveries.is_running(id) => {
                    self.resend_refused = self.deliverer.resend_refused().await?;
                    if let Some(refused) = &self.resend_refused {
                        tracing::warn!("{refused}");
                        return Ok(());
                    }
                    let options = Options { resend: true, ..Options::all(Cause::Resend, WHO) };
                    self.deliver_again(id, options).await?;
                }
                _ => self.pressed_in_vain("Resend: no group was served, or its delivery still runs"),
            },
            OperatorCommand::Abort => self.deliveries.abort(),
        }
        Ok(())
    }

    fn pressed_in_vain(&self, why: &str) {
        let (status, message) = self.status();
        tracing::warn!("{why}; {status}: {message}");
    }

    /// Plans again what is held: only what the screen said at the press is released by it.
    fn press(&mut self, by: AcceptedBy, press: Press) {
        if let Situation::Held(held) =
            std::mem::replace(&mut self.situation, Situation::Planning { pressed: true })
        {
            tracing::info!(?by, "{} is released by the operator", held.experiment);
            let Held { experiment, readings, holds, .. } = held;
            self.plan(ToPlan { press: Some(press), holds, ..ToPlan::accepted(experiment, readings) });
        }
    }

    async fn deliver_again(&mut self, id: Uuid, options: Options) -> Result<(), JournalError> {
        if let Some(row) = self.journal.experiment(id).await? {
            self.start_delivery(id, &row.experiment, options).await?;
        }
        Ok(())
    }
}
