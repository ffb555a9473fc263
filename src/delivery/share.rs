//! Who can read the directory on Globus: one identity call and one list of rules for all, then what is missing.

use super::attempt::{Ended, Trouble};
use super::collection::Collection;
use super::dirs::GLOBUS;
use super::people::Person;
use super::run::Run;
use crate::domain::{RelativePath, Retry, Step, StepError, StepStatus};
use crate::journal::{AccessRow, AccessState, GrantReason, Record, ServedRow};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use globus_transfer_client as globus;
use globus_transfer_client::AccessRule;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use uuid::Uuid;

/// How many rules are made at a time: Globus limits the rate of requests.
const AT_A_TIME: usize = 8;

/// The unit of the look that all people's units start from.
const LOOK: &str = "access rules";

/// Directories of the experiment on a collection that its people get access to: the first ones, or a pair's copy.
pub(super) struct Shared<'a> {
    pub collection: &'a Collection,
    pub paths: Vec<RelativePath>,
    /// The pair whose copy it is
    pair: Option<&'a str>,
}

impl<'a> Shared<'a> {
    pub fn first(collection: &'a Collection, paths: &[RelativePath]) -> Shared<'a> {
        Shared { collection, paths: paths.to_vec(), pair: None }
    }

    pub fn copy(collection: &'a Collection, path: RelativePath, pair: &'a str) -> Shared<'a> {
        Shared { collection, paths: vec![path], pair: Some(pair) }
    }

    /// Where it is told how the directories are made.
    pub fn making(&self) -> (Step, &'a str) {
        self.pair.map_or((Step::Globus, GLOBUS), |pair| (Step::Sync, pair))
    }

    /// Where it is told who gets access.
    fn sharing(&self) -> Step {
        if self.pair.is_some() { Step::Sync } else { Step::Share }
    }

    /// Where it is told who is mailed about it.
    pub fn mailing(&self) -> Step {
        if self.pair.is_some() { Step::Sync } else { Step::Email }
    }

    /// The unit of a person, or of a look, in these steps.
    pub fn unit(&self, unit: &str, what: &str) -> String {
        self.pair.map_or_else(|| unit.to_owned(), |pair| format!("{pair}: {what} {unit}"))
    }

    fn shared_unit(&self, unit: &str) -> String {
        self.unit(unit, if unit == LOOK { "the" } else { "access of" })
    }

    /// Whether a rule that beamshare made is for one of these directories, or was for a former one.
    pub fn has(&self, row: &AccessRow) -> bool {
        self.collection.has(row)
    }
}

/// What the look found.
#[derive(Clone)]
pub(super) struct Looked {
    pub identities: HashMap<String, Uuid>,
    pub rules: Vec<AccessRule>,
    pub rows: Vec<AccessRow>,
    /// When the access ends that is given
    pub ends: Option<Timestamp>,
}

/// One person's access to be.
struct Grant<'a> {
    shared: &'a Shared<'a>,
    person: &'a Person,
    identity: Uuid,
    ends: Option<Timestamp>,
}

impl Run<'_> {
    /// Gives each person access, and takes back what beamshare gave an address that turned out wrong, and those who are
    /// not of the experiment's people any more. What the plan saw is good for the first time only.
    pub(super) async fn share(&self, first: bool) -> Vec<Ended> {
        let Some(collection) = &self.deliverer.collection else { return vec![] };
        self.share_all(&Shared::first(collection, &self.paths), first).await
    }

    /// The same for one collection.
    pub(super) async fn share_all(&self, shared: &Shared<'_>, as_planned: bool) -> Vec<Ended> {
        let (step, unit) = (shared.sharing(), &shared.shared_unit(LOOK));
        let people = match self.people(step, unit).await {
            Ok(people) => people.readers,
            Err(ended) => return vec![ended],
        };
        self.progress.expect(step, people.iter().map(|person| shared.shared_unit(&person.email.username())));
        let look = |attempt| self.look_for(shared, &people, as_planned && attempt == 1, attempt).boxed();
        let look = self.attempts.until_true(step, unit, look).await;
        let looked = match look {
            Ok(looked) => looked,
            Err(ended) => return vec![ended],
        };
        let over = looked.ends.filter(|end| *end <= Timestamp::now()).map(|end| self.deliverer.day(end));
        if let Some(day) = &over {
            for person in &people {
                let unit = shared.shared_unit(&person.email.username());
                let message = format!("nothing given: the access has ended on {day}");
                self.progress.show(shared.sharing(), &unit, StepStatus::Skipped, &message);
            }
        }
        let give = people.iter().filter(|_| over.is_none());
        let give: Vec<_> = give.map(|person| self.share_with(shared, person, &looked).boxed()).collect();
        let wrong = self.wrongly_given(shared, &people, &looked);
        let take_back: Vec<_> = wrong.iter().map(|row| self.take_back(shared, row, &looked).boxed()).collect();
        let (given, taken): (Vec<_>, Vec<_>) = tokio::join!(
            stream::iter(give).buffer_unordered(AT_A_TIME).collect(),
            stream::iter(take_back).buffer_unordered(AT_A_TIME).collect()
        );
        let mut ended: Vec<Ended> = given.into_iter().chain(taken).filter_map(Result::err).collect();
        if shared.pair.is_none() {
            ended.extend(self.take_back_former(shared, &people, &looked).await);
        }
        ended
    }

    async fn look_for(
        &self,
        shared: &Shared<'_>,
        people: &[Person],
        as_planned: bool,
        attempt: u32,
    ) -> Result<Looked, Trouble> {
        let (step, unit, collection) = (shared.sharing(), &shared.shared_unit(LOOK), shared.collection);
        self.progress.show(step, unit, StepStatus::Running, "looking");
        let emails: Vec<_> = people.iter().map(|person| person.email.clone()).collect();
        let rules = async {
            let seen = self.looked.as_ref().filter(|looked| as_planned && looked.is_fresh());
            match seen.and_then(|looked| looked.rules.clone()) {
                Some(rules) => Ok(rules),
                None => collection.rules().await,
            }
        };
        let ends = self.ends().await?;
        let is_over = ends.is_some_and(|end| end <= Timestamp::now());
        let (identities, rules) = tokio::try_join!(collection.identities(&emails), rules)?;
        let rows = self.deliverer.journal().access(self.experiment.id).await?;
        // In one commit, before the first request: who is about to get a rule. After a kill those rules are ours.
        let mut wanted = vec![];
        for person in people.iter().filter(|_| !is_over) {
            let Some(identity) = identities.get(&person.email.username()) else { continue };
            let grant = Grant { shared, person, identity: *identity, ends };
            for path in rule_paths(shared) {
                if find(&rules, grant.identity, &path).is_none() {
                    wanted.push(self.row(&grant, path, AccessState::Wanted, None, true));
                }
            }
        }
        let records: Vec<_> = wanted.iter().map(Record::Access).collect();
        self.progress.note(step, unit, StepStatus::Done, attempt, "", &records).await?;
        Ok(Looked { identities, rules, rows: merge(rows, wanted), ends })
    }

    async fn share_with(&self, shared: &Shared<'_>, person: &Person, looked: &Looked) -> Result<(), Ended> {
        let email = &person.email;
        let unit = shared.shared_unit(&email.username());
        let once = |attempt| {
            async move {
                let Some(identity) = looked.identities.get(&email.username()) else {
                    let message = format!(
                        "Globus Auth has no identity for {email} and gave it none; check the address, or ask the person to \
                         sign in to Globus once"
                    );
                    return Err(StepError { message, retry: Retry::Never }.into());
                };
                let grant = Grant { shared, person, identity: *identity, ends: looked.ends };
                self.make_rules(&grant, looked, attempt).await
            }
            .boxed()
        };
        let result = self.attempts.until_true(shared.sharing(), &unit, once).await;
        self.count().await;
        result
    }

    /// Makes the person's rules, or finds them.
    async fn make_rules(&self, grant: &Grant<'_>, looked: &Looked, attempt: u32) -> Result<(), Trouble> {
        let (step, unit) = (grant.shared.sharing(), grant.shared.shared_unit(&grant.person.email.username()));
        let collection = grant.shared.collection;
        self.progress.show(step, &unit, StepStatus::Running, "sharing");
        let (again, rows_now);
        let (rules, rows) = match attempt {
            1 => (&looked.rules, &looked.rows),
            // The last attempt may have made the rule although its answer was lost.
            _ => {
                again = collection.rules().await?;
                rows_now = self.deliverer.journal().access(self.experiment.id).await?;
                (&again, &rows_now)
            }
        };
        let mut told = match grant.ends {
            Some(ends) => format!("shared until {}", self.deliverer.day(ends)),
            None => "shared".to_owned(),
        };
        let mut granted = vec![];
        for path in rule_paths(grant.shared) {
            let row = rows.iter().find(|row| {
                row.identity == grant.identity && row.collection == collection.settings().collection && row.path == path
            });
            let (rule, ours, ends) = match find(rules, grant.identity, &path) {
                Some(rule) => {
                    let ours = row.is_some_and(|row| is_ours(row, rule));
                    let known = row.filter(|_| ours).map(|row| row.expires_at);
                    if let Some(note) = self.suit(grant, rule, known).await? {
                        told = note;
                    }
                    (rule.id.clone(), ours, if ours { grant.ends } else { rule.expiration_date })
                }
                None => {
                    if row.is_none_or(|row| row.state != AccessState::Wanted) {
                        let wanted = self.row(grant, path.clone(), AccessState::Wanted, None, true);
                        self.deliverer.journal().record(&[Record::Access(&wanted)]).await?;
                    }
                    (Some(collection.grant(grant.identity, &path, grant.ends).await?), true, grant.ends)
                }
            };
            let row = self.row(grant, path, AccessState::Granted, rule, ours);
            granted.push(AccessRow { expires_at: ends, ..row });
        }
        let person = grant.person;
        let served = ServedRow::new(self.delivery.number, &person.email, &person.name, person.holder.into());
        let served = ServedRow { shared: true, ..served };
        let records: Vec<_> = granted.iter().map(Record::Access).chain([Record::Served(&served)]).collect();
        self.progress.note(step, &unit, StepStatus::Done, attempt, &told, &records).await?;
        Ok(())
    }

    /// Sees to it that the rule that is there allows what is configured, and ends when it should. Rules of others are not
    /// touched; `known` is the end that one of ours was given last. Where staff have moved that by hand, it stays so unless
    /// the settings have changed since.
    async fn suit(
        &self,
        grant: &Grant<'_>,
        rule: &AccessRule,
        known: Option<Option<Timestamp>>,
    ) -> Result<Option<String>, Trouble> {
        let wanted = grant.shared.collection.permissions();
        if let (Some(known), Some(id)) = (known, &rule.id) {
            let by_hand = same_end(known, grant.ends) && !same_end(rule.expiration_date, grant.ends);
            let ends = if by_hand { rule.expiration_date } else { grant.ends };
            if rule.permissions != wanted || !same_end(rule.expiration_date, ends) {
                grant.shared.collection.change(id, ends).await?;
            }
            let told = || match ends {
                Some(ends) => format!("shared until {}, as set by hand", self.deliverer.day(ends)),
                None => "shared without end, as set by hand".to_owned(),
            };
            return Ok(by_hand.then(told));
        }
        if rule.permissions == wanted {
            return Ok(Some("had access already".to_owned()));
        }
        match () {
            () if wanted == globus::Permissions::Read => {
                Ok(Some("had access already, to write too, by a rule that beamshare did not make".to_owned()))
            }
            () => {
                let message = format!(
                    "{} has {} access to {} by a rule that beamshare did not make, and {wanted} is configured; change that \
                     rule on Globus, then put 1 to Run",
                    grant.person.email, rule.permissions, rule.path
                );
                Err(StepError { message, retry: Retry::Never }.into())
            }
        }
    }

    /// What beamshare gave principal investigators' addresses of this experiment that have since been corrected, and
    /// people whom the schedule does not list any more or who were removed by hand.
    fn wrongly_given(&self, shared: &Shared<'_>, people: &[Person], looked: &Looked) -> Vec<AccessRow> {
        let rows = looked.rows.iter();
        let mut wrong: Vec<_> =
            rows.filter(|row| shared.has(row) && is_taken_back(row, people, looked)).cloned().collect();
        wrong.sort_by(|a, b| a.path.cmp(&b.path));
        wrong
    }

    pub(super) async fn take_back(&self, shared: &Shared<'_>, row: &AccessRow, looked: &Looked) -> Result<(), Ended> {
        let (step, unit) = (shared.sharing(), &shared.shared_unit(&format!("{} ({})", row.email, row.path)));
        let collection = shared.collection;
        let once = |attempt| {
            async move {
                let again;
                let rules = match attempt {
                    1 => &looked.rules,
                    _ => {
                        again = collection.rules().await?;
                        &again
                    }
                };
                let found = find(rules, row.identity, &row.path).filter(|rule| is_ours(row, rule));
                let rule = found.and_then(|rule| rule.id.clone());
                if let Some(rule) = &rule
                    && self.hand_over(row, rule, unit, attempt).await?
                {
                    return Ok(());
                }
                let revoking = AccessRow { state: AccessState::Revoking, rule: rule.clone(), ..row.clone() };
                let with = [Record::Access(&revoking)];
                self.progress.note(step, unit, StepStatus::Running, attempt, "taking back", &with).await?;
                if let Some(rule) = rule {
                    collection.revoke(&rule).await?;
                }
                let revoked = AccessRow { state: AccessState::Revoked, ..revoking.clone() };
                let served = ServedRow::new(self.delivery.number, &row.email, "", row.holder.into());
                let served = ServedRow { taken_back: true, ..served };
                let with = [Record::Access(&revoked), Record::Served(&served)];
                self.progress.note(step, unit, StepStatus::Done, attempt, "access taken back", &with).await?;
                Ok(())
            }
            .boxed()
        };
        self.attempts.until_true(step, unit, once).await
    }

    /// Leaves the rule to another experiment that has the same directory (an operator has approved that) and the same
    /// person: from now on it is that one's to take back. False where there is none.
    async fn hand_over(&self, row: &AccessRow, rule: &str, unit: &str, attempt: u32) -> Result<bool, Trouble> {
        let rows = self.deliverer.journal().access_by_rule(row.collection, rule).await?;
        let mut others = rows.into_iter().filter(|other| other.experiment != row.experiment);
        let Some(other) = others.find(|other| other.state == AccessState::Granted) else { return Ok(false) };
        let theirs = AccessRow { ours: true, ..other };
        let revoked = AccessRow { state: AccessState::Revoked, ..row.clone() };
        let with = [Record::Access(&theirs), Record::Access(&revoked)];
        let message = "access kept for another experiment in this directory";
        self.progress.note(Step::Share, unit, StepStatus::Done, attempt, message, &with).await?;
        Ok(true)
    }

    /// Counts those who have access to all directories.
    async fn count(&self) {
        let Some(collection) = &self.deliverer.collection else { return };
        let first = Shared::first(collection, &self.paths);
        if let Ok(shared) = self.deliverer.shared_with(self.experiment, &first).await {
            self.progress.change(|report| report.users_shared = shared.len() as u32);
        }
    }

    fn row(&self, grant: &Grant<'_>, path: String, state: AccessState, rule: Option<String>, ours: bool) -> AccessRow {
        AccessRow {
            experiment: self.experiment.id,
            identity: grant.identity,
            collection: grant.shared.collection.settings().collection,
            path,
            email: grant.person.email.clone(),
            holder: grant.person.holder,
            permissions: grant.shared.collection.settings().permissions,
            rule,
            ours,
            expires_at: grant.ends,
            state,
        }
    }
}

fn rule_paths(shared: &Shared<'_>) -> Vec<String> {
    shared.paths.iter().map(|path| shared.collection.path(path)).collect()
}

/// Whether beamshare gave it to someone who is not one of these people, by this or another address.
pub(super) fn is_taken_back(row: &AccessRow, people: &[Person], looked: &Looked) -> bool {
    let is_right = |person: &Person| {
        person.email == row.email || looked.identities.get(&person.email.username()) == Some(&row.identity)
    };
    row.holder != GrantReason::Further && row.ours && row.state != AccessState::Revoked && !people.iter().any(is_right)
}

/// The rule that gives the identity access to just this directory. What comes from a role can't be changed here.
fn find<'r>(rules: &'r [AccessRule], identity: Uuid, path: &str) -> Option<&'r AccessRule> {
    rules.iter().find(|rule| {
        rule.is_for(identity) && rule.role_id.is_none() && rule.path.trim_end_matches('/') == path.trim_end_matches('/')
    })
}

/// Whether they are the same, as far as a service that rounds can tell.
fn same_end(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.duration_since(b).abs() < SignedDuration::from_mins(1),
        _ => a == b,
    }
}

/// Whether beamshare made the rule: the journal has its id, or was about to have it when beamshare was killed.
fn is_ours(row: &AccessRow, rule: &AccessRule) -> bool {
    row.ours
        && match (&row.rule, row.state) {
            (None, AccessState::Wanted | AccessState::Revoking) => true,
            (Some(id), AccessState::Wanted | AccessState::Granted | AccessState::Revoking) => {
                rule.id.as_ref() == Some(id)
            }
            _ => false,
        }
}

fn merge(mut rows: Vec<AccessRow>, newer: Vec<AccessRow>) -> Vec<AccessRow> {
    rows.retain(|row| {
        !newer
            .iter()
            .any(|new| new.identity == row.identity && new.collection == row.collection && new.path == row.path)
    });
    rows.extend(newer);
    rows
}
