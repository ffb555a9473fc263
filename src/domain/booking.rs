use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the schedule says of a group's beam time, as it is kept and told to people: every text is on one
/// line, and empty where the schedule doesn't say.
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
