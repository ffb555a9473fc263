use super::{ExperimentRow, Journal, JournalError, now, to_word};
use crate::domain::{Experiment, Step, StepStatus, Unit};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Why something is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// New or corrected user info
    UserInfo,
    /// Approve was pressed
    Approve,
    /// Run was put to 1
    Run,
    /// Resend was put to 1
    Resend,
    /// A verb of the command line
    Command,
    /// The schedule names other people than before
    Schedule,
    /// `beamshare users` has added or removed someone
    Users,
    /// The first files of a shared replica have arrived
    Sync,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Under way; or, where nobody holds the experiment's lock, killed and to be resumed
    Running,
    /// All requested steps are done
    Done,
    /// A step needs a person
    Failed,
    /// It would enter another group's directory; an operator must approve
    Held,
    /// Stopped by an operator
    Aborted,
}

/// The request that [`Journal::begin_delivery`] records.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// The experiment
    pub experiment: Uuid,
    /// The cause
    pub cause: Cause,
    /// The steps asked for; `None`: all
    pub only: Option<BTreeSet<Step>>,
    /// Whether those already mailed are mailed again
    pub resend: bool,
}

/// One delivery.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its number, counting up
    pub number: i64,
    /// The experiment
    pub experiment: Uuid,
    /// The experiment as it was when the delivery began; `None` where that was not recorded
    pub experiment_then: Option<Experiment>,
    /// The cause
    pub cause: Cause,
    /// The steps asked for; `None`: all
    pub only: Option<BTreeSet<Step>>,
    /// Which messages it sends: 0 for the first, n for the n-th resending
    pub resend_number: i64,
    /// Its state
    pub state: DeliveryState,
    /// The failure, for people; empty where there is none
    pub error: String,
    /// When it began
    pub started_at: Timestamp,
    /// When it ended
    pub ended_at: Option<Timestamp>,
}

/// The status of one unit of a step, to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct NewStep<'a> {
    /// The delivery's number
    pub delivery: i64,
    /// The step
    pub step: Step,
    /// The unit
    pub unit: &'a Unit,
    /// Its status
    pub status: StepStatus,
    /// The number of attempts
    pub attempts: u32,
    /// The operator's message
    pub message: &'a str,
}

/// The recorded status of one unit of a step in a delivery.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// The delivery's number
    pub delivery: i64,
    /// The step
    pub step: Step,
    /// The unit
    pub unit: Unit,
    /// Its status
    pub status: StepStatus,
    /// The number of attempts
    pub attempts: i64,
    /// The operator's message
    pub message: String,
    /// When it began
    pub started_at: Timestamp,
    /// When this was written
    pub changed_at: Timestamp,
}

impl DeliveryRow {
    /// Whether those already mailed are mailed again.
    pub fn resend(&self) -> bool {
        self.resend_number > 0
    }
}

impl Journal {
    /// Begins a delivery, or resumes an unfinished one of the same request. A delivery of all steps replaces
    /// others that were killed: they end as aborted, and the messages that they had still to resend become
    /// its own. A delivery of single steps leaves a killed one of all steps to be resumed.
    pub async fn begin_delivery(&self, new: &NewDelivery) -> Result<DeliveryRow, JournalError> {
        let mut transaction = self.begin().await?;
        let begun = sqlx::query(
            "SELECT * FROM delivery WHERE experiment = $1 AND state = 'running' ORDER BY number DESC",
        )
        .bind(new.experiment.to_string())
        .fetch_all(&mut *transaction)
        .await
        .map_err(|e| self.sql(e))?;
        // One of all steps that finds others beside its own takes all of them over.
        let alone = new.only.is_some() || begun.len() == 1;
        for begun in begun.iter().filter(|_| alone) {
            let begun = self.delivery_row(begun)?;
            if begun.cause == new.cause && begun.only == new.only && begun.resend() == new.resend {
                return Ok(begun);
            }
        }
        let row = self.begin_delivery_in(&mut transaction, new).await?;
        self.commit(transaction).await?;
        Ok(row)
    }

    pub(super) async fn begin_delivery_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        new: &NewDelivery,
    ) -> Result<DeliveryRow, JournalError> {
        self.identify(transaction).await?;
        let experiment = new.experiment.to_string();
        // A delivery of single steps takes over only from others of its kind.
        let takes_all = new.only.is_none();
        let owed: Option<i64> = sqlx::query_scalar(
            "SELECT MAX(generation) FROM delivery \
             WHERE experiment = $1 AND state = 'running' AND ($2 OR only_steps <> '')",
        )
        .bind(&experiment)
        .bind(takes_all)
        .fetch_one(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        sqlx::query(
            "UPDATE delivery SET state = 'aborted', ended_at = $3, error = 'taken over by the next delivery' \
             WHERE experiment = $1 AND state = 'running' AND ($2 OR only_steps <> '')",
        )
        .bind(&experiment)
        .bind(takes_all)
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        let resend_number = if new.resend {
            let last: i64 =
                sqlx::query_scalar("SELECT COALESCE(MAX(generation), 0) FROM delivery WHERE experiment = $1")
                    .bind(&experiment)
                    .fetch_one(&mut **transaction)
                    .await
                    .map_err(|e| self.sql(e))?;
            last + 1
        } else {
            owed.unwrap_or(0)
        };
        let only = new.only.iter().flatten().map(|step| step.to_string()).collect::<Vec<_>>().join(",");
        let row = sqlx::query(
            "INSERT INTO delivery (number, experiment, cause, only_steps, generation, state, error, \
             started_at, fields) SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, 'running', '', $5, \
             (SELECT fields FROM experiment WHERE id = $1) FROM delivery RETURNING *",
        )
        .bind(&experiment)
        .bind(to_word(new.cause))
        .bind(only)
        .bind(resend_number)
        .bind(now())
        .fetch_one(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        self.delivery_row(&row)
    }

    /// Ends a delivery.
    pub async fn end_delivery(
        &self,
        number: i64,
        state: DeliveryState,
        error: &str,
    ) -> Result<(), JournalError> {
        sqlx::query("UPDATE delivery SET state = $2, error = $3, ended_at = $4 WHERE number = $1")
            .bind(number)
            .bind(to_word(state))
            .bind(error)
            .bind(now())
            .execute(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The deliveries that were begun and have not ended: at start, those that a kill cut short. Oldest
    /// first.
    pub async fn unfinished(&self) -> Result<Vec<DeliveryRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM delivery WHERE state = 'running' ORDER BY number")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.delivery_row(row)).collect()
    }

    /// The experiment's deliveries, newest first.
    pub async fn deliveries_of(&self, experiment: Uuid) -> Result<Vec<DeliveryRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM delivery WHERE experiment = $1 ORDER BY number DESC")
            .bind(experiment.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.delivery_row(row)).collect()
    }

    /// The experiment's newest delivery.
    pub async fn last_delivery(&self, experiment: Uuid) -> Result<Option<DeliveryRow>, JournalError> {
        Ok(self.deliveries_of(experiment).await?.into_iter().next())
    }

    /// The experiment's newest delivery of all steps; those of single steps were asked for by hand.
    pub async fn last_whole_delivery(&self, experiment: Uuid) -> Result<Option<DeliveryRow>, JournalError> {
        Ok(self.deliveries_of(experiment).await?.into_iter().find(|delivery| delivery.only.is_none()))
    }

    /// The last deliveries of the beamline with their experiments, newest first.
    pub async fn history(&self, at_most: u32) -> Result<Vec<(DeliveryRow, ExperimentRow)>, JournalError> {
        self.history_before(None, at_most).await
    }

    /// The last deliveries with numbers below `before`, with their experiments, newest first.
    pub(super) async fn history_before(
        &self,
        before: Option<i64>,
        at_most: u32,
    ) -> Result<Vec<(DeliveryRow, ExperimentRow)>, JournalError> {
        let rows = sqlx::query("SELECT * FROM delivery WHERE number < $1 ORDER BY number DESC LIMIT $2")
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(at_most))
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        let mut history = Vec::with_capacity(rows.len());
        for row in &rows {
            let delivery = self.delivery_row(row)?;
            if let Some(experiment) = self.experiment(delivery.experiment).await? {
                history.push((delivery, experiment));
            }
        }
        Ok(history)
    }

    /// The groups that were delivered last, the newest first, each with its newest delivery.
    pub async fn recent_groups(
        &self,
        at_most: u32,
    ) -> Result<Vec<(DeliveryRow, ExperimentRow)>, JournalError> {
        let rows = sqlx::query(
            "SELECT * FROM delivery WHERE number IN (SELECT MAX(number) FROM delivery GROUP BY experiment) \
             ORDER BY number DESC LIMIT $1",
        )
        .bind(i64::from(at_most))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        let mut groups = Vec::with_capacity(rows.len());
        for row in &rows {
            let delivery = self.delivery_row(row)?;
            if let Some(experiment) = self.experiment(delivery.experiment).await? {
                groups.push((delivery, experiment));
            }
        }
        Ok(groups)
    }

    /// How many deliveries there were, and how many of them failed: RunCount and ErrorCount.
    pub async fn counts(&self) -> Result<(i64, i64), JournalError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS runs, COALESCE(SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0) AS \
             failures FROM delivery",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        Ok((row.get("runs"), row.get("failures")))
    }

    pub(super) async fn write_step(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        row: &NewStep<'_>,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO step (delivery, step, unit, status, attempts, message, started_at, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
             ON CONFLICT (delivery, step, unit) DO UPDATE SET status = excluded.status, \
             attempts = excluded.attempts, message = excluded.message, changed_at = excluded.changed_at",
        )
        .bind(row.delivery)
        .bind(row.step.to_string())
        .bind(row.unit.to_string())
        .bind(to_word(row.status))
        .bind(i64::from(row.attempts))
        .bind(row.message)
        .bind(now())
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    /// The newest row of each step and unit of the experiment's deliveries.
    pub async fn steps_of(&self, experiment: Uuid) -> Result<Vec<StepRow>, JournalError> {
        let rows = sqlx::query(
            "SELECT step.* FROM step JOIN (SELECT step.step AS step, step.unit AS unit, MAX(step.delivery) \
             AS delivery FROM step JOIN delivery ON delivery.number = step.delivery WHERE \
             delivery.experiment = $1 GROUP BY step.step, step.unit) newest \
             ON newest.step = step.step AND newest.unit = step.unit AND newest.delivery = step.delivery \
             ORDER BY step.started_at",
        )
        .bind(experiment.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.step_row(row)).collect()
    }

    /// The rows of one delivery, in the order in which they began.
    pub async fn steps_in(&self, delivery: i64) -> Result<Vec<StepRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM step WHERE delivery = $1 ORDER BY started_at")
            .bind(delivery)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.step_row(row)).collect()
    }

    fn delivery_row(&self, row: &SqliteRow) -> Result<DeliveryRow, JournalError> {
        let only: String = row.get("only_steps");
        let steps = only.split(',').filter(|step| !step.is_empty());
        let steps =
            steps.map(|step| self.word("delivery.only_steps", step.to_owned())).collect::<Result<_, _>>()?;
        let ended_at: Option<String> = row.get("ended_at");
        let fields: Option<String> = row.get("fields");
        Ok(DeliveryRow {
            number: row.get("number"),
            experiment: self.uuid("delivery.experiment", row.get("experiment"))?,
            experiment_then: fields.map(|fields| self.json("delivery.fields", fields)).transpose()?,
            cause: self.word("delivery.cause", row.get("cause"))?,
            only: (!only.is_empty()).then_some(steps),
            resend_number: row.get("generation"),
            state: self.word("delivery.state", row.get("state"))?,
            error: row.get("error"),
            started_at: self.time("delivery.started_at", row.get("started_at"))?,
            ended_at: ended_at.map(|text| self.time("delivery.ended_at", text)).transpose()?,
        })
    }

    fn step_row(&self, row: &SqliteRow) -> Result<StepRow, JournalError> {
        let step = self.word("step.step", row.get("step"))?;
        Ok(StepRow {
            delivery: row.get("delivery"),
            step,
            unit: Unit::parse(step, row.get("unit")),
            status: self.word("step.status", row.get("status"))?,
            attempts: row.get("attempts"),
            message: row.get("message"),
            started_at: self.time("step.started_at", row.get("started_at"))?,
            changed_at: self.time("step.changed_at", row.get("changed_at"))?,
        })
    }
}
