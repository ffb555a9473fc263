use super::{Journal, JournalError, now, to_word};
use crate::config::Permissions;
use crate::domain::EmailAddress;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

/// Why a person has access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantReason {
    /// The principal investigator
    Pi,
    /// Someone of the configuration's `share_with`
    Further,
    /// Someone of the proposal, by the schedule
    Scheduled,
    /// Someone whom `beamshare users add` named
    Added,
}

/// The state of a person's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    /// No rule was there, and one is being made: an equal rule that is found after a kill is ours
    Wanted,
    /// The rule exists
    Granted,
    /// Our rule is being deleted
    Revoking,
    /// Our rule is gone
    Revoked,
}

/// A person's access to one directory of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// The experiment whose directory it is
    pub experiment: Uuid,
    /// The person's Globus identity
    pub identity: Uuid,
    /// The collection
    pub collection: Uuid,
    /// The directory on the collection
    pub path: String,
    /// The person's address
    pub email: EmailAddress,
    /// Why the person has access
    pub reason: GrantReason,
    /// The rule's permissions
    pub permissions: Permissions,
    /// The rule's id, once it is known
    pub rule: Option<String>,
    /// Whether beamshare made the rule; only then may it change or delete it
    pub ours: bool,
    /// When the rule ends; `None`: never
    pub expires_at: Option<Timestamp>,
    /// Its state
    pub state: AccessState,
}

impl Journal {
    pub(super) async fn write_access(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        row: &AccessRow,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO access_rule (experiment, identity, collection, path, email, holder, permissions, \
             rule, ours, expires_at, state, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
             $11, $12) ON CONFLICT (experiment, identity, collection, path) DO UPDATE SET email = \
             excluded.email, holder = excluded.holder, permissions = excluded.permissions, rule = \
             excluded.rule, ours = excluded.ours, expires_at = excluded.expires_at, state = excluded.state, \
             changed_at = excluded.changed_at",
        )
        .bind(row.experiment.to_string())
        .bind(row.identity.to_string())
        .bind(row.collection.to_string())
        .bind(&row.path)
        .bind(row.email.username())
        .bind(to_word(row.reason))
        .bind(to_word(row.permissions))
        .bind(&row.rule)
        .bind(row.ours)
        .bind(row.expires_at.map(|at| at.to_string()))
        .bind(to_word(row.state))
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The experiment's people and the state of their access, in the order of the last change.
    pub async fn access(&self, experiment: Uuid) -> Result<Vec<AccessRow>, JournalError> {
        let rows =
            sqlx::query("SELECT * FROM access_rule WHERE experiment = $1 ORDER BY changed_at, email, path")
                .bind(experiment.to_string())
                .fetch_all(&self.pool)
                .await
                .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.access_row(row)).collect()
    }

    /// The access that an access rule of a collection belongs to, if beamshare has recorded one.
    pub async fn access_by_rule(&self, collection: Uuid, rule: &str) -> Result<Vec<AccessRow>, JournalError> {
        let rows =
            sqlx::query("SELECT * FROM access_rule WHERE collection = $1 AND rule = $2 ORDER BY changed_at")
                .bind(collection.to_string())
                .bind(rule)
                .fetch_all(&self.pool)
                .await
                .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.access_row(row)).collect()
    }

    pub(super) fn access_row(&self, row: &SqliteRow) -> Result<AccessRow, JournalError> {
        let email: String = row.get("email");
        let expires_at: Option<String> = row.get("expires_at");
        Ok(AccessRow {
            experiment: self.uuid("access_rule.experiment", row.get("experiment"))?,
            identity: self.uuid("access_rule.identity", row.get("identity"))?,
            collection: self.uuid("access_rule.collection", row.get("collection"))?,
            path: row.get("path"),
            email: email.parse().map_err(|_| self.content("access_rule.email", email))?,
            reason: self.word("access_rule.holder", row.get("holder"))?,
            permissions: self.word("access_rule.permissions", row.get("permissions"))?,
            rule: row.get("rule"),
            ours: row.get("ours"),
            expires_at: expires_at.map(|text| self.time("access_rule.expires_at", text)).transpose()?,
            state: self.word("access_rule.state", row.get("state"))?,
        })
    }
}
