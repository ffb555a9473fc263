use crate::experiment::{Experiment, Field};
use serde::Serialize;

/// What templates can use. Each name is always there; a value that is not known is an empty text, so that a template can
/// ask `{% if proposal_number %}`, and a name that is misspelt is an error. [`super::Templates::compose`] adds `recipient` and `contacts`.
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
    /// The experiment safety form's number
    pub esaf: String,
    /// When the tagging tool last put the set
    pub update_time: String,
    /// What the beamline is called, e.g. `2-BM`
    pub beamline: String,
    /// The link that opens the directory in the Globus web app
    pub data_link: String,
    /// The first tree's path, e.g. `2026-03/Li`
    pub path: String,
    /// The last day of the access, e.g. `2026-09-30`; empty where it does not end
    pub expires: String,
}

impl MessageContext {
    /// The experiment's and the beamline's part; the caller adds link, path and expiry.
    pub fn new(experiment: &Experiment, beamline: &str) -> Self {
        let detail = |field| experiment.details.get(&field).cloned().unwrap_or_default();
        MessageContext {
            year_month: experiment.year_month.to_string(),
            pi_last_name: experiment.pi_last_name.to_string(),
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

    /// The least that an experiment has, to try templates with.
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
