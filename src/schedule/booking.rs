use super::time::shown;
use super::{BeamTime, Experimenter};
use crate::domain::{BookedUser, Booking};

impl From<&BeamTime> for Booking {
    /// The texts of this beam time for its group.
    fn from(beam_time: &BeamTime) -> Booking {
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
