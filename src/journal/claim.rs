use super::{Journal, JournalError, now, to_word};
use crate::domain::{Experiment, Owner, RelativePath};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The state of a claim on a directory, in the order in which it advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// Claimed by name; the directory is still to be inspected before anything is made or shared
    Claimed,
    /// An operator has approved that the experiment enters it, whatever it contains
    Approved,
    /// Inspected and being made; after a kill, the content is ours
    Making,
    /// Made, and ours
    Made,
}

/// A directory that belongs to an experiment in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The place's name
    pub place: String,
    /// The path below the place's top directory
    pub path: RelativePath,
    /// Its state
    pub state: ClaimState,
}

/// A path that another owner's experiment has.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The other experiment's id
    pub experiment: Uuid,
    /// The other experiment
    pub named: Experiment,
    /// Its path
    pub path: RelativePath,
    /// The path that was asked for: the same, or one above or below
    pub wanted: RelativePath,
}

impl Journal {
    /// The claims of other experiments on this path, on one above it or on one below it, in any place: places
    /// get renamed and often show one file system. Capitals make no difference. `own` is the experiment's id,
    /// where it has one. Other experiments of the same proposal and principal investigator do not conflict,
    /// nor do those that were accepted because only one person reads both.
    pub async fn conflicts(
        &self,
        experiment: &Experiment,
        own: Option<Uuid>,
        path: &RelativePath,
    ) -> Result<Vec<Conflict>, JournalError> {
        let mut transaction = self.begin().await?;
        let conflicts = self.conflicts_in(&mut transaction, experiment, own, path).await?;
        self.commit(transaction).await?;
        Ok(conflicts)
    }

    pub(super) async fn conflicts_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: &Experiment,
        own: Option<Uuid>,
        path: &RelativePath,
    ) -> Result<Vec<Conflict>, JournalError> {
        let rows = sqlx::query(
            "SELECT DISTINCT claim.path AS claimed_path, experiment.id AS id, experiment.fields AS fields, \
             experiment.owner AS owner FROM claim JOIN experiment ON experiment.id = claim.experiment \
             WHERE experiment.id <> $1 AND NOT EXISTS (SELECT 1 FROM same_reader \
             WHERE (same_reader.experiment = $1 AND same_reader.other = experiment.id) \
             OR (same_reader.other = $1 AND same_reader.experiment = experiment.id)) AND (claim.path_key = \
             $2 OR substr(claim.path_key, 1, length($2) + 1) = $2 || '/' \
             OR substr($2, 1, length(claim.path_key) + 1) = claim.path_key || '/') \
             ORDER BY experiment.accepted_at, claim.path",
        )
        .bind(own.map(|id| id.to_string()).unwrap_or_default())
        .bind(path.key())
        .fetch_all(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        let owner = owner_key(&experiment.owner());
        let mut conflicts = vec![];
        for row in &rows {
            let named: Experiment = self.json("experiment.fields", row.get("fields"))?;
            let is_same = row.get::<String, _>("owner") == owner && named.pi_email == experiment.pi_email;
            if !is_same {
                conflicts.push(Conflict {
                    experiment: self.uuid("experiment.id", row.get("id"))?,
                    named,
                    path: self.path_of("claim.path", row.get("claimed_path"))?,
                    wanted: path.clone(),
                });
            }
        }
        Ok(conflicts)
    }

    /// Claims for an accepted experiment the paths and places that changed settings have added. If another
    /// experiment has one of the paths, nothing is claimed.
    pub async fn claim_added(
        &self,
        id: Uuid,
        experiment: &Experiment,
        wanted: &[(String, RelativePath)],
    ) -> Result<Vec<Conflict>, JournalError> {
        let mut transaction = self.begin().await?;
        let held = self.claims_in(&mut transaction, id).await?;
        let mut conflicts = vec![];
        let mut seen = BTreeSet::new();
        for (place, path) in wanted {
            let at_path = || held.iter().filter(|held| held.path.key() == path.key());
            if at_path().any(|held| held.place == *place) {
                continue;
            }
            if at_path().next().is_none() && seen.insert(path) {
                conflicts.extend(self.conflicts_in(&mut transaction, experiment, Some(id), path).await?);
            }
            let claim = Claim { place: place.clone(), path: path.clone(), state: ClaimState::Claimed };
            self.write_claim(&mut transaction, id, &claim).await?;
        }
        if conflicts.is_empty() {
            self.commit(transaction).await?;
        }
        Ok(conflicts)
    }

    /// The experiment's claims.
    pub async fn claims(&self, experiment: Uuid) -> Result<Vec<Claim>, JournalError> {
        let rows = sqlx::query("SELECT * FROM claim WHERE experiment = $1 ORDER BY place, path_key")
            .bind(experiment.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.claim_row(row)).collect()
    }

    pub(super) async fn claims_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
    ) -> Result<Vec<Claim>, JournalError> {
        let rows = sqlx::query("SELECT * FROM claim WHERE experiment = $1")
            .bind(experiment.to_string())
            .fetch_all(&mut **transaction)
            .await
            .map_err(|e| self.sql(e))?;
        rows.iter().map(|row| self.claim_row(row)).collect()
    }

    /// Writes a claim. An existing one changes only from claimed to approved, since an acceptance never sets
    /// a state back.
    pub(super) async fn write_claim(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        claim: &Claim,
    ) -> Result<(), JournalError> {
        self.upsert_claim(transaction, experiment, claim, false).await
    }

    /// Writes a claim, or the new state of an existing one.
    pub(super) async fn set_claim(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        claim: &Claim,
    ) -> Result<(), JournalError> {
        self.upsert_claim(transaction, experiment, claim, true).await
    }

    async fn upsert_claim(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        experiment: Uuid,
        claim: &Claim,
        sets_any_state: bool,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO claim (place, path, path_key, experiment, state, changed_at)              VALUES \
             ($1, $2, $3, $4, $5, $6)              ON CONFLICT (place, path_key, experiment) DO \
             UPDATE              SET state = excluded.state, changed_at = excluded.changed_at              \
             WHERE $7 OR (claim.state = 'claimed' AND excluded.state = 'approved')",
        )
        .bind(&claim.place)
        .bind(claim.path.as_str())
        .bind(claim.path.key())
        .bind(experiment.to_string())
        .bind(to_word(claim.state))
        .bind(now())
        .bind(sets_any_state)
        .execute(&mut **transaction)
        .await
        .map_err(|e| self.sql(e))?;
        Ok(())
    }

    fn claim_row(&self, row: &SqliteRow) -> Result<Claim, JournalError> {
        Ok(Claim {
            place: row.get("place"),
            path: self.path_of("claim.path", row.get("path"))?,
            state: self.word("claim.state", row.get("state"))?,
        })
    }

    pub(super) fn path_of(&self, what: &'static str, text: String) -> Result<RelativePath, JournalError> {
        RelativePath::try_from(text.clone()).map_err(|_| self.content(what, text))
    }
}

/// The owner as the journal stores it; capitals make no difference.
pub(super) fn owner_key(owner: &Owner) -> String {
    match owner {
        Owner::Proposal(number) => format!("proposal {}", number.trim().to_lowercase()),
        Owner::Email(address) => format!("e-mail {}", address.username()),
    }
}
