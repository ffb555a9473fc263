use super::{Manifest, ManifestError, now, parsed, some_parsed};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A pair's number in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairId(pub(super) i64);

impl PairId {
    /// The number, e.g. for the name of a lock.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// A directory on a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The collection's id
    pub collection: Uuid,
    /// The absolute path on it; a `/` at its end makes no difference
    pub path: String,
}

/// A pair as the configuration has it, its paths filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPair {
    /// What the configuration calls it
    pub name: String,
    /// The experiment that filled in the paths; none where they are fixed
    pub experiment: Option<Uuid>,
    /// Where files come from
    pub source: Place,
    /// Where they go
    pub destination: Place,
    /// The source's directory on this machine, where it is on this machine
    pub local: Option<PathBuf>,
}

/// A pair of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRow {
    /// Its number
    pub id: PairId,
    /// What it is, with no `/` at the end of its paths (but for `/` itself)
    pub pair: NewPair,
    /// When it was first asked for
    pub created_at: Timestamp,
    /// When the last whole walk ended
    pub walked_at: Option<Timestamp>,
    /// When its first task succeeded
    pub first_success_at: Option<Timestamp>,
    /// When its last successful task ended
    pub last_success_at: Option<Timestamp>,
    /// When the destination was last compared with what was sent
    pub compared_at: Option<Timestamp>,
    /// Stopped by hand since: nothing starts but a run by hand
    pub stopped_at: Option<Timestamp>,
    /// Nothing is looked for any more since
    pub closed_at: Option<Timestamp>,
}

impl Manifest {
    /// The pair of this source and destination, made where it is new. What it is called, whose it is and its
    /// local directory are brought up to date, and a closed pair is open again; its files stay what they are.
    pub async fn open_pair(&self, pair: &NewPair) -> Result<PairRow, ManifestError> {
        let pair = pair.clone();
        self.write(move |transaction| {
            let row = transaction
                .prepare_cached(
                    "INSERT INTO pair (name, experiment, source_collection, source_path, \
                     destination_collection, destination_path, local, created_at) VALUES (?1, ?2, ?3, ?4, \
                     ?5, ?6, ?7, ?8) ON CONFLICT (source_collection, source_path, destination_collection, \
                     destination_path) DO UPDATE SET name = excluded.name, experiment = \
                     excluded.experiment, local = excluded.local, closed_at = NULL RETURNING *",
                )?
                .query_row(
                    params![
                        pair.name,
                        pair.experiment.map(|id| id.to_string()),
                        pair.source.collection.to_string(),
                        without_slash(&pair.source.path),
                        pair.destination.collection.to_string(),
                        without_slash(&pair.destination.path),
                        pair.local.as_ref().map(|local| local.as_os_str().as_bytes()),
                        now(),
                    ],
                    read_pair,
                )?;
            Ok(row)
        })
        .await
    }

    /// All pairs in the order in which they were made, or only those that are not closed.
    pub async fn pairs(&self, closed_too: bool) -> Result<Vec<PairRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM pair WHERE ?1 OR closed_at IS NULL ORDER BY id")?
                .query_map([closed_too], read_pair)?
                .collect()
        })
        .await
    }

    /// The pair with this number.
    pub async fn pair(&self, pair: PairId) -> Result<Option<PairRow>, ManifestError> {
        self.read(move |transaction| find(transaction, pair)).await
    }

    /// Stops the pair by hand, or lets it go on.
    pub async fn set_stopped(&self, pair: PairId, stopped: bool) -> Result<(), ManifestError> {
        self.set_time(pair, "UPDATE pair SET stopped_at = ?2 WHERE id = ?1", stopped).await
    }

    /// The destination has been compared with what was sent.
    pub async fn set_compared(&self, pair: PairId) -> Result<(), ManifestError> {
        self.set_time(pair, "UPDATE pair SET compared_at = ?2 WHERE id = ?1", true).await
    }

    /// Ends the search for new files of this pair; [`Manifest::open_pair`] begins it again.
    pub async fn close_pair(&self, pair: PairId) -> Result<(), ManifestError> {
        self.set_time(pair, "UPDATE pair SET closed_at = ?2 WHERE id = ?1", true).await
    }

    async fn set_time(&self, pair: PairId, sql: &'static str, set: bool) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            transaction.prepare_cached(sql)?.execute(params![pair.0, set.then(now)])?;
            Ok(())
        })
        .await
    }
}

fn find(transaction: &Transaction<'_>, pair: PairId) -> rusqlite::Result<Option<PairRow>> {
    transaction.prepare_cached("SELECT * FROM pair WHERE id = ?1")?.query_row([pair.0], read_pair).optional()
}

fn read_pair(row: &Row<'_>) -> rusqlite::Result<PairRow> {
    let local: Option<Vec<u8>> = row.get("local")?;
    Ok(PairRow {
        id: PairId(row.get("id")?),
        pair: NewPair {
            name: row.get("name")?,
            experiment: some_parsed(row, "experiment")?,
            source: Place { collection: parsed(row, "source_collection")?, path: row.get("source_path")? },
            destination: Place {
                collection: parsed(row, "destination_collection")?,
                path: row.get("destination_path")?,
            },
            local: local.map(|local| Path::new(OsStr::from_bytes(&local)).to_owned()),
        },
        created_at: parsed(row, "created_at")?,
        walked_at: some_parsed(row, "walked_at")?,
        first_success_at: some_parsed(row, "first_success_at")?,
        last_success_at: some_parsed(row, "last_success_at")?,
        compared_at: some_parsed(row, "compared_at")?,
        stopped_at: some_parsed(row, "stopped_at")?,
        closed_at: some_parsed(row, "closed_at")?,
    })
}

fn without_slash(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}
