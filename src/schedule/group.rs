//! A user group's own beam time in the schedule: who is on its proposal, and whether it is there now.

use super::{BeamTime, Experimenter, RunSchedule};
use crate::domain::{Experiment, Field, path_component};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::time::Duration;

impl RunSchedule {
    /// The beam time that tells who is on the experiment's proposal: its proposal's where the number is
    /// known, else the only one that names the PI. The PI must be on it: a number that is left over from
    /// another group must not bring that group's people in. Without a number they must be its PI, where one
    /// is flagged: who has a group of their own may be a guest on the proposal that has the beam, and its
    /// people are not of their group.
    ///
    /// # Errors
    /// Why there is none, for the operator.
    pub fn of_group(
        &self,
        experiment: &Experiment,
        at: Timestamp,
        grace: Duration,
    ) -> Result<&BeamTime, String> {
        let email = &experiment.pi_email;
        if let Some(number) = experiment.details.get(&Field::ProposalNumber) {
            let found =
                self.of_proposal(number, at).ok_or(format!("the schedule has no proposal {number}"))?;
            if found.names(email) {
                return Ok(found);
            }
            if found.proposal.experimenters.is_empty() {
                return Err(format!("the schedule names nobody on proposal {number}"));
            }
            return Err(format!("{email} is not on proposal {number} by the schedule"));
        }
        let theirs: Vec<_> = self.beam_times.iter().filter(|beam_time| beam_time.names(email)).collect();
        let near: Vec<_> = theirs.iter().copied().filter(|beam_time| beam_time.is_near(at, grace)).collect();
        let candidates = if near.is_empty() { theirs } else { near };
        match candidates.as_slice() {
            [] => Err(format!("the schedule names {email} on no proposal")),
            [first, rest @ ..] => {
                let other = rest.iter().find(|other| {
                    other.proposal.number != first.proposal.number || first.proposal.number.is_none()
                });
                let flagged: Vec<_> =
                    first.proposal.experimenters.iter().filter(|person| person.pi).collect();
                let is_pi = |person: &&Experimenter| person.email.address() == Some(email);
                match other {
                    None if flagged.is_empty() || flagged.iter().any(is_pi) => Ok(first),
                    None => Err(format!(
                        "{email} is on {} by the schedule, but not its PI, and no proposal number in the \
                         PVs tells whether its people are theirs",
                        first.summary()
                    )),
                    Some(other) => Err(format!(
                        "the schedule names {email} twice, on {} and on {}, and no proposal number in the \
                         PVs tells which",
                        first.summary(),
                        other.summary()
                    )),
                }
            }
        }
    }

    /// Whether one entry fits the experiment's address, last name, proposal and month, and has the beam,
    /// `grace` before and after its beam time included.
    pub fn check(&self, experiment: &Experiment, at: Timestamp, grace: Duration) -> OnSchedule {
        let near: Vec<_> = self.beam_times.iter().filter(|beam_time| beam_time.is_near(at, grace)).collect();
        let mut misfits = vec![];
        for beam_time in &near {
            match beam_time.fit(experiment, grace) {
                Ok(()) => return OnSchedule::Yes,
                Err(misfit) => misfits.push(misfit),
            }
        }
        if !self.not_understood.is_empty() {
            let entries = self.not_understood.join("; ");
            return OnSchedule::Unknown(format!("entries of the schedule can't be read: {entries}"));
        }
        let (email, name, month) = (&experiment.pi_email, &experiment.pi_last_name, &experiment.year_month);
        let number = experiment.details.get(&Field::ProposalNumber);
        // The entry that fits best.
        OnSchedule::No(match (misfits.into_iter().max(), number) {
            (Some(Misfit::Month(beam_time)), _) => {
                format!("the schedule has them on {beam_time}, not in {month}")
            }
            (Some(Misfit::Name { listed, proposal }), _) => {
                let listed = listed.map_or("without a last name".to_owned(), |listed| format!("as {listed}"));
                format!("the schedule lists {email} {listed} on {proposal}, not as {name}")
            }
            (Some(Misfit::Address), Some(number)) => {
                format!("the schedule does not name {email} on proposal {number}")
            }
            (Some(Misfit::Address), None) => {
                let now = near.first().map(|now| now.summary()).unwrap_or_default();
                format!("the schedule does not name {email} now; it is {now}")
            }
            (_, Some(number)) => {
                let now =
                    near.first().map_or("nobody has".to_owned(), |now| format!("it is {}", now.summary()));
                format!("by the schedule, proposal {number} has no beam time now; {now}")
            }
            (_, None) => format!("the schedule does not name {email}: nobody has beam time now"),
        })
    }

    /// Whether an entry as in [`check`](Self::check) names the address as its proposal's principal
    /// investigator. Only with a proposal number.
    pub fn confirms_pi(&self, experiment: &Experiment, at: Timestamp, grace: Duration) -> bool {
        let is_pi = |beam_time: &BeamTime| {
            let pi = beam_time.proposal.pi().and_then(|pi| pi.email.address());
            beam_time.fit(experiment, grace).is_ok_and(|()| pi == Some(&experiment.pi_email))
        };
        experiment.details.contains_key(&Field::ProposalNumber)
            && self.beam_times.iter().any(|beam_time| beam_time.is_near(at, grace) && is_pi(beam_time))
    }
}

/// What of an experiment does not fit an entry, from the first look to the last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Misfit {
    /// It is another proposal's
    Proposal,
    /// The address is not on it
    Address,
    /// It lists the address with another name, or with none
    Name { listed: Option<String>, proposal: String },
    /// Its beam time is not in the month
    Month(String),
}

/// What the schedule says about a group's being at the beamline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnSchedule {
    /// It names them
    Yes,
    /// It does not: why, for the operator
    No(String),
    /// It can't be told: why, for the operator
    Unknown(String),
}

impl BeamTime {
    /// Compares proposal number (where the experiment has one), address, last name and month.
    fn fit(&self, experiment: &Experiment, grace: Duration) -> Result<(), Misfit> {
        let number = experiment.details.get(&Field::ProposalNumber);
        if number.is_some() && self.proposal.number.as_ref() != number {
            return Err(Misfit::Proposal);
        }
        let email = &experiment.pi_email;
        let listed =
            self.proposal.experimenters.iter().filter(|person| person.email.address() == Some(email));
        let names: Vec<_> = listed.map(|person| person.last_name.as_deref()).collect();
        if names.is_empty() {
            return Err(Misfit::Address);
        }
        // As in paths: "Müller" is Muller, "O'Brien" is OBrien, and capitals make no difference.
        let plain = |name: &str| path_component(name).map(|name| name.to_lowercase());
        let name = plain(experiment.pi_last_name.as_str());
        if !names.iter().flatten().any(|listed| plain(listed) == name) {
            let listed = names.into_iter().flatten().next().map(str::to_owned);
            return Err(Misfit::Name { listed, proposal: self.summary() });
        }
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let month = |time: ZonedDateTime| time.strftime("%Y-%m").to_string();
        let (first, last) = (month(self.start.saturating_sub(grace)), month(self.end.saturating_add(grace)));
        if !(first..=last).contains(&experiment.year_month.to_string()) {
            return Err(Misfit::Month(self.summary()));
        }
        Ok(())
    }

    /// Whether `at` is in it, or so much before or after it.
    pub fn is_near(&self, at: Timestamp, grace: Duration) -> bool {
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let (from, until) = (self.start.timestamp(), self.end.timestamp());
        from.saturating_sub(grace).unwrap_or(Timestamp::MIN) <= at
            && at < until.saturating_add(grace).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Contact, Proposal};
    use super::*;
    use crate::domain::UserInfo;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn beam_time(number: Option<&str>, start: i8, end: i8, emails: &[&str]) -> BeamTime {
        let day = |day| jiff::civil::date(2026, 3, day).at(8, 0, 0, 0).in_tz("America/Chicago").unwrap();
        let people = emails.iter().map(|email| Experimenter {
            last_name: Some("Li".to_owned()),
            email: Contact::parse(Some(email)),
            ..Experimenter::default()
        });
        let proposal =
            Proposal { number: number.map(str::to_owned), ..Proposal::default() }.with_experimenters(people);
        BeamTime {
            run: None,
            start: day(start),
            end: day(end),
            esaf: None,
            granted_shifts: None,
            scheduled_shifts: None,
            proposal,
        }
    }

    fn at(day: i8) -> Timestamp {
        jiff::civil::date(2026, 3, day).at(12, 0, 0, 0).in_tz("America/Chicago").unwrap().timestamp()
    }

    fn li(email: &str, number: Option<&str>) -> Experiment {
        let mut fields =
            vec![(Field::YearMonth, "2026-03"), (Field::PiLastName, "Li"), (Field::PiEmail, email)];
        fields.extend(number.map(|number| (Field::ProposalNumber, number)));
        Experiment::parse(&UserInfo(
            fields.into_iter().map(|(field, text)| (field, text.to_owned())).collect(),
        ))
        .unwrap()
    }

    fn schedule() -> RunSchedule {
        RunSchedule {
            beam_times: vec![
                beam_time(Some("1"), 2, 5, &["bo@mit.edu", "ana@upf.edu"]),
                beam_time(Some("2"), 5, 8, &["na@eth.ch", "ana@upf.edu"]),
                beam_time(Some("3"), 20, 21, &[]),
            ],
            ..RunSchedule::default()
        }
    }

    #[test]
    fn only_who_is_on_the_proposal_of_the_time_is_on_the_schedule() {
        let schedule = schedule();
        let check = |email, number, day| schedule.check(&li(email, number), at(day), DAY);
        assert_eq!(check("BO@mit.edu", Some("1"), 3), OnSchedule::Yes);
        assert_eq!(check("bo@mit.edu", None, 3), OnSchedule::Yes);
        // The day before, and the day after; no longer.
        for (day, expected) in [(1, true), (5, true), (6, false), (15, false)] {
            assert_eq!(check("bo@mit.edu", Some("1"), day) == OnSchedule::Yes, expected, "day {day}");
            assert_eq!(check("bo@mit.edu", None, day) == OnSchedule::Yes, expected, "day {day}");
        }
        // On another proposal of these days, and the PVs say which it is to be.
        let told = |answer: OnSchedule, text: &str| match answer {
            OnSchedule::No(why) => assert!(why.contains(text), "{why}"),
            other => panic!("{other:?}"),
        };
        told(check("na@eth.ch", Some("1"), 5), "does not name na@eth.ch on proposal 1");
        told(
            check("bo@mit.edu", Some("7"), 3),
            "proposal 7 has no beam time now; it is proposal 1 (Li), 2026-03-02",
        );
        told(check("bo@mit.edu", Some("1"), 15), "proposal 1 has no beam time now; nobody has");
        told(check("eve@example.org", None, 3), "does not name eve@example.org now; it is proposal 1 (Li)");
        told(check("eve@example.org", None, 15), "nobody has beam time now");
        told(check("bo@mit.edu", Some("3"), 20), "does not name bo@mit.edu on proposal 3");
        let unread =
            RunSchedule { not_understood: vec!["activity 7: no end".to_owned()], ..schedule.clone() };
        assert!(matches!(unread.check(&li("eve@example.org", None), at(3), DAY), OnSchedule::Unknown(_)));
        assert_eq!(unread.check(&li("bo@mit.edu", None), at(3), DAY), OnSchedule::Yes);
    }

    #[test]
    fn the_people_come_from_a_proposal_that_names_the_pi_alone() {
        let schedule = schedule();
        let people = |email, number, day| {
            let found = schedule.of_group(&li(email, number), at(day), DAY);
            found.map(|found| found.addresses().into_iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(people("bo@mit.edu", Some("1"), 30).unwrap(), ["bo@mit.edu", "ana@upf.edu"]);
        assert_eq!(people("bo@mit.edu", None, 30).unwrap(), ["bo@mit.edu", "ana@upf.edu"]);
        assert_eq!(people("ana@upf.edu", None, 3).unwrap(), ["bo@mit.edu", "ana@upf.edu"]);
        for (email, number, day, told) in [
            ("bo@mit.edu", Some("2"), 3, "bo@mit.edu is not on proposal 2"),
            ("bo@mit.edu", Some("7"), 3, "no proposal 7"),
            ("bo@mit.edu", Some("3"), 3, "names nobody on proposal 3"),
            ("eve@example.org", None, 3, "names eve@example.org on no proposal"),
            ("ana@upf.edu", None, 5, "names ana@upf.edu twice, on proposal 1"),
        ] {
            let why = people(email, number, day).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
        // A guest on the proposal that has the beam.
        let mut flagged = schedule.clone();
        flagged.beam_times[0].proposal.experimenters[0].pi = true;
        let of = |email, number| flagged.of_group(&li(email, number), at(3), DAY).map(drop);
        assert_eq!((of("bo@mit.edu", None), of("ana@upf.edu", Some("1"))), (Ok(()), Ok(())));
        assert!(of("ana@upf.edu", None).unwrap_err().contains("not its PI"));
    }
}
