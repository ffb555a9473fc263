use super::{Journal, JournalError, now};
use crate::domain::Booking;
use jiff::Timestamp;
use sqlx::Row;
use uuid::Uuid;

impl Journal {
    /// Keeps the schedule's data on the experiment's beam time.
    pub async fn set_booking(&self, experiment: Uuid, booking: &Booking) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO booking (experiment, fields, heard_at) VALUES ($1, $2, $3) \
             ON CONFLICT (experiment) DO UPDATE SET fields = excluded.fields, heard_at = excluded.heard_at",
        )
        .bind(experiment.to_string())
        .bind(serde_json::to_string(booking).unwrap_or_default())
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The schedule's latest data, and when it was received.
    pub async fn booking(&self, experiment: Uuid) -> Result<Option<(Booking, Timestamp)>, JournalError> {
        let row = sqlx::query("SELECT * FROM booking WHERE experiment = $1")
            .bind(experiment.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        row.map(|row| {
            let booking = self.json("booking.fields", row.get("fields"))?;
            Ok((booking, self.time("booking.heard_at", row.get("heard_at"))?))
        })
        .transpose()
    }
}
