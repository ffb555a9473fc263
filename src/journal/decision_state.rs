use super::{Journal, JournalError, now, to_json};
use crate::domain::Readings;
use crate::domain::decision::{DecisionState, Watched, Window};
use sqlx::{Row, Sqlite, Transaction};

impl Journal {
    /// The state that decisions depend on; empty in a new journal.
    pub async fn decision_state(&self) -> Result<DecisionState, JournalError> {
        let row =
            sqlx::query("SELECT baseline, whole, orders, watched FROM decision_state WHERE only_row = 1")
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.sql(e))?;
        let Some(row) = row else { return Ok(DecisionState::default()) };
        let column = |name| row.get::<Option<String>, _>(name);
        let mut state = DecisionState {
            baseline: column("baseline")
                .map(|text| self.json("decision_state.baseline", text))
                .transpose()?,
            whole: column("whole").map(|text| self.json("decision_state.whole", text)).transpose()?,
            orders: column("orders")
                .map(|text| self.json("decision_state.orders", text))
                .transpose()?
                .unwrap_or_default(),
            watched: column("watched").map(|text| self.json("decision_state.watched", text)).transpose()?,
        };
        if state.watched.is_none() {
            // Of an earlier version: the baseline was quiet when it was accepted.
            state.watched =
                state.baseline.clone().map(|readings| Watched { readings, window: Window::at_rest() });
        }
        Ok(state)
    }

    /// Stores the whole state.
    pub async fn set_decision_state(&self, state: &DecisionState) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO decision_state (only_row, baseline, whole, orders, watched, changed_at) \
             VALUES (1, $1, $2, $3, $4, $5) \
             ON CONFLICT (only_row) DO UPDATE SET baseline = excluded.baseline, whole = excluded.whole, \
             orders = excluded.orders, watched = excluded.watched, changed_at = excluded.changed_at",
        )
        .bind(state.baseline.as_ref().map(to_json))
        .bind(state.whole.as_ref().map(to_json))
        .bind(to_json(&state.orders))
        .bind(state.watched.as_ref().map(to_json))
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// Keeps the PVs as they were last observed.
    pub async fn set_watched(&self, watched: &Watched) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO decision_state (only_row, watched, changed_at) VALUES (1, $1, $2) \
             ON CONFLICT (only_row) DO UPDATE SET watched = excluded.watched, changed_at = \
             excluded.changed_at",
        )
        .bind(to_json(watched))
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// Keeps the set that is being accepted, with which the next one is compared.
    pub(super) async fn write_baseline(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        readings: &Readings,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO decision_state (only_row, baseline, changed_at) VALUES (1, $1, $2) \
             ON CONFLICT (only_row) DO UPDATE SET baseline = excluded.baseline, changed_at = \
             excluded.changed_at",
        )
        .bind(to_json(readings))
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }
}
