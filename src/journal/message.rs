use super::{Journal, JournalError, now, to_word};
use crate::domain::EmailAddress;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::fmt;
use uuid::Uuid;

/// The state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It is being sent; after a kill it is sent again under the same Message-ID
    Writing,
    /// The mail server has taken it
    Sent,
    /// The mail server refuses it for good
    Refused,
}

/// The subject of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MessageKind {
    /// The experiment's data, in its first directory
    Data,
    /// A copy of the data, by where it is: the place's name in the claims, and the path below it
    Copy(String),
    /// The replacement of the principal investigator, by its number
    PiChange(i64),
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageKind::Data => f.write_str("data"),
            MessageKind::Copy(place) => write!(f, "copy {place}"),
            MessageKind::PiChange(number) => write!(f, "pi_change {number}"),
        }
    }
}

impl From<MessageKind> for String {
    fn from(kind: MessageKind) -> String {
        kind.to_string()
    }
}

impl TryFrom<String> for MessageKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "data" => Ok(MessageKind::Data),
            Some(("copy", place)) => Ok(MessageKind::Copy(place.to_owned())),
            Some(("pi_change", number)) if number.parse::<i64>().is_ok() => {
                Ok(MessageKind::PiChange(number.parse().unwrap_or_default()))
            }
            _ => Err(format!("{text:?} is no kind of message")),
        }
    }
}

/// One copy of a message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// The experiment
    pub experiment: Uuid,
    /// The subject
    pub kind: MessageKind,
    /// The person to whom it is written
    pub addressee: EmailAddress,
    /// The recipient of this copy
    pub recipient: EmailAddress,
    /// 0 for the first message, n for the n-th resending
    pub resend_number: i64,
    /// Its Message-ID, without angle brackets
    pub message_id: String,
    /// Its state
    pub state: MessageState,
    /// The mail server's reply
    pub server_reply: String,
}

impl Journal {
    pub(super) async fn write_message(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        row: &MessageRow,
    ) -> Result<(), JournalError> {
        // The Message-ID never changes once it is written: mail programs recognize a second sending by it.
        sqlx::query(
            "INSERT INTO message (experiment, kind, addressee, recipient, generation, message_id, state, \
             words, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (experiment, kind, addressee, recipient, generation) DO UPDATE SET \
             state = excluded.state, words = excluded.words, changed_at = excluded.changed_at",
        )
        .bind(row.experiment.to_string())
        .bind(row.kind.to_string())
        .bind(row.addressee.username())
        .bind(row.recipient.username())
        .bind(row.resend_number)
        .bind(&row.message_id)
        .bind(to_word(row.state))
        .bind(&row.server_reply)
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The experiment's messages, oldest generation first.
    pub async fn messages(&self, experiment: Uuid) -> Result<Vec<MessageRow>, JournalError> {
        let rows = sqlx::query(
            "SELECT * FROM message WHERE experiment = $1 ORDER BY generation, changed_at, recipient",
        )
        .bind(experiment.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.message_row(row)).collect()
    }

    fn message_row(&self, row: &SqliteRow) -> Result<MessageRow, JournalError> {
        let address = |what, text: String| text.parse().map_err(|_| self.content(what, text));
        Ok(MessageRow {
            experiment: self.uuid("message.experiment", row.get("experiment"))?,
            kind: self.word("message.kind", row.get("kind"))?,
            addressee: address("message.addressee", row.get("addressee"))?,
            recipient: address("message.recipient", row.get("recipient"))?,
            resend_number: row.get("generation"),
            message_id: row.get("message_id"),
            state: self.word("message.state", row.get("state"))?,
            server_reply: row.get("words"),
        })
    }
}
