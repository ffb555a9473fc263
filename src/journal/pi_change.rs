//! Replacements of an experiment's principal investigator.

use super::{AcceptedBy, Journal, JournalError, now, to_word};
use crate::domain::EmailAddress;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

/// One replacement of an experiment's principal investigator by another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiChange {
    /// Its number, counting up
    pub number: i64,
    /// The experiment
    pub experiment: Uuid,
    /// The address that was replaced
    pub former: EmailAddress,
    /// The address that replaced it
    pub present: EmailAddress,
    /// How it was accepted
    pub accepted_by: AcceptedBy,
    /// When it was accepted
    pub changed_at: Timestamp,
    /// Whether everyone concerned was mailed about it
    pub is_mailed: bool,
}

impl Journal {
    pub(super) async fn write_pi_change(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        former: &EmailAddress,
        present: &EmailAddress,
        by: AcceptedBy,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO pi_change (number, experiment, former, present, accepted_by, changed_at, told) \
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, FALSE FROM pi_change",
        )
        .bind(experiment.to_string())
        .bind(former.username())
        .bind(present.username())
        .bind(to_word(by))
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The replacements of the experiment's principal investigator, oldest first.
    pub async fn pi_changes(&self, experiment: Uuid) -> Result<Vec<PiChange>, JournalError> {
        let rows = sqlx::query("SELECT * FROM pi_change WHERE experiment = $1 ORDER BY number")
            .bind(experiment.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.pi_change_row(row)).collect()
    }

    /// Records that everyone concerned was mailed about a replacement, or refused for good.
    pub async fn set_told(&self, change: i64) -> Result<(), JournalError> {
        sqlx::query("UPDATE pi_change SET told = TRUE WHERE number = $1")
            .bind(change)
            .execute(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        Ok(())
    }

    fn pi_change_row(&self, row: &SqliteRow) -> Result<PiChange, JournalError> {
        let address = |what, text: String| text.parse().map_err(|_| self.content(what, text));
        Ok(PiChange {
            number: row.get("number"),
            experiment: self.uuid("pi_change.experiment", row.get("experiment"))?,
            former: address("pi_change.former", row.get("former"))?,
            present: address("pi_change.present", row.get("present"))?,
            accepted_by: self.word("pi_change.accepted_by", row.get("accepted_by"))?,
            changed_at: self.time("pi_change.changed_at", row.get("changed_at"))?,
            is_mailed: row.get("told"),
        })
    }
}
