//! The rows of a pair's directories.

use super::PairId;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::BTreeSet;

/// Updates which of these directories hold new files.
pub(super) fn set_has_new(transaction: &Transaction<'_>, directories: BTreeSet<i64>) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE directory SET has_new = EXISTS (SELECT 1 FROM file WHERE directory = ?1 AND state = 0) \
         WHERE id = ?1",
    )?;
    for directory in directories {
        statement.execute([directory])?;
    }
    Ok(())
}

/// The numbers of a pair's directories. Files come directory by directory, so the last one is often the next
/// one.
pub(super) struct Directories<'t> {
    pair: PairId,
    find: rusqlite::CachedStatement<'t>,
    last: Option<(Vec<u8>, Option<i64>)>,
}

impl<'t> Directories<'t> {
    pub(super) fn new(transaction: &'t Transaction<'_>, pair: PairId) -> rusqlite::Result<Self> {
        let find = transaction.prepare_cached("SELECT id FROM directory WHERE pair = ?1 AND path = ?2")?;
        Ok(Directories { pair, find, last: None })
    }

    /// To be called when a directory was added or removed.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    pub(super) fn find(&mut self, path: &[u8]) -> rusqlite::Result<Option<i64>> {
        if let Some((last, id)) = &self.last
            && last == path
        {
            return Ok(*id);
        }
        let id = self.find.query_row(params![self.pair.0, path], |row| row.get(0)).optional()?;
        self.last = Some((path.to_owned(), id));
        Ok(id)
    }
}
