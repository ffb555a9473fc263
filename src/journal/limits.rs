//! The limits per hour of `[rules]`. The journal has the times that they count, so a restart does not reset a
//! limit.

use super::{Journal, JournalError, JournalRecord};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Sqlite, Transaction};

/// The limits are per hour.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Experiments that were accepted for the first time
    NewGroups,
    /// Messages, each recipient counted
    Messages,
    /// Deliveries that mailed everyone again
    Resends,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many more are allowed now
    pub left: u32,
    /// When at least one is allowed again, where none is left
    pub ends_at: Option<Timestamp>,
}

impl Journal {
    /// How much of a limit per hour is left at this moment.
    pub async fn allowance(&self, limited: Limited, per_hour: u32) -> Result<Allowance, JournalError> {
        let mut transaction = self.begin().await?;
        self.allowance_in(&mut transaction, limited, per_hour).await
    }

    async fn allowance_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        limited: Limited,
        per_hour: u32,
    ) -> Result<Allowance, JournalError> {
        let query = match limited {
            Limited::NewGroups => {
                "SELECT first_accepted_at FROM experiment WHERE first_accepted_at > $1 AND \
                 first_accepted_at <= $2 ORDER BY first_accepted_at"
            }
            Limited::Messages => {
                "SELECT changed_at FROM message WHERE changed_at > $1 AND changed_at <= $2 ORDER BY \
                 changed_at"
            }
            Limited::Resends => {
                "SELECT started_at FROM delivery WHERE cause = 'resend' AND started_at > $1 AND started_at \
                 <= $2 ORDER BY started_at"
            }
        };
        // Times after this moment don't count: a clock that stepped back must not extend a limit.
        let now = Timestamp::now();
        let times: Vec<String> = sqlx::query_scalar(query)
            .bind(format!("{:.6}", now - WINDOW))
            .bind(format!("{now:.6}"))
            .fetch_all(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        let (count, limit) = (times.len(), usize::try_from(per_hour).unwrap_or(usize::MAX));
        if count < limit {
            return Ok(Allowance { left: u32::try_from(limit - count).unwrap_or(u32::MAX), ends_at: None });
        }
        // The oldest that must leave the window; with a limit of 0 there may be none.
        let oldest = times.into_iter().nth(count - limit).map(|text| self.time("limit", text)).transpose()?;
        Ok(Allowance { left: 0, ends_at: Some(oldest.unwrap_or(now) + WINDOW) })
    }

    /// Writes records of new messages in one commit, if the limit leaves room for that many. Otherwise
    /// nothing is written, and the answer says how much is left.
    pub async fn record_messages(
        &self,
        records: &[JournalRecord<'_>],
        new: u32,
        per_hour: u32,
    ) -> Result<Result<(), Allowance>, JournalError> {
        let mut transaction = self.begin().await?;
        let allowance = self.allowance_in(&mut transaction, Limited::Messages, per_hour).await?;
        if new > allowance.left {
            return Ok(Err(allowance));
        }
        self.record_in(&mut transaction, records).await?;
        self.commit(transaction).await?;
        Ok(Ok(()))
    }
}
