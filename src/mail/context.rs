use crate::domain::{BookedUser, Booking, EmailAddress, Experiment, Field, without_links};
use serde::Serialize;

/// The fields of templates. Each name is always defined; an unknown value is an empty text, so that a
/// template can test `{% if proposal_number %}`, and a misspelt name is an error.
/// [`super::Templates::compose`] adds `recipient`, `recipient_name` and `contacts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageContext {
    /// `2026-03`
    pub year_month: String,
    /// The principal investigator's last name
    pub pi_last_name: String,
    /// The principal investigator's first name
    pub pi_first_name: String,
    /// The principal investigator's e-mail address
    pub pi_email: String,
    /// The principal investigator's institution
    pub pi_institution: String,
    /// The principal investigator's badge number
    pub pi_badge: String,
    /// The proposal's number
    pub proposal_number: String,
    /// The proposal's title
    pub proposal_title: String,
    /// The kind of proposal, e.g. `GUP`; by the schedule
    pub proposal_type: String,
    /// The run, e.g. `2026-1`; by the schedule
    pub run: String,
    /// When the beam time begins, e.g. `2026-03-02 08:00 CST`; by the schedule
    pub start: String,
    /// When it ends; by the schedule
    pub end: String,
    /// How many shifts; by the schedule
    pub shifts: String,
    /// Everyone on the proposal; by the schedule
    pub users: Vec<BookedUser>,
    /// The experiment safety form's number
    pub esaf: String,
    /// When the tagging tool last put the set
    pub update_time: String,
    /// The beamline's name, e.g. `2-BM`
    pub beamline: String,
    /// The link that opens the directory in the Globus web app
    pub data_link: String,
    /// The first tree's path, e.g. `2026-03/Li`
    pub path: String,
    /// The last day of the access, e.g. `2026-09-30`; empty where it does not end
    pub expires: String,
}

/// The additional fields of the message about another principal investigator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PiChangeContext {
    /// `former_pi_email`: the address that was replaced
    pub former: EmailAddress,
    /// `pi_email`: the address that replaced it
    pub present: EmailAddress,
    /// `former_keeps_access`: whether the replaced address still has access, in another role
    pub former_keeps_access: bool,
    /// `changed_at`: the day and time by the facility's clocks
    pub changed_at: String,
}

impl PiChangeContext {
    /// A change with every value, to try templates with.
    pub(super) fn sample(email: &EmailAddress) -> Self {
        let changed_at = "2026-03-02 09:00".to_owned();
        PiChangeContext {
            former: email.clone(),
            present: email.clone(),
            former_keeps_access: false,
            changed_at,
        }
    }
}

impl MessageContext {
    /// The experiment's and the beamline's part; the caller adds link, path and expiry.
    pub fn new(experiment: &Experiment, beamline: &str) -> Self {
        // An operator may have approved a text with a link; in a message it still must not be one.
        let detail =
            |field| experiment.details.get(&field).map(|text| without_links(text)).unwrap_or_default();
        MessageContext {
            year_month: experiment.year_month.to_string(),
            pi_last_name: without_links(experiment.pi_last_name.as_str()),
            pi_first_name: detail(Field::PiFirstName),
            pi_email: experiment.pi_email.to_string(),
            pi_institution: detail(Field::PiInstitution),
            pi_badge: detail(Field::PiBadge),
            proposal_number: detail(Field::ProposalNumber),
            proposal_title: detail(Field::ProposalTitle),
            esaf: detail(Field::Esaf),
            update_time: detail(Field::UpdateTime),
            beamline: beamline.to_owned(),
            ..MessageContext::default()
        }
    }

    /// Adds the schedule's data. The values of the PVs have precedence, since the group was accepted by them.
    /// Links in texts that people have entered are made unusable, as those of the PVs are.
    pub fn with_booking(mut self, mut booking: Booking) -> Self {
        let named = booking.users.iter_mut().flat_map(|user| {
            [
                &mut user.name,
                &mut user.first_name,
                &mut user.last_name,
                &mut user.institution,
                &mut user.badge,
            ]
        });
        for text in
            named.chain([&mut booking.proposal_title, &mut booking.proposal_number, &mut booking.esaf])
        {
            *text = without_links(text);
        }
        let fill = |own: &mut String, theirs: String| {
            if own.is_empty() {
                *own = theirs;
            }
        };
        if let Some(pi) = booking.users.iter().find(|user| user.email.eq_ignore_ascii_case(&self.pi_email)) {
            fill(&mut self.pi_first_name, pi.first_name.clone());
            fill(&mut self.pi_institution, pi.institution.clone());
            fill(&mut self.pi_badge, pi.badge.clone());
        }
        fill(&mut self.proposal_number, booking.proposal_number);
        fill(&mut self.proposal_title, booking.proposal_title);
        fill(&mut self.esaf, booking.esaf);
        self.proposal_type = booking.proposal_type;
        self.run = booking.run;
        self.start = booking.start;
        self.end = booking.end;
        self.shifts = booking.shifts;
        self.users = booking.users;
        self
    }

    /// The name of the person with this address; empty if it is unknown.
    pub(super) fn name_of(&self, email: &str) -> String {
        let user = self.users.iter().find(|user| user.email.eq_ignore_ascii_case(email));
        match user {
            Some(user) => user.name.clone(),
            None if self.pi_email.eq_ignore_ascii_case(email) => {
                format!("{} {}", self.pi_first_name, self.pi_last_name).trim().to_owned()
            }
            None => String::new(),
        }
    }

    /// An experiment with every value, to try templates with.
    pub fn sample() -> Self {
        let text = str::to_owned;
        MessageContext {
            year_month: text("2026-03"),
            pi_last_name: text("Müller"),
            pi_first_name: text("Ada"),
            pi_email: text("ada@example.org"),
            pi_institution: text("Example University"),
            pi_badge: text("123456"),
            proposal_number: text("98765"),
            proposal_title: text("Tomography of <small> & large samples"),
            proposal_type: text("GUP"),
            run: text("2026-1"),
            start: text("2026-03-02 08:00 CST"),
            end: text("2026-03-05 08:00 CST"),
            shifts: text("9"),
            users: vec![
                BookedUser {
                    name: text("Ada Müller"),
                    first_name: text("Ada"),
                    last_name: text("Müller"),
                    email: text("ada@example.org"),
                    institution: text("Example University"),
                    badge: text("123456"),
                    pi: true,
                },
                BookedUser { name: text("Bo"), first_name: text("Bo"), ..BookedUser::default() },
            ],
            esaf: text("254321"),
            update_time: text("2026-03-02 09:00:00"),
            beamline: text("2-BM"),
            data_link: text(
                "https://app.globus.org/file-manager?origin_id=00000000-0000-0000-0000-000000000000&origin_path=%2F2026-03%2FMuller%2F",
            ),
            path: text("2026-03/Muller"),
            expires: text("2026-09-30"),
        }
    }

    /// An experiment with only the required values, to try templates with.
    pub fn bare_sample() -> Self {
        let full = MessageContext::sample();
        MessageContext {
            year_month: full.year_month,
            pi_last_name: full.pi_last_name,
            pi_email: full.pi_email,
            beamline: full.beamline,
            path: full.path,
            ..MessageContext::default()
        }
    }
}
