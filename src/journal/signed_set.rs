use super::{Journal, JournalError, now};
use crate::domain::SignedSet;
use sqlx::Row;

impl Journal {
    /// The newest set of user info whose signature was valid; `None` before the first.
    pub async fn signed_set(&self) -> Result<Option<SignedSet>, JournalError> {
        let row = sqlx::query("SELECT update_time, signature FROM signed_set WHERE only_row = 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        let Some(row) = row else { return Ok(None) };
        let time = self.time("signed_set.update_time", row.get("update_time"))?;
        Ok(Some(SignedSet { time, signature: row.get("signature") }))
    }

    /// Keeps a set whose signature was valid. A newer one that another process has kept meanwhile stays.
    pub async fn set_signed_set(&self, set: &SignedSet) -> Result<(), JournalError> {
        let mut transaction = self.begin().await?;
        let before: Option<String> =
            sqlx::query_scalar("SELECT update_time FROM signed_set WHERE only_row = 1")
                .fetch_optional(&mut *transaction)
                .await
                .map_err(|e| self.sql(e))?;
        let before = before.map(|text| self.time("signed_set.update_time", text)).transpose()?;
        if before.is_some_and(|before| before >= set.time) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO signed_set (only_row, update_time, signature, seen_at) VALUES (1, $1, $2, $3) \
             ON CONFLICT (only_row) DO UPDATE SET update_time = excluded.update_time, signature = \
             excluded.signature, seen_at = excluded.seen_at",
        )
        .bind(set.time.to_string())
        .bind(&set.signature)
        .bind(now())
        .execute(&mut *transaction)
        .await
        .map_err(|e| self.sql(e))?;
        self.commit(transaction).await
    }
}
