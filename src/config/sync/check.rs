//! What only all of a pair, or all pairs together, can tell.

use super::super::check::{Problems, check_text, key};
use super::super::{Config, Purpose};
use super::{Sync, SyncOn, SyncPath, SyncScope};
use uuid::Uuid;

/// Longest quiet time beyond which nobody would understand why nothing is sent.
const QUIET_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// All that is wrong with the pairs, each with its key.
pub(in super::super) fn check(config: &Config, problems: &mut Problems) {
    let pairs = &config.sync;
    if !pairs.is_empty() && config.globus.is_none() {
        problems.push((key!["sync", 0], "needs [globus], which says how beamshare signs in".to_owned()));
    }
    for (n, pair) in pairs.iter().enumerate() {
        check_text(&pair.name, key!["sync", n, "name"], problems);
        if pairs[..n].iter().any(|other| other.name.eq_ignore_ascii_case(&pair.name)) {
            let message = format!("{:?} is already a pair's name; each has its own", pair.name);
            problems.push((key!["sync", n, "name"], message));
        }
        check_scope(config.purpose, pair, n, problems);
        check_paths(pair, n, problems);
        check_times(pair, n, problems);
        check_clean_up(pair, n, problems);
        check_share(config, pair, n, problems);
        if !pair.notify.is_empty() && config.sender.is_none() {
            let message = "needs [email], which says where messages go".to_owned();
            problems.push((key!["sync", n, "notify"], message));
        }
        for (at, filter) in pair.filters.iter().enumerate() {
            let (super::SyncFilter::Include(pattern) | super::SyncFilter::Exclude(pattern)) = filter;
            check_text(pattern, key!["sync", n, "filters", at], problems);
            if pattern.contains('/') {
                let message = format!("{pattern:?} has a / in it; filters are for the names of files");
                problems.push((key!["sync", n, "filters", at], message));
            }
        }
        for other in &pairs[..n] {
            check_two(other, pair, n, problems);
            check_there_and_back(other, pair, n, problems);
            let (one, two) = (&other.destination, &pair.destination);
            if other.share && pair.share && overlap(one.collection, &one.path, two.collection, &two.path) {
                let message = format!(
                    "{} is shared already, by the pair {}: take one of the two out",
                    two.path, other.name
                );
                problems.push((key!["sync", n, "share"], message));
            }
        }
    }
}

fn check_paths(pair: &Sync, n: usize, problems: &mut Problems) {
    let (source, destination) = (&pair.source, &pair.destination);
    if overlap(source.collection, &source.path, destination.collection, &destination.path) {
        let message = format!(
            "{} and the source {} overlap on one collection: the data would be sent into itself",
            destination.path, source.path
        );
        problems.push((key!["sync", n, "destination", "path"], message));
    }
    match (source.path.scope(), destination.path.scope()) {
        (from, to) if from == to => {}
        (SyncScope::Experiment, _) => {
            let message = format!(
                "{} is the same for every experiment, and the source is not: the groups' data would be mixed",
                destination.path
            );
            problems.push((key!["sync", n, "destination", "path"], message));
        }
        (_, SyncScope::Experiment) => {
            let message = format!(
                "{} is the same for every experiment, and the destination is not: one group would get \
                 another's data",
                source.path
            );
            problems.push((key!["sync", n, "source", "path"], message));
        }
        _ => {
            let message = format!(
                "must differ by month as the source {} does: {{{{ year_month }}}} belongs into both or \
                 neither",
                source.path
            );
            problems.push((key!["sync", n, "destination", "path"], message));
        }
    }
    if source.path.scope() == SyncScope::Experiment && source.local.is_none() && !source.trusted {
        let message = "needs source.local: on a collection alone nobody can tell whether a group has put a \
                       link to another group's data there. Where only the facility's own accounts can write \
                       below this directory, set source.trusted = true";
        problems.push((key!["sync", n, "source", "path"], message.to_owned()));
    }
    if let Some(local) = &source.local
        && !local.ends_like(&source.path)
    {
        let message = format!(
            "{local} and the collection's {} must be the same directory, so what follows their fixed parts \
             must be the same",
            source.path
        );
        problems.push((key!["sync", n, "source", "local"], message));
    }
}

fn check_times(pair: &Sync, n: usize, problems: &mut Problems) {
    if pair.on == Some(SyncOn::Files) && pair.source.local.is_none() {
        let message = "\"files\" needs source.local: only a directory of this machine can be watched; else \
                       use every or at";
        problems.push((key!["sync", n, "on"], message.to_owned()));
    }
    if pair.every.is_some() && pair.at.is_some() {
        problems.push((key!["sync", n, "at"], "there is every already; take one of the two out".to_owned()));
    }
    if pair.quiet > QUIET_MAX {
        problems.push((key!["sync", n, "quiet"], "must not be longer than a day".to_owned()));
    }
}

fn check_clean_up(pair: &Sync, n: usize, problems: &mut Problems) {
    let Some(clean_up) = &pair.clean_up else { return };
    if !pair.verify {
        let message =
            "must stay true with [sync.clean_up]: only what was verified by checksum may go at the source";
        problems.push((key!["sync", n, "verify"], message.to_owned()));
    }
    if clean_up.below.is_some() && pair.source.local.is_none() {
        let message = "needs source.local: Globus does not tell how much space is free";
        problems.push((key!["sync", n, "clean_up", "below"], message.to_owned()));
    }
}

/// A copy that is shared is a directory of one experiment alone, and not the one that is shared anyway.
fn check_share(config: &Config, pair: &Sync, n: usize, problems: &mut Problems) {
    let (Some(globus), true) = (&config.globus, pair.share) else { return };
    let path = &pair.destination.path;
    if path.scope() != SyncScope::Experiment {
        let message = format!(
            "needs a destination that is each experiment's own: {path} is the same for everyone, so \
             nobody's alone"
        );
        problems.push((key!["sync", n, "share"], message));
        return;
    }
    let first = config.directories.paths.iter().filter_map(|path| path.example());
    let first: Vec<_> =
        first.map(|path| format!("/{}/{path}/", globus.top.trim_matches('/')).replace("//", "/")).collect();
    let copy = path.example().to_lowercase();
    let lies =
        |first: &String| copy.starts_with(&first.to_lowercase()) || first.to_lowercase().starts_with(&copy);
    if pair.destination.collection == globus.collection && first.iter().any(lies) {
        let message = format!("{path} is shared already, as a directory of [globus]: take this key out");
        problems.push((key!["sync", n, "share"], message));
    }
    if config.email.as_ref().is_some_and(|email| email.copy.is_none()) {
        let message =
            "needs [email.copy] with a text_template: the message that tells people where the copy is";
        problems.push((key!["sync", n, "share"], message.to_owned()));
    }
}

/// Whether the file can have such paths: a beamline's must not be shared by the groups of a month, and a file
/// without `[epics]` has no groups.
fn check_scope(purpose: Purpose, pair: &Sync, n: usize, problems: &mut Problems) {
    for (end, path) in [("source", &pair.source.path), ("destination", &pair.destination.path)] {
        let message = match (path.scope(), purpose) {
            (SyncScope::Month, Purpose::Beamline) => format!(
                "{path} gives every user group of a month the same directory; put {{{{ pi_last_name }}}}, \
                 {{{{ pi_email }}}} or {{{{ proposal_number }}}} into it"
            ),
            (SyncScope::Experiment, Purpose::DataOnly) => format!(
                "{path} names fields of a user group, which come from [epics], and this file has no [epics]; \
                 use a fixed path, or {{{{ year_month }}}} alone for a directory of each month"
            ),
            _ => continue,
        };
        problems.push((key!["sync", n, end, "path"], message));
    }
}

/// Pairs that would take each other's files away.
fn check_two(other: &Sync, pair: &Sync, n: usize, problems: &mut Problems) {
    if other.clean_up.is_none() && pair.clean_up.is_none() {
        return;
    }
    let (source, earlier) = (&pair.source, &other.source);
    // Two collections can be on one directory of this machine.
    let on_this_machine = |one: &super::SyncSource, two: &super::SyncSource| {
        let both = one.local.as_ref().zip(two.local.as_ref());
        both.is_some_and(|(one, two)| overlap(Uuid::nil(), one, Uuid::nil(), two))
    };
    if overlap(source.collection, &source.path, earlier.collection, &earlier.path)
        || on_this_machine(source, earlier)
    {
        let message = format!(
            "{} is a source of the pair {} too, and one of them has clean_up: it would remove what the \
             other has not sent yet",
            source.path, other.name
        );
        problems.push((key!["sync", n, "source", "path"], message));
    }
    let (destination, earlier) = (&pair.destination, &other.destination);
    if overlap(destination.collection, &destination.path, earlier.collection, &earlier.path) {
        let message = format!(
            "{} is a destination of the pair {} too, and one of them has clean_up: files of one name would \
             replace each other",
            destination.path, other.name
        );
        problems.push((key!["sync", n, "destination", "path"], message));
    }
}

/// Pairs that send to each other: each takes what the other has sent for a reason to remove its own.
fn check_there_and_back(one: &Sync, pair: &Sync, n: usize, problems: &mut Problems) {
    let sends = |from: &Sync, to: &Sync| {
        let (there, source) = (&from.destination, &to.source);
        overlap(there.collection, &there.path, source.collection, &source.path)
    };
    if one.clean_up.is_some() && pair.clean_up.is_some() && sends(one, pair) && sends(pair, one) {
        let message = format!(
            "the pair {} sends back what this one sends, and both have clean_up: each would remove what the \
             other relies on",
            one.name
        );
        problems.push((key!["sync", n, "clean_up"], message));
    }
}

/// Whether one directory is the other or lies in it. Capitals make no difference: some file systems don't
/// tell them apart.
fn overlap(one: Uuid, path: &SyncPath, other: Uuid, other_path: &SyncPath) -> bool {
    let (a, b) = (path.example().to_lowercase(), other_path.example().to_lowercase());
    one == other && (a.starts_with(&b) || b.starts_with(&a))
}
