use super::time::shown;
use super::{BeamTime, Experimenter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the schedule says of a group's beam time, as it is kept and told to people: every text is on one line, and empty
/// where the schedule doesn't say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Booking {
    /// The run, e.g. `2026-1`
    pub run: String,
    /// When the beam time begins, in the facility's time zone, e.g. `2026-03-02 08:00 CST`
    pub start: String,
    /// When it ends
    pub end: String,
    /// When it ends, to count from
    pub ends_at: Option<Timestamp>,
    /// How many shifts are scheduled, or else granted
    pub shifts: String,
    /// The experiment safety form's number
    pub esaf: String,
    /// The proposal's number
    pub proposal_number: String,
    /// The proposal's title
    pub proposal_title: String,
    /// What kind it is, e.g. `GUP`
    pub proposal_type: String,
    /// Everyone on the proposal
    pub users: Vec<BookedUser>,
}

/// Someone on the proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BookedUser {
    /// `Wei Wang`, or what there is of it
    pub name: String,
    /// First name
    pub first_name: String,
    /// Last name
    pub last_name: String,
    /// E-mail address; empty where there is none that can be used
    pub email: String,
    /// Institution
    pub institution: String,
    /// Badge number
    pub badge: String,
    /// Whether it is the principal investigator
    pub pi: bool,
}

impl Booking {
    /// What this beam time's group is told.
    pub fn of(beam_time: &BeamTime) -> Booking {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let proposal = &beam_time.proposal;
        let pi = proposal.pi();
        let user = |person: &Experimenter| BookedUser {
            name: person.name(),
            first_name: text(&person.first_name),
            last_name: text(&person.last_name),
            email: person.email.address().map(ToString::to_string).unwrap_or_default(),
            institution: text(&person.institution),
            badge: text(&person.badge),
            pi: pi.is_some_and(|pi| std::ptr::eq(pi, person)),
        };
        let shifts = beam_time.scheduled_shifts.or(beam_time.granted_shifts);
        Booking {
            run: text(&beam_time.run),
            start: shown(&beam_time.start),
            end: shown(&beam_time.end),
            ends_at: Some(beam_time.end.timestamp()),
            shifts: shifts.map(|shifts| shifts.to_string()).unwrap_or_default(),
            esaf: text(&beam_time.esaf),
            proposal_number: text(&proposal.number),
            proposal_title: text(&proposal.title),
            proposal_type: text(&proposal.kind),
            users: proposal.experimenters.iter().map(user).collect(),
        }
    }
}
