//! Experiments that share a directory without anybody's approval, since the same principal investigator alone
//! reads both.

use super::{Journal, JournalError};
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

impl Journal {
    /// The experiments that share a directory with this one because the same person alone reads both.
    pub async fn same_readers(&self, experiment: Uuid) -> Result<Vec<Uuid>, JournalError> {
        let rows = sqlx::query(
            "SELECT other FROM same_reader WHERE experiment = $1 \
             UNION SELECT experiment FROM same_reader WHERE other = $1",
        )
        .bind(experiment.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.uuid("same_reader", row.get(0))).collect()
    }

    pub(super) async fn write_same_readers(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        others: &[Uuid],
    ) -> Result<(), JournalError> {
        for other in others {
            sqlx::query(
                "INSERT INTO same_reader (experiment, other) VALUES ($1, $2) ON CONFLICT (experiment, \
                 other) DO NOTHING",
            )
            .bind(experiment.to_string())
            .bind(other.to_string())
            .execute(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        }
        Ok(())
    }

    /// An operator has approved that these experiments share a directory, whoever reads it.
    pub(super) async fn approve_readers(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        others: &[Uuid],
    ) -> Result<(), JournalError> {
        for other in others {
            sqlx::query(
                "DELETE FROM same_reader WHERE (experiment = $1 AND other = $2) OR (experiment = $2 AND \
                 other = $1)",
            )
            .bind(experiment.to_string())
            .bind(other.to_string())
            .execute(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        }
        Ok(())
    }
}
