//! Experiments that share a directory without approval, since only their principal investigator reads both.

use super::{Journal, JournalError};
use sqlx::{Row, Sqlite, Transaction};
use uuid::Uuid;

impl Journal {
    /// The experiments that share a directory with this one because only the same person reads both.
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
        const INSERT: &str = "INSERT INTO same_reader (experiment, other) VALUES ($1, $2) ON CONFLICT \
                              (experiment, other) DO NOTHING";
        self.for_each_pair(INSERT, transaction, experiment, others).await
    }

    /// Records that an operator has approved that these experiments share a directory, whoever reads it.
    pub(super) async fn approve_readers(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        others: &[Uuid],
    ) -> Result<(), JournalError> {
        const DELETE: &str = "DELETE FROM same_reader \
                              WHERE (experiment = $1 AND other = $2) OR (experiment = $2 AND other = $1)";
        self.for_each_pair(DELETE, transaction, experiment, others).await
    }

    /// Executes a statement for the experiment ($1) and each of the others ($2).
    async fn for_each_pair(
        &self,
        statement: &'static str,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        others: &[Uuid],
    ) -> Result<(), JournalError> {
        for other in others {
            sqlx::query(statement)
                .bind(experiment.to_string())
                .bind(other.to_string())
                .execute(&mut **transaction)
                .await
                .map_err(|e| self.sql(e))?;
        }
        Ok(())
    }
}
