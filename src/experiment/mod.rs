//! Who has the beam time: values that exist only if they are safe to use.
//!
//! Anyone on the controls network can put to a PV, so each text is hostile until it has been parsed into one of these
//! types. [`Experiment`] is made by [`Experiment::parse`] alone.

mod email;
mod name;
mod path;
mod year_month;

pub use email::EmailAddress;
pub use name::{PiLastName, path_component};
pub use path::{PathTemplate, RelativePath};
pub use year_month::YearMonth;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A user-info PV's place in the set. The order is that of the messages to people, not of the tagging tool's puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// `2026-03`
    YearMonth,
    /// The principal investigator's last name
    PiLastName,
    /// The principal investigator's e-mail address
    PiEmail,
    /// The principal investigator's first name
    PiFirstName,
    /// The principal investigator's institution
    PiInstitution,
    /// The principal investigator's badge number
    PiBadge,
    /// The proposal's number
    ProposalNumber,
    /// The proposal's title
    ProposalTitle,
    /// The experiment safety form's number
    Esaf,
    /// When the tagging tool last put the set
    UpdateTime,
}

impl Field {
    /// The fields without which there is no experiment.
    pub const REQUIRED: [Field; 3] = [Field::YearMonth, Field::PiLastName, Field::PiEmail];

    /// The configuration key of the field, which is also its name in templates.
    pub fn key(self) -> &'static str {
        match self {
            Field::YearMonth => "year_month",
            Field::PiLastName => "pi_last_name",
            Field::PiEmail => "pi_email",
            Field::PiFirstName => "pi_first_name",
            Field::PiInstitution => "pi_institution",
            Field::PiBadge => "pi_badge",
            Field::ProposalNumber => "proposal_number",
            Field::ProposalTitle => "proposal_title",
            Field::Esaf => "esaf",
            Field::UpdateTime => "update_time",
        }
    }
}

impl fmt::Display for Field {
    /// The field as an operator would call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::YearMonth => "year-month",
            Field::PiLastName => "PI last name",
            Field::PiEmail => "PI e-mail",
            Field::PiFirstName => "PI first name",
            Field::PiInstitution => "PI institution",
            Field::PiBadge => "PI badge",
            Field::ProposalNumber => "proposal number",
            Field::ProposalTitle => "proposal title",
            Field::Esaf => "ESAF number",
            Field::UpdateTime => "update time",
        })
    }
}

/// The texts of the user-info PVs as they stand, unparsed. A field without a configured PV is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserInfo(pub BTreeMap<Field, String>);

impl UserInfo {
    /// The field's text without surrounding blanks; `None` where it is absent, empty or says "nobody yet"
    /// ("Unknown", "None", "null", "-", in any capitals).
    pub fn get(&self, field: Field) -> Option<&str> {
        let text = self.0.get(&field)?.trim();
        let nobody =
            text.is_empty() || ["unknown", "none", "null", "n/a", "-"].contains(&text.to_ascii_lowercase().as_str());
        (!nobody).then_some(text)
    }
}

/// Why a field's text can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?}: {reason}")]
pub struct FieldError {
    /// Whose text it is
    pub field: Field,
    /// The text as it stood in the PV
    pub value: String,
    /// What is wrong, and what would be right
    pub reason: String,
}

/// One group's beam time, as the user info names it. All texts in it are parsed; the optional ones are free of control
/// characters and at most 200 characters long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// The month in which it started
    pub year_month: YearMonth,
    /// The principal investigator's last name
    pub pi_last_name: PiLastName,
    /// The principal investigator's e-mail address
    pub pi_email: EmailAddress,
    /// The optional fields that are set
    pub details: BTreeMap<Field, String>,
}

impl Experiment {
    /// Parses a complete set. All that is wrong is told, not only the first.
    pub fn parse(user_info: &UserInfo) -> Result<Experiment, Vec<FieldError>> {
        let _ = user_info;
        Err(vec![])
    }

    /// Who owns the directories: the proposal, or the e-mail address where no proposal is known.
    pub fn owner(&self) -> Owner {
        match self.details.get(&Field::ProposalNumber) {
            Some(number) => Owner::Proposal(number.clone()),
            None => Owner::Email(self.pi_email.clone()),
        }
    }
}

impl fmt::Display for Experiment {
    /// `2026-03/Li (li@example.org, proposal 1234)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({}", self.year_month, self.pi_last_name, self.pi_email)?;
        if let Some(number) = self.details.get(&Field::ProposalNumber) {
            write!(f, ", proposal {number}")?;
        }
        f.write_str(")")
    }
}

/// To whom an experiment's directories belong.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A proposal number
    Proposal(String),
    /// A PI's e-mail address, where there is no proposal number
    Email(EmailAddress),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Proposal(number) => write!(f, "proposal {number}"),
            Owner::Email(address) => write!(f, "{address}"),
        }
    }
}
