use super::claim::owner_key;
use super::{Cause, Claim, Conflict, Journal, JournalError, NewDelivery, now, to_json, to_word};
use crate::domain::{EmailAddress, Experiment, Owner, Readings, RelativePath};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::BTreeSet;
use uuid::Uuid;

/// How an experiment was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedBy {
    /// The service by itself, when the user info changed
    Auto,
    /// The operator pressed Approve
    Approve,
    /// The operator put 1 to Run
    Run,
    /// A verb of the command line
    Command,
}

impl From<AcceptedBy> for Cause {
    /// Why an experiment is delivered that was accepted by this.
    fn from(by: AcceptedBy) -> Cause {
        match by {
            AcceptedBy::Auto => Cause::UserInfo,
            AcceptedBy::Approve => Cause::Approve,
            AcceptedBy::Run => Cause::Run,
            AcceptedBy::Command => Cause::Command,
        }
    }
}

/// An experiment that was accepted.
#[derive(Clone, Debug)]
pub struct ExperimentRow {
    /// Its id, which a correction of the e-mail does not change
    pub id: Uuid,
    /// The user info, parsed
    pub experiment: Experiment,
    /// The first tree's path
    pub path: RelativePath,
    /// When it was last accepted
    pub accepted_at: Timestamp,
    /// How it was accepted
    pub accepted_by: AcceptedBy,
}

impl ExperimentRow {
    /// Whether user info names just this experiment: month, last name and address are those that were
    /// accepted. Proposal and path are compared by [`Journal::find_same`].
    pub fn is_named_by(&self, experiment: &Experiment) -> bool {
        self.experiment.pi_email == experiment.pi_email
            && self.experiment.pi_last_name == experiment.pi_last_name
            && self.experiment.year_month == experiment.year_month
    }

    /// Whether both are of the same proposal and principal investigator. Their directories do not conflict.
    pub fn is_same_group(&self, other: &ExperimentRow) -> bool {
        owner_key(&self.experiment.owner()) == owner_key(&other.experiment.owner())
            && self.experiment.pi_email == other.experiment.pi_email
    }
}

/// The acceptance that [`Journal::accept`] records.
#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    /// The experiment
    pub experiment: &'a Experiment,
    /// The readings of the PVs, the next set's baseline; `None` leaves the baseline as it is
    pub readings: Option<&'a Readings>,
    /// Who or what accepted it
    pub by: AcceptedBy,
    /// The first tree's path
    pub path: &'a RelativePath,
    /// Its directories in all places
    pub claims: &'a [Claim],
    /// The other experiments whose conflict with it an operator has approved
    pub approved: &'a [Uuid],
    /// The other experiments in its directories that only the same person reads
    pub same_readers: &'a [Uuid],
    /// The principal investigator's address that this one may replace: approved, or confirmed
    pub replaces: Option<&'a EmailAddress>,
}

/// The result of an [`Acceptance`].
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is in the journal, with a delivery that has yet to run
    Accepted {
        /// The experiment's id
        id: Uuid,
        /// The delivery's number; none where it was accepted by a verb of the command line, which delivers
        /// what it is asked to
        delivery: Option<i64>,
        /// The address that this one corrects
        corrected_from: Option<EmailAddress>,
    },
    /// Another experiment claimed one of its directories first, or its principal investigator has changed
    /// meanwhile; nothing was written
    Taken(Vec<Conflict>),
}

impl Journal {
    /// The accepted experiment that this one is: same owner, same first path. Where there is a proposal
    /// number, the e-mail can differ: that is a correction.
    pub async fn find_same(
        &self,
        owner: &Owner,
        first_path: &RelativePath,
    ) -> Result<Option<ExperimentRow>, JournalError> {
        let row = sqlx::query("SELECT * FROM experiment WHERE owner = $1 AND path_key = $2")
            .bind(owner_key(owner))
            .bind(first_path.key())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        row.map(|row| self.experiment_row(&row)).transpose()
    }

    /// The experiment of this id.
    pub async fn experiment(&self, id: Uuid) -> Result<Option<ExperimentRow>, JournalError> {
        let row = sqlx::query("SELECT * FROM experiment WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        row.map(|row| self.experiment_row(&row)).transpose()
    }

    /// The experiment that was accepted last.
    pub async fn latest_experiment(&self) -> Result<Option<ExperimentRow>, JournalError> {
        let row = sqlx::query("SELECT * FROM experiment ORDER BY accepted_at DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        row.map(|row| self.experiment_row(&row)).transpose()
    }

    /// All experiments, the one that was accepted last first.
    pub async fn experiments(&self) -> Result<Vec<ExperimentRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM experiment ORDER BY accepted_at DESC")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.experiment_row(row)).collect()
    }

    /// Records in one commit that the experiment is to be delivered: itself, its claims, the baseline and a
    /// delivery. The first claim on a directory wins: one made in between results in [`Accepted::Taken`].
    pub async fn accept(&self, acceptance: &Acceptance<'_>) -> Result<Accepted, JournalError> {
        let owner = acceptance.experiment.owner();
        let mut transaction = self.begin().await?;
        let same = sqlx::query("SELECT * FROM experiment WHERE owner = $1 AND path_key = $2")
            .bind(owner_key(&owner))
            .bind(acceptance.path.key())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|e| self.sql(e))?
            .map(|row| self.experiment_row(&row))
            .transpose()?;
        let id = same.as_ref().map_or_else(Uuid::new_v4, |row| row.id);
        let email = &acceptance.experiment.pi_email;
        let former = same.as_ref().map(|row| &row.experiment.pi_email).filter(|before| *before != email);
        if let (Some(row), true) = (&same, former.is_some() && former != acceptance.replaces) {
            return Ok(Accepted::Taken(vec![Conflict {
                experiment: row.id,
                named: row.experiment.clone(),
                path: row.path.clone(),
                wanted: acceptance.path.clone(),
            }]));
        }

        let held = self.claims_in(&mut transaction, id).await?;
        let mut conflicts = vec![];
        let mut seen = BTreeSet::new();
        for claim in acceptance.claims {
            // Directories that it has claimed before, in any place, are settled.
            let is_settled = held.iter().any(|held| held.path.key() == claim.path.key());
            if !is_settled && seen.insert(&claim.path) {
                let own = Some(id);
                conflicts.extend(
                    self.conflicts_in(&mut transaction, acceptance.experiment, own, &claim.path).await?,
                );
            }
        }
        let (approved, same_readers) = (acceptance.approved, acceptance.same_readers);
        conflicts.retain(|conflict: &Conflict| {
            !approved.contains(&conflict.experiment) && !same_readers.contains(&conflict.experiment)
        });
        if !conflicts.is_empty() {
            return Ok(Accepted::Taken(conflicts));
        }

        self.write_experiment(&mut transaction, id, acceptance).await?;
        for claim in acceptance.claims {
            self.write_claim(&mut transaction, id, claim).await?;
        }
        self.write_same_readers(&mut transaction, id, same_readers).await?;
        self.approve_readers(&mut transaction, id, approved).await?;
        if let Some(former) = former {
            self.write_pi_change(&mut transaction, id, former, email, acceptance.by).await?;
        }
        if let Some(readings) = acceptance.readings {
            self.write_baseline(&mut transaction, readings).await?;
        }
        let new = NewDelivery { experiment: id, cause: acceptance.by.into(), only: None, resend: false };
        let delivery = match acceptance.by {
            AcceptedBy::Command => None,
            _ => Some(self.begin_delivery_in(&mut transaction, &new).await?.number),
        };
        self.commit(transaction).await?;
        let corrected_from = former.cloned();
        Ok(Accepted::Accepted { id, delivery, corrected_from })
    }

    async fn write_experiment(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        id: Uuid,
        acceptance: &Acceptance<'_>,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO experiment (id, fields, owner, path, path_key, accepted_at, accepted_by, \
             first_accepted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $6) \
             ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, accepted_at = excluded.accepted_at, \
             accepted_by = excluded.accepted_by",
        )
        .bind(id.to_string())
        .bind(to_json(acceptance.experiment))
        .bind(owner_key(&acceptance.experiment.owner()))
        .bind(acceptance.path.as_str())
        .bind(acceptance.path.key())
        .bind(now())
        .bind(to_word(acceptance.by))
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    pub(super) fn experiment_row(&self, row: &SqliteRow) -> Result<ExperimentRow, JournalError> {
        Ok(ExperimentRow {
            id: self.uuid("experiment.id", row.get("id"))?,
            experiment: self.json("experiment.fields", row.get("fields"))?,
            path: self.path_of("experiment.path", row.get("path"))?,
            accepted_at: self.time("experiment.accepted_at", row.get("accepted_at"))?,
            accepted_by: self.word("experiment.accepted_by", row.get("accepted_by"))?,
        })
    }
}
