//! Access to the directories on Globus: one call for all identities, one for all rules, then a call for each
//! rule that is missing or wrong.

use super::access_rule::{find_rule, is_ours, merge_rows, same_end};
use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::execute::{DeliveryRun, Pass};
use super::person::Person;
use super::shared::Shared;
use crate::domain::{Step, StepStatus, Unit};
use crate::journal::{AccessRow, AccessState, GrantReason, JournalRecord, ServedRow};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use globus_transfer_client as globus;
use globus_transfer_client::AccessRule;
use jiff::Timestamp;
use std::collections::HashMap;
use uuid::Uuid;

/// How many rules are made at a time: Globus limits the rate of requests.
const AT_A_TIME: usize = 8;

/// The inspection of a collection's access rules.
#[derive(Clone)]
pub(super) struct AccessInspection {
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

impl DeliveryRun<'_> {
    /// Gives each person access, and takes back what beamshare gave to addresses that are no longer among the
    /// experiment's people. The plan's findings are used in the first round only.
    pub(super) async fn share(&self, pass: Pass) -> Vec<StepResult> {
        let Some(collection) = &self.deliverer.collection else { return vec![] };
        self.share_all(&Shared::first(collection, &self.paths), pass == Pass::First).await
    }

    /// The same for one collection.
    pub(super) async fn share_all(&self, shared: &Shared<'_>, as_planned: bool) -> Vec<StepResult> {
        let (step, unit) = (shared.sharing(), &shared.look());
        let people = match self.people(step, unit).await {
            Ok(people) => people.readers,
            Err(ended) => return vec![ended],
        };
        self.progress.expect(step, people.iter().map(|person| shared.access(&person.email)));
        let look = |attempt| self.look_for(shared, &people, as_planned && attempt == 1, attempt).boxed();
        let look = self.attempts.until_true(step, unit, look).await;
        let looked = match look {
            Ok(looked) => looked,
            Err(ended) => return vec![ended],
        };
        let over = looked.ends.filter(|end| *end <= Timestamp::now()).map(|end| self.deliverer.day(end));
        if let Some(day) = &over {
            for person in &people {
                let unit = shared.access(&person.email);
                let message = format!("nothing given: the access has ended on {day}");
                self.progress.show(shared.sharing(), &unit, StepStatus::Skipped, &message);
            }
        }
        let give = people.iter().filter(|_| over.is_none());
        let give: Vec<_> = give.map(|person| self.share_with(shared, person, &looked).boxed()).collect();
        let wrong = self.wrongly_given(shared, &people, &looked);
        let take_back: Vec<_> =
            wrong.iter().map(|row| self.take_back(shared, row, &looked).boxed()).collect();
        let (given, taken): (Vec<_>, Vec<_>) = tokio::join!(
            stream::iter(give).buffer_unordered(AT_A_TIME).collect(),
            stream::iter(take_back).buffer_unordered(AT_A_TIME).collect()
        );
        let mut ended: Vec<StepResult> = given.into_iter().chain(taken).filter_map(Result::err).collect();
        if !shared.is_replica() {
            ended.extend(self.take_back_from_old_collections(shared, &people, &looked).await);
        }
        ended
    }

    async fn look_for(
        &self,
        shared: &Shared<'_>,
        people: &[Person],
        as_planned: bool,
        attempt: u32,
    ) -> Result<AccessInspection, AttemptError> {
        let (step, unit, collection) = (shared.sharing(), &shared.look(), shared.collection);
        self.progress.show(step, unit, StepStatus::Running, "looking");
        let emails: Vec<_> = people.iter().map(|person| person.email.clone()).collect();
        let rules = async {
            let seen = self.inspection.as_ref().filter(|seen| as_planned && seen.is_fresh());
            match seen.and_then(|seen| seen.rules.clone()) {
                Some(rules) => Ok(rules),
                None => collection.rules().await,
            }
        };
        let ends = self.ends().await?;
        let is_over = ends.is_some_and(|end| end <= Timestamp::now());
        let (identities, rules) = tokio::try_join!(collection.identities(&emails), rules)?;
        let rows = self.deliverer.journal().access(self.experiment.id).await?;
        // In one commit, before the first request: the people about to get a rule. After a kill those rules
        // are ours.
        let mut wanted = vec![];
        for person in people.iter().filter(|_| !is_over) {
            let Some(identity) = identities.get(&person.email.username()) else { continue };
            let grant = Grant { shared, person, identity: *identity, ends };
            for path in rule_paths(shared) {
                if find_rule(&rules, grant.identity, &path).is_none() {
                    wanted.push(self.row(&grant, path, AccessState::Wanted, None, true));
                }
            }
        }
        let records: Vec<_> = wanted.iter().map(JournalRecord::Access).collect();
        self.progress.note(step, unit, StepStatus::Done, attempt, "", &records).await?;
        Ok(AccessInspection { identities, rules, rows: merge_rows(rows, wanted), ends })
    }

    async fn share_with(
        &self,
        shared: &Shared<'_>,
        person: &Person,
        looked: &AccessInspection,
    ) -> Result<(), StepResult> {
        let email = &person.email;
        let unit = shared.access(email);
        let once = |attempt| {
            async move {
                let Some(identity) = looked.identities.get(&email.username()) else {
                    return Err(AttemptError::NoIdentity(email.clone()));
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
    async fn make_rules(
        &self,
        grant: &Grant<'_>,
        looked: &AccessInspection,
        attempt: u32,
    ) -> Result<(), AttemptError> {
        let (step, unit) = (grant.shared.sharing(), grant.shared.access(&grant.person.email));
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
        let mut message = match grant.ends {
            Some(ends) => format!("shared until {}", self.deliverer.day(ends)),
            None => "shared".to_owned(),
        };
        let mut granted = vec![];
        for path in rule_paths(grant.shared) {
            let row = rows.iter().find(|row| {
                row.identity == grant.identity
                    && row.collection == collection.settings().collection
                    && row.path == path
            });
            let (rule, ours, ends) = match find_rule(rules, grant.identity, &path) {
                Some(rule) => {
                    let ours = row.is_some_and(|row| is_ours(row, rule));
                    let known = row.filter(|_| ours).map(|row| row.expires_at);
                    if let Some(note) = self.update_rule(grant, rule, known).await? {
                        message = note;
                    }
                    (rule.id.clone(), ours, if ours { grant.ends } else { rule.expiration_date })
                }
                None => {
                    if row.is_none_or(|row| row.state != AccessState::Wanted) {
                        let wanted = self.row(grant, path.clone(), AccessState::Wanted, None, true);
                        self.deliverer.journal().record(&[JournalRecord::Access(&wanted)]).await?;
                    }
                    // Once a person and collection: their other directories are beside the first one.
                    let notify = Some(&grant.person.email).filter(|_| {
                        collection.settings().notify_email
                            && granted.is_empty()
                            && grant.person.reason != GrantReason::Further
                    });
                    (
                        Some(collection.grant(grant.identity, &path, grant.ends, notify).await?),
                        true,
                        grant.ends,
                    )
                }
            };
            let row = self.row(grant, path, AccessState::Granted, rule, ours);
            granted.push(AccessRow { expires_at: ends, ..row });
        }
        let person = grant.person;
        let served = ServedRow::new(self.delivery.number, &person.email, &person.name, person.reason.into());
        let served = ServedRow { shared: true, ..served };
        let records: Vec<_> =
            granted.iter().map(JournalRecord::Access).chain([JournalRecord::Served(&served)]).collect();
        self.progress.note(step, &unit, StepStatus::Done, attempt, &message, &records).await?;
        Ok(())
    }

    /// Updates the permissions and expiry of an existing rule. Rules that beamshare did not make are left
    /// alone. `known` is the expiry that one of ours was given last: where staff have changed it since, it
    /// stays, unless the settings have changed.
    async fn update_rule(
        &self,
        grant: &Grant<'_>,
        rule: &AccessRule,
        known: Option<Option<Timestamp>>,
    ) -> Result<Option<String>, AttemptError> {
        let wanted = grant.shared.collection.permissions();
        if let (Some(known), Some(id)) = (known, &rule.id) {
            let by_hand = same_end(known, grant.ends) && !same_end(rule.expiration_date, grant.ends);
            let ends = if by_hand { rule.expiration_date } else { grant.ends };
            if rule.permissions != wanted || !same_end(rule.expiration_date, ends) {
                grant.shared.collection.change(id, ends).await?;
            }
            let message = || match ends {
                Some(ends) => format!("shared until {}, as set by hand", self.deliverer.day(ends)),
                None => "shared without end, as set by hand".to_owned(),
            };
            return Ok(by_hand.then(message));
        }
        if rule.permissions == wanted {
            return Ok(Some("had access already".to_owned()));
        }
        if wanted == globus::Permissions::Read {
            return Ok(Some(
                "had access already, to write too, by a rule that beamshare did not make".to_owned(),
            ));
        }
        Err(AttemptError::ForeignRule {
            email: grant.person.email.clone(),
            allowed: rule.permissions,
            wanted,
            path: rule.path.clone(),
        })
    }

    /// Access that beamshare gave to former principal investigators, to people whom the schedule no longer
    /// lists, and to those removed by hand.
    fn wrongly_given(
        &self,
        shared: &Shared<'_>,
        people: &[Person],
        looked: &AccessInspection,
    ) -> Vec<AccessRow> {
        let rows = looked.rows.iter();
        let mut wrong: Vec<_> =
            rows.filter(|row| shared.has(row) && is_taken_back(row, people, looked)).cloned().collect();
        wrong.sort_by(|a, b| a.path.cmp(&b.path));
        wrong
    }

    pub(super) async fn take_back(
        &self,
        shared: &Shared<'_>,
        row: &AccessRow,
        looked: &AccessInspection,
    ) -> Result<(), StepResult> {
        let (step, unit) = (shared.sharing(), &shared.taken_back(row));
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
                let found = find_rule(rules, row.identity, &row.path).filter(|rule| is_ours(row, rule));
                let rule = found.and_then(|rule| rule.id.clone());
                if let Some(rule) = &rule
                    && self.hand_over((step, unit), row, rule, attempt).await?
                {
                    return Ok(());
                }
                let revoking = AccessRow { state: AccessState::Revoking, rule: rule.clone(), ..row.clone() };
                let with = [JournalRecord::Access(&revoking)];
                self.progress.note(step, unit, StepStatus::Running, attempt, "taking back", &with).await?;
                if let Some(rule) = rule {
                    collection.revoke(&rule).await?;
                }
                let revoked = AccessRow { state: AccessState::Revoked, ..revoking.clone() };
                let served = ServedRow::new(self.delivery.number, &row.email, "", row.reason.into());
                let served = ServedRow { taken_back: true, ..served };
                let with = [JournalRecord::Access(&revoked), JournalRecord::Served(&served)];
                self.progress.note(step, unit, StepStatus::Done, attempt, "access taken back", &with).await?;
                Ok(())
            }
            .boxed()
        };
        self.attempts.until_true(step, unit, once).await
    }

    /// Leaves the rule to another experiment that has the same directory (an operator has approved that) and
    /// the same person: from now on it is that one's to take back. False where there is none.
    async fn hand_over(
        &self,
        (step, unit): (Step, &Unit),
        row: &AccessRow,
        rule: &str,
        attempt: u32,
    ) -> Result<bool, AttemptError> {
        let rows = self.deliverer.journal().access_by_rule(row.collection, rule).await?;
        let mut others = rows.into_iter().filter(|other| other.experiment != row.experiment);
        let Some(other) = others.find(|other| other.state == AccessState::Granted) else { return Ok(false) };
        let theirs = AccessRow { ours: true, ..other };
        let revoked = AccessRow { state: AccessState::Revoked, ..row.clone() };
        let with = [JournalRecord::Access(&theirs), JournalRecord::Access(&revoked)];
        let message = "access kept for another experiment in this directory";
        self.progress.note(step, unit, StepStatus::Done, attempt, message, &with).await?;
        Ok(true)
    }

    /// Counts the people who have access to all directories.
    async fn count(&self) {
        let Some(collection) = &self.deliverer.collection else { return };
        let first = Shared::first(collection, &self.paths);
        if let Ok(shared) = self.deliverer.shared_with(self.experiment, &first).await {
            self.progress.change(|report| report.users_shared = shared.len() as u32);
        }
    }

    fn row(
        &self,
        grant: &Grant<'_>,
        path: String,
        state: AccessState,
        rule: Option<String>,
        ours: bool,
    ) -> AccessRow {
        AccessRow {
            experiment: self.experiment.id,
            identity: grant.identity,
            collection: grant.shared.collection.settings().collection,
            path,
            email: grant.person.email.clone(),
            reason: grant.person.reason,
            permissions: grant.shared.collection.settings().permissions,
            rule,
            ours,
            expires_at: grant.ends,
            state,
        }
    }
}

/// Whether beamshare gave the access to somebody who is not one of these people, by this or another address.
pub(super) fn is_taken_back(row: &AccessRow, people: &[Person], looked: &AccessInspection) -> bool {
    let is_right = |person: &Person| {
        person.email == row.email || looked.identities.get(&person.email.username()) == Some(&row.identity)
    };
    row.reason != GrantReason::Further
        && row.ours
        && row.state != AccessState::Revoked
        && !people.iter().any(is_right)
}

fn rule_paths(shared: &Shared<'_>) -> Vec<String> {
    shared.paths.iter().map(|path| shared.collection.path(path)).collect()
}
