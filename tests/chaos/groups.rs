//! The user groups, each with a directory and people of its own, and the facility's schedule that lists them.

use crate::server::{RUNS, Reply, SCHEDULED, Server, activity, person};
use beamshare::domain::Field;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

pub const STAFF: &str = "staff@example.org";
pub const CONTACT: &str = "contact@example.org";

/// Several groups have a last name and a month in common.
const NAMES: [&str; 3] = ["Li", "Garcia", "Nakamura"];

/// A group, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub u64);

impl Group {
    fn name(self) -> &'static str {
        NAMES[(self.0 % 3) as usize]
    }

    pub fn proposal(self) -> String {
        format!("{}", 71_000 + self.0)
    }

    pub fn pi(self) -> String {
        format!("pi{}@example.org", self.0)
    }

    /// The principal investigator and another user, who is on the proposal.
    pub fn people(self) -> [String; 2] {
        [self.pi(), format!("user{}@example.org", self.0)]
    }

    /// The directory, as `paths` of the settings makes it.
    pub fn path(self) -> String {
        format!("{}/{}-{}", self.year_month(), self.name(), self.proposal())
    }

    fn year_month(self) -> &'static str {
        ["2026-03", "2026-04"][(self.0 % 2) as usize]
    }

    /// What the tagging tool puts, in its order.
    pub fn puts(self) -> Vec<(Field, String)> {
        let number = self.0;
        vec![
            (Field::PiFirstName, "Ana".to_owned()),
            (Field::PiLastName, self.name().to_owned()),
            (Field::PiInstitution, ["UPF", "MIT"][(number % 2) as usize].to_owned()),
            (Field::PiEmail, self.pi()),
            (Field::UpdateTime, format!("tagging of {number}")),
            (Field::ProposalNumber, self.proposal()),
            (Field::ProposalTitle, "Foam".to_owned()),
            (Field::YearMonth, self.year_month().to_owned()),
        ]
    }
}

/// The schedule, with so many groups.
pub fn schedule(groups: u64) -> Server {
    let server = Server::start();
    answer(&server, groups);
    server
}

/// The schedule answers from now on.
pub fn answer(server: &Server, groups: u64) {
    let runs = json!([{ "runName": "2026-1", "startTime": hours(-2400), "endTime": hours(2400) }]);
    let activities: Vec<Value> = (0..groups).map(|number| booked(Group(number))).collect();
    server.answers(RUNS, Reply::Json(runs));
    server.answers(SCHEDULED, Reply::Json(json!([{ "scheduleName": "2-BM-A,B", "activities": activities }])));
}

fn booked(group: Group) -> Value {
    let [pi, user] = group.people();
    let people =
        json!([person("Ana", group.name(), json!(pi), "Y"), person("Bo", "Smith", json!(user), "N"),]);
    // The months of all groups are in the beam time.
    activity(json!(71_000 + group.0), "2026-03-01T08:00:00Z", &hours(24), people)
}

fn hours(hours: i64) -> String {
    (Timestamp::now() + hours.hours()).to_string()
}
