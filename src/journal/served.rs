//! The people that each delivery served. The rows are never deleted.

use super::{GrantReason, Journal, JournalError, to_word};
use crate::domain::EmailAddress;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

/// The role in which a person was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The principal investigator
    Pi,
    /// Someone of the configuration's `share_with`
    Further,
    /// Someone of the proposal, by the schedule
    Scheduled,
    /// Someone whom `beamshare users add` named
    Added,
    /// Beamline staff, who get copies of the messages
    Contact,
}

impl From<GrantReason> for Role {
    fn from(reason: GrantReason) -> Role {
        match reason {
            GrantReason::Pi => Role::Pi,
            GrantReason::Further => Role::Further,
            GrantReason::Scheduled => Role::Scheduled,
            GrantReason::Added => Role::Added,
        }
    }
}

/// The effects of a delivery for one address. Rows written again add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedRow {
    /// The delivery's number
    pub delivery: i64,
    /// The address
    pub email: EmailAddress,
    /// The name, as far as it was known; may be empty
    pub name: String,
    /// The role
    pub role: Role,
    /// Whether the address has access, also from before
    pub shared: bool,
    /// Whether the mail server took a message to this address
    pub mailed: bool,
    /// Whether access that beamshare had given was taken back
    pub taken_back: bool,
}

impl ServedRow {
    /// A row without effects.
    pub fn new(delivery: i64, email: &EmailAddress, name: &str, role: Role) -> ServedRow {
        let (email, name) = (email.clone(), name.to_owned());
        ServedRow { delivery, email, name, role, shared: false, mailed: false, taken_back: false }
    }
}

impl Journal {
    pub(super) async fn write_served(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        row: &ServedRow,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO served (delivery, email, name, role, shared, mailed, taken_back) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (delivery, email) DO UPDATE SET \
             name = CASE WHEN excluded.name = '' THEN served.name ELSE excluded.name END, \
             role = CASE WHEN excluded.role = 'contact' THEN served.role ELSE excluded.role END, \
             shared = served.shared OR excluded.shared, mailed = served.mailed OR excluded.mailed, \
             taken_back = served.taken_back OR excluded.taken_back",
        )
        .bind(row.delivery)
        .bind(row.email.username())
        .bind(&row.name)
        .bind(to_word(row.role))
        .bind(row.shared)
        .bind(row.mailed)
        .bind(row.taken_back)
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The people that a delivery served, the principal investigator first. Also empty for deliveries of
    /// versions that did not record them.
    pub async fn served(&self, delivery: i64) -> Result<Vec<ServedRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM served WHERE delivery = $1 ORDER BY role <> 'pi', role, email")
            .bind(delivery)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.served_row(row)).collect()
    }

    fn served_row(&self, row: &SqliteRow) -> Result<ServedRow, JournalError> {
        let email: String = row.get("email");
        Ok(ServedRow {
            delivery: row.get("delivery"),
            email: email.parse().map_err(|_| self.content("served.email", email))?,
            name: row.get("name"),
            role: self.word("served.role", row.get("role"))?,
            shared: row.get("shared"),
            mailed: row.get("mailed"),
            taken_back: row.get("taken_back"),
        })
    }
}
