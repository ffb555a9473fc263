use super::experimenter::{Experimenter, once_each};
use super::time::shown;
use super::{Contact, ScheduleError};
use crate::domain::EmailAddress;
use jiff::{Timestamp, ZonedDateTime};
use serde::{Serialize, Serializer};

/// A period in which the facility has beam, e.g. `2026-1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What the facility calls it
    pub name: String,
    /// Its first moment
    #[serde(serialize_with = "rfc3339")]
    pub start: ZonedDateTime,
    /// Its end
    #[serde(serialize_with = "rfc3339")]
    pub end: ZonedDateTime,
}

/// A stretch of time that belongs to one proposal (an "activity" of the APS schedule). A proposal can have
/// several in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BeamTime {
    /// The run's name
    pub run: Option<String>,
    /// Its first moment, in the facility's time zone
    #[serde(serialize_with = "rfc3339")]
    pub start: ZonedDateTime,
    /// The first moment after it, in the facility's time zone
    #[serde(serialize_with = "rfc3339")]
    pub end: ZonedDateTime,
    /// The experiment safety form's number
    pub esaf: Option<String>,
    /// Shifts (of 8 hours at the APS) that were granted
    pub granted_shifts: Option<f64>,
    /// Shifts that were scheduled
    pub scheduled_shifts: Option<f64>,
    /// Whose it is
    pub proposal: Proposal,
}

/// What a group is at the beamline for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Its number
    pub number: Option<String>,
    /// Its title
    pub title: Option<String>,
    /// What kind it is, e.g. `GUP`
    pub kind: Option<String>,
    /// The day it was handed in, e.g. `2025-10-31`
    pub submitted: Option<String>,
    /// Whether its results are the group's own
    pub proprietary: Option<bool>,
    /// Whether only the samples come
    pub mail_in: Option<bool>,
    /// Everyone on it, in the schedule's order; made by [`Proposal::with_experimenters`]
    pub experimenters: Vec<Experimenter>,
}

impl Proposal {
    /// The proposal with everyone who is listed, once each: see [`Contact`] for who can't be reached.
    pub fn with_experimenters(self, listed: impl IntoIterator<Item = Experimenter>) -> Proposal {
        Proposal { experimenters: once_each(listed), ..self }
    }

    /// The principal investigator: the first one flagged, else the first one listed.
    pub fn pi(&self) -> Option<&Experimenter> {
        self.experimenters.iter().find(|person| person.pi).or(self.experimenters.first())
    }
}

impl BeamTime {
    /// Whether `at` is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start.timestamp() <= at && at < self.end.timestamp()
    }

    /// Whether someone on the proposal has this address, whatever the capitals.
    pub fn names(&self, address: &EmailAddress) -> bool {
        self.reachable().any(|known| known == address)
    }

    /// Everyone's address, once each whatever the capitals, in the schedule's order.
    pub fn addresses(&self) -> Vec<&EmailAddress> {
        let mut addresses: Vec<&EmailAddress> = vec![];
        for address in self.reachable() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    fn reachable(&self) -> impl Iterator<Item = &EmailAddress> {
        self.proposal.experimenters.iter().filter_map(|person| person.email.address())
    }

    /// Who is on the proposal and can't be reached, for the operator; [`Experimenter::email`] says why.
    pub fn unreachable(&self) -> impl Iterator<Item = &Experimenter> {
        self.proposal.experimenters.iter().filter(|person| !matches!(person.email, Contact::Address(_)))
    }

    /// `proposal 81234 (Wang), 2026-03-02 08:00 CST to 2026-03-05 08:00 CST`
    pub fn summary(&self) -> String {
        let number = match &self.proposal.number {
            Some(number) => format!("proposal {number}"),
            None => "a proposal without number".to_owned(),
        };
        let pi = self
            .proposal
            .pi()
            .map_or("nobody listed".to_owned(), |pi| pi.last_name.clone().unwrap_or(pi.name()));
        format!("{number} ({pi}), {} to {}", shown(&self.start), shown(&self.end))
    }
}

/// What a schedule says about the time around a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunSchedule {
    /// The run that the moment is in, where the schedule has runs and one contains it
    pub run: Option<Run>,
    /// The beam times of that run (or of the whole file), by start
    pub beam_times: Vec<BeamTime>,
    /// Entries that can't be read, each with the reason: who they belong to is not known
    pub not_understood: Vec<String>,
}

impl RunSchedule {
    /// Whose beam time `at` is in; `None` where nobody is scheduled.
    ///
    /// # Errors
    /// [`ScheduleError::Ambiguous`] where two proposals are scheduled at once, and
    /// [`ScheduleError::NotUnderstood`] where nobody is scheduled among the entries that can be read, but not
    /// all can be.
    pub fn current(&self, at: Timestamp) -> Result<Option<&BeamTime>, ScheduleError> {
        let mut current = self.beam_times.iter().filter(|beam_time| beam_time.contains(at));
        let Some(first) = current.next() else {
            if self.not_understood.is_empty() {
                return Ok(None);
            }
            return Err(ScheduleError::NotUnderstood { entries: self.not_understood.clone() });
        };
        // Two activities of one proposal may overlap; two proposals at once are for a person to tell apart.
        let mut last = first;
        for other in current {
            if other.proposal.number != first.proposal.number || first.proposal.number.is_none() {
                return Err(ScheduleError::Ambiguous { first: first.summary(), second: other.summary() });
            }
            last = other;
        }
        Ok(Some(last))
    }

    /// The beam time of a proposal: the one at `at`, else the next to come, else the last one over.
    pub fn of_proposal(&self, number: &str, at: Timestamp) -> Option<&BeamTime> {
        let mut own =
            self.beam_times.iter().filter(|beam_time| beam_time.proposal.number.as_deref() == Some(number));
        own.clone().find(|beam_time| at < beam_time.end.timestamp()).or_else(|| own.next_back())
    }

    /// Why nobody is scheduled at `at`, for the operator: what comes before and after.
    pub fn nobody(&self, at: &ZonedDateTime) -> String {
        let moment = at.timestamp();
        let mut text = format!("Nobody is scheduled at {}", shown(at));
        if let Some(run) = &self.run {
            text += &format!(" (run {})", run.name);
        }
        let before = self.beam_times.iter().filter(|beam_time| beam_time.end.timestamp() <= moment);
        if let Some(last) = before.max_by_key(|beam_time| beam_time.end.timestamp()) {
            text += &format!("; last: {}", last.summary());
        }
        if let Some(next) = self.beam_times.iter().find(|beam_time| beam_time.start.timestamp() > moment) {
            text += &format!("; next: {}", next.summary());
        }
        text
    }
}

/// `2026-03-02T08:00:00-06:00`: without jiff's own time zone in brackets, so that every reader of JSON takes
/// it.
fn rfc3339<S: Serializer>(time: &ZonedDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S%:z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beam_time(number: Option<&str>, start: i8, end: i8) -> BeamTime {
        let day = |day| jiff::civil::date(2026, 3, day).at(8, 0, 0, 0).in_tz("America/Chicago").unwrap();
        let person = |name: &str, email: &str| Experimenter {
            last_name: Some(name.to_owned()),
            email: Contact::parse(Some(email)),
            ..Experimenter::default()
        };
        let proposal = Proposal { number: number.map(str::to_owned), ..Proposal::default() }
            .with_experimenters([person("Wang", "Wang@anl.gov"), person("Li", ""), person("Ma", "ma@")]);
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

    fn at(day: i8, hour: i8) -> ZonedDateTime {
        jiff::civil::date(2026, 3, day).at(hour, 0, 0, 0).in_tz("America/Chicago").unwrap()
    }

    #[test]
    fn one_ends_when_the_next_begins() {
        let schedule = RunSchedule {
            beam_times: vec![
                beam_time(Some("1"), 2, 5),
                beam_time(Some("2"), 5, 6),
                beam_time(Some("1"), 9, 10),
            ],
            ..RunSchedule::default()
        };
        let current = |at: ZonedDateTime| {
            let found = schedule.current(at.timestamp()).unwrap();
            found.map(|beam_time| beam_time.proposal.number.clone().unwrap())
        };
        assert_eq!(current(at(2, 7)), None);
        assert_eq!(current(at(2, 8)).as_deref(), Some("1"));
        assert_eq!(current(at(5, 7)).as_deref(), Some("1"));
        assert_eq!(current(at(5, 8)).as_deref(), Some("2"));
        assert_eq!(current(at(6, 8)), None);
        assert_eq!(
            schedule.nobody(&at(7, 12)),
            "Nobody is scheduled at 2026-03-07 12:00 CST; last: proposal 2 (Wang), 2026-03-05 08:00 CST to \
             2026-03-06 08:00 CST; next: proposal 1 (Wang), 2026-03-09 08:00 CDT to 2026-03-10 08:00 CDT"
        );
        let of = |at: ZonedDateTime| {
            schedule.of_proposal("1", at.timestamp()).map(|beam_time| beam_time.start.day())
        };
        assert_eq!((of(at(1, 0)), of(at(6, 0)), of(at(20, 0))), (Some(2), Some(9), Some(9)));
        assert_eq!(schedule.of_proposal("3", at(1, 0).timestamp()), None);
    }

    #[test]
    fn two_proposals_at_once_are_for_a_person_to_tell_apart() {
        let two = |a, b| RunSchedule {
            beam_times: vec![beam_time(a, 2, 5), beam_time(b, 4, 6)],
            ..RunSchedule::default()
        };
        let error = two(Some("1"), Some("2")).current(at(4, 12).timestamp()).unwrap_err().to_string();
        assert!(error.contains("proposal 1 (Wang)") && error.contains("proposal 2 (Wang)"), "{error}");
        assert!(two(None, None).current(at(4, 12).timestamp()).is_err());
        let schedule = two(Some("1"), Some("1"));
        assert_eq!(schedule.current(at(4, 12).timestamp()).unwrap().map(|b| b.start.day()), Some(4));
    }

    #[test]
    fn nobody_is_not_claimed_of_what_cannot_be_read() {
        let schedule = RunSchedule {
            beam_times: vec![beam_time(Some("1"), 2, 5)],
            not_understood: vec!["activity 7: no end".into()],
            ..RunSchedule::default()
        };
        assert!(schedule.current(at(3, 0).timestamp()).unwrap().is_some());
        let error = schedule.current(at(6, 0).timestamp()).unwrap_err().to_string();
        assert!(error.contains("activity 7: no end"), "{error}");
    }

    #[test]
    fn names_are_known_whatever_the_capitals() {
        let beam_time = beam_time(Some("1"), 2, 5);
        assert!(beam_time.names(&"wANG@ANL.gov".parse().unwrap()));
        assert!(!beam_time.names(&"li@anl.gov".parse().unwrap()));
        assert_eq!(beam_time.addresses().len(), 1);
        let unreachable: Vec<_> =
            beam_time.unreachable().map(|p| format!("{}: {}", p.name(), p.email)).collect();
        assert_eq!(unreachable[0], "Li: no e-mail address");
        assert!(unreachable[1].starts_with("Ma: no usable e-mail address: \"ma@\""), "{unreachable:?}");
    }
}
