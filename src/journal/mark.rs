//! The journal's mark: which journal it is, and how far it has come. A copy of it that is kept elsewhere
//! shows whether an older state of the journal was restored.

use super::{Journal, JournalError, now};
use crate::domain::RelativePath;
use jiff::Timestamp;
use sqlx::{Row, Sqlite, Transaction};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The identity of a journal, and the number of its last delivery. The text is both, with a blank between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalMark {
    /// The journal
    pub journal: Uuid,
    /// The number of its last delivery
    pub delivery: i64,
}

impl JournalMark {
    /// Whether `other` is a later mark of the same journal.
    pub fn is_behind(&self, other: &JournalMark) -> bool {
        self.journal == other.journal && self.delivery < other.delivery
    }
}

impl fmt::Display for JournalMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.journal, self.delivery)
    }
}

impl FromStr for JournalMark {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mark = text.trim().split_once(' ').and_then(|(journal, delivery)| {
            Some(JournalMark { journal: journal.parse().ok()?, delivery: delivery.parse().ok()? })
        });
        mark.ok_or_else(|| format!("{text:?} is not the mark of a journal"))
    }
}

impl Journal {
    /// The present mark; `None` before the first delivery.
    pub async fn mark(&self) -> Result<Option<JournalMark>, JournalError> {
        let row = sqlx::query(
            "SELECT id, (SELECT MAX(number) FROM delivery) AS delivery FROM journal_identity WHERE only_row \
             = 1",
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        let Some(row) = row else { return Ok(None) };
        let journal = self.uuid("journal_identity.id", row.get("id"))?;
        let delivery: Option<i64> = row.get("delivery");
        Ok(delivery.map(|delivery| JournalMark { journal, delivery }))
    }

    /// Gives the journal an identity at its first delivery.
    pub(super) async fn identify(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO journal_identity (only_row, id) VALUES (1, $1) ON CONFLICT (only_row) DO NOTHING",
        )
        .bind(Uuid::new_v4().to_string())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// When the journal was last known to be complete: at its newest delivery, or when an operator confirmed
    /// its state. `None` in a journal without deliveries.
    pub async fn complete_until(&self) -> Result<Option<Timestamp>, JournalError> {
        let newest: Option<String> = sqlx::query_scalar(
            "SELECT MAX(at) FROM (SELECT MAX(started_at) AS at FROM delivery UNION ALL SELECT MAX(ended_at) \
             FROM delivery UNION ALL SELECT confirmed_at FROM journal_identity) AS times",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        newest.map(|text| self.time("delivery.ended_at", text)).transpose()
    }

    /// Records that an operator confirmed the state of the journal after a restore.
    pub async fn confirm_state(&self) -> Result<(), JournalError> {
        let mut transaction = self.begin().await?;
        self.identify(&mut transaction).await?;
        sqlx::query("UPDATE journal_identity SET confirmed_at = $1 WHERE only_row = 1")
            .bind(now())
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.sql(e))?;
        self.commit(transaction).await
    }

    /// The directories of all experiments, in any place.
    pub async fn directories(&self) -> Result<Vec<RelativePath>, JournalError> {
        let paths: Vec<String> = sqlx::query_scalar("SELECT DISTINCT path FROM claim")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        let parse =
            |text: String| RelativePath::try_from(text.clone()).map_err(|_| self.content("claim.path", text));
        paths.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_mark_of_the_same_journal_is_ahead() {
        let mark = |journal, delivery| JournalMark { journal: Uuid::from_u128(journal), delivery };
        assert!(mark(1, 4).is_behind(&mark(1, 5)));
        assert!(!mark(1, 5).is_behind(&mark(1, 5)) && !mark(1, 6).is_behind(&mark(1, 5)));
        assert!(!mark(1, 4).is_behind(&mark(2, 5)), "another journal was served here before");
        assert_eq!(mark(1, 5).to_string().parse(), Ok(mark(1, 5)));
        for text in
            ["", "5", "x 5", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001 x"]
        {
            assert!(text.parse::<JournalMark>().is_err(), "{text}");
        }
    }
}
