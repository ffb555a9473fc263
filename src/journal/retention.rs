use super::{AccessRow, Journal, JournalError, MessageState, now, to_word};
use crate::domain::EmailAddress;
use jiff::Timestamp;
use sqlx::Row;
use uuid::Uuid;

/// The reminder of one person that an access ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReminderRow {
    /// The experiment
    pub experiment: Uuid,
    /// The recipient
    pub recipient: EmailAddress,
    /// The end that it reminds of
    pub expires_at: Timestamp,
    /// Its Message-ID
    pub message_id: String,
    /// Its state; also refused where the access was removed before
    pub state: MessageState,
    /// The mail server's reply, or why it was not sent
    pub server_reply: String,
}

impl Journal {
    /// The start of the experiment's retention; `None` before its first access.
    pub async fn counted_from(&self, experiment: Uuid) -> Result<Option<Timestamp>, JournalError> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT counted_from FROM retention WHERE experiment = $1")
                .bind(experiment.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.sql(e))?;
        text.map(|text| self.time("retention.counted_from", text)).transpose()
    }

    /// Starts the experiment's retention at this time, unless it has started already. Returns its start.
    pub async fn count_from(&self, experiment: Uuid, from: Timestamp) -> Result<Timestamp, JournalError> {
        sqlx::query(
            "INSERT INTO retention (experiment, counted_from) VALUES ($1, $2) ON CONFLICT (experiment) DO \
             NOTHING",
        )
        .bind(experiment.to_string())
        .bind(from.to_string())
        .execute(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(self.counted_from(experiment).await?.unwrap_or(from))
    }

    /// All existing accesses that beamshare has given and that have an end.
    pub async fn ending_access(&self) -> Result<Vec<AccessRow>, JournalError> {
        let rows = sqlx::query(
            "SELECT * FROM access_rule WHERE state = 'granted' AND ours AND expires_at IS NOT NULL \
             ORDER BY experiment, email, path",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.access_row(row)).collect()
    }

    /// Writes a reminder or its new state. Its Message-ID never changes.
    pub async fn set_reminder(&self, row: &ReminderRow) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO reminder (experiment, recipient, expires_at, message_id, state, words, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (experiment, recipient, expires_at) DO UPDATE \
             SET state = excluded.state, words = excluded.words, changed_at = excluded.changed_at",
        )
        .bind(row.experiment.to_string())
        .bind(row.recipient.username())
        .bind(row.expires_at.to_string())
        .bind(&row.message_id)
        .bind(to_word(row.state))
        .bind(&row.server_reply)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The experiment's reminders, oldest first.
    pub async fn reminders(&self, experiment: Uuid) -> Result<Vec<ReminderRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM reminder WHERE experiment = $1 ORDER BY changed_at, recipient")
            .bind(experiment.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        let reminder = |row: &sqlx::sqlite::SqliteRow| {
            let recipient: String = row.get("recipient");
            Ok(ReminderRow {
                experiment,
                recipient: recipient.parse().map_err(|_| self.content("reminder.recipient", recipient))?,
                expires_at: self.time("reminder.expires_at", row.get("expires_at"))?,
                message_id: row.get("message_id"),
                state: self.word("reminder.state", row.get("state"))?,
                server_reply: row.get("words"),
            })
        };
        rows.iter().map(reminder).collect()
    }
}
