//! Access rules of a collection, compared with the rows of the journal.

use crate::journal::{AccessRow, AccessState};
use globus_transfer_client::AccessRule;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// The rule that gives the identity access to exactly this directory. Access by a role can't be changed here.
pub(super) fn find_rule<'r>(rules: &'r [AccessRule], identity: Uuid, path: &str) -> Option<&'r AccessRule> {
    rules.iter().find(|rule| {
        rule.is_for(identity)
            && rule.role_id.is_none()
            && rule.path.trim_end_matches('/') == path.trim_end_matches('/')
    })
}

/// Whether two expiries are the same within Globus's rounding.
pub(super) fn same_end(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.duration_since(b).abs() < SignedDuration::from_mins(1),
        _ => a == b,
    }
}

/// Whether beamshare made the rule: the journal has its id, or was about to have it when beamshare was
/// killed.
pub(super) fn is_ours(row: &AccessRow, rule: &AccessRule) -> bool {
    row.ours
        && match (&row.rule, row.state) {
            (None, AccessState::Wanted | AccessState::Revoking) => true,
            (Some(id), AccessState::Wanted | AccessState::Granted | AccessState::Revoking) => {
                rule.id.as_ref() == Some(id)
            }
            _ => false,
        }
}

/// The rows, with the newer ones in place of those for the same access.
pub(super) fn merge_rows(mut rows: Vec<AccessRow>, newer: Vec<AccessRow>) -> Vec<AccessRow> {
    rows.retain(|row| {
        !newer.iter().any(|new| {
            new.identity == row.identity && new.collection == row.collection && new.path == row.path
        })
    });
    rows.extend(newer);
    rows
}
