//! The user-info fields and the experiment they name.

use super::text;
use super::{EmailAddress, PiLastName, YearMonth};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A user-info PV's place in the set. The order is that of the messages to people, not of the tagging tool's
/// puts.
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
    /// The signature of all other fields, which says nothing about the experiment itself
    Signature,
}

impl Field {
    /// The fields without which there is no experiment.
    pub const REQUIRED: [Field; 3] = [Field::YearMonth, Field::PiLastName, Field::PiEmail];

    /// Every field that describes the experiment, in the order of messages to people: all but the signature.
    pub const ALL: [Field; 10] = [
        Field::YearMonth,
        Field::PiLastName,
        Field::PiEmail,
        Field::PiFirstName,
        Field::PiInstitution,
        Field::PiBadge,
        Field::ProposalNumber,
        Field::ProposalTitle,
        Field::Esaf,
        Field::UpdateTime,
    ];

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
            Field::Signature => "signature",
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
            Field::Signature => "signature",
        })
    }
}

/// The texts of the user-info PVs as they stand, unparsed. A field without a configured PV is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserInfo(pub BTreeMap<Field, String>);

impl UserInfo {
    /// The field's text without surrounding blanks; `None` where it is absent, empty or says "nobody yet"
    /// ("Unknown", "None", "null", "-", in any capitals; of a number also 0, which two groups without one
    /// would share).
    pub fn get(&self, field: Field) -> Option<&str> {
        let text = self.0.get(&field)?.trim();
        let nobody = text.is_empty()
            || ["unknown", "none", "null", "n/a", "-"].contains(&text.to_ascii_lowercase().as_str());
        let is_number = matches!(field, Field::ProposalNumber | Field::PiBadge | Field::Esaf);
        let zero = is_number && text.bytes().all(|b| b == b'0');
        (!nobody && !zero).then_some(text)
    }
}

/// Why a field's text can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {}: {reason}", quoted(.value))]
pub struct FieldError {
    /// Whose text it is
    pub field: Field,
    /// The text as it stood in the PV
    pub value: String,
    /// What is wrong, and what would be right
    pub reason: String,
}

/// The text in quotes, as it can stand in a message: on one line, with nothing hidden, and not longer than a
/// line.
pub fn quoted(text: &str) -> String {
    const MAX: usize = 48;
    let shown: String = text.chars().take(MAX).collect();
    let more = if text.chars().nth(MAX).is_some() { "…" } else { "" };
    format!("{shown:?}{more}")
}

/// One group's beam time, as the user info names it. All texts in it are parsed; the optional ones are on one
/// line, free of control and invisible characters and at most 256 characters long; numbers are ASCII and at
/// most 64.
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
    /// Parses a complete set. All that is wrong is told, not only the first, in the order of [`Field`].
    ///
    /// An optional field that is not set is left out; one that is set and can't be used is an error like any
    /// other: who puts a control character there is no tagging tool.
    pub fn parse(user_info: &UserInfo) -> Result<Experiment, Vec<FieldError>> {
        let mut errors = vec![];
        let year_month = required(user_info, Field::YearMonth, &mut errors);
        let pi_last_name = required(user_info, Field::PiLastName, &mut errors);
        let pi_email = required(user_info, Field::PiEmail, &mut errors);
        let mut details = BTreeMap::new();
        let optional = |field: &&Field| Field::ALL.contains(field) && !Field::REQUIRED.contains(field);
        for &field in user_info.0.keys().filter(optional) {
            let Some(text) = user_info.get(field) else { continue };
            let parsed = match field {
                Field::ProposalNumber | Field::PiBadge | Field::Esaf => text::identifier(text),
                _ => text::free_text(text),
            };
            match parsed {
                Ok(text) => drop(details.insert(field, text)),
                Err(reason) => errors.push(FieldError { field, value: text.to_owned(), reason }),
            }
        }
        match (year_month, pi_last_name, pi_email) {
            (Some(year_month), Some(pi_last_name), Some(pi_email)) if errors.is_empty() => {
                Ok(Experiment { year_month, pi_last_name, pi_email, details })
            }
            _ => Err(errors),
        }
    }

    /// The field's text as it was put; `None` where an optional field is not set.
    pub fn text(&self, field: Field) -> Option<String> {
        match field {
            Field::YearMonth => Some(self.year_month.to_string()),
            Field::PiLastName => Some(self.pi_last_name.to_string()),
            Field::PiEmail => Some(self.pi_email.to_string()),
            field => self.details.get(&field).cloned(),
        }
    }

    /// Who owns the directories: the proposal, or the e-mail address where no proposal is known.
    pub fn owner(&self) -> Owner {
        match self.details.get(&Field::ProposalNumber) {
            Some(number) => Owner::Proposal(number.clone()),
            None => Owner::Email(self.pi_email.clone()),
        }
    }
}

/// A required field's value, or `None` and one more error.
fn required<T: FromStr<Err = String>>(
    user_info: &UserInfo,
    field: Field,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let parsed = match user_info.get(field) {
        Some(text) => text.parse(),
        None => Err("is not set".to_owned()),
    };
    let raw = user_info.0.get(&field).cloned().unwrap_or_default();
    parsed.map_err(|reason| errors.push(FieldError { field, value: raw, reason })).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user_info(fields: &[(Field, &str)]) -> UserInfo {
        UserInfo(fields.iter().map(|(field, text)| (*field, (*text).to_owned())).collect())
    }

    const COMPLETE: [(Field, &str); 3] =
        [(Field::YearMonth, "2026-03"), (Field::PiLastName, "Li"), (Field::PiEmail, "li@example.org")];

    #[test]
    fn a_complete_set_is_an_experiment_and_survives_the_journal() {
        let mut fields = COMPLETE.to_vec();
        fields.extend([
            (Field::ProposalNumber, "GUP-81234"),
            (Field::ProposalTitle, "“Pores” in café cement: 5 µm <x>"),
            (Field::PiFirstName, " Wei "),
            (Field::Esaf, "Unknown"),
        ]);
        let experiment = Experiment::parse(&user_info(&fields)).unwrap();
        assert_eq!(experiment.to_string(), "2026-03/Li (li@example.org, proposal GUP-81234)");
        assert_eq!(experiment.details.get(&Field::PiFirstName).map(String::as_str), Some("Wei"));
        assert_eq!(experiment.details.get(&Field::Esaf), None);
        assert_eq!(experiment.owner(), Owner::Proposal("GUP-81234".into()));
        let journal = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&journal).unwrap(), experiment);
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let errors = Experiment::parse(&user_info(&[
            (Field::YearMonth, "2026-13"),
            (Field::PiLastName, "../../etc"),
            (Field::ProposalNumber, "$(reboot)"),
            (Field::ProposalTitle, "one\nBcc: two"),
            (Field::PiInstitution, "a\u{202E}b"),
        ]))
        .unwrap_err();
        let fields: Vec<Field> = errors.iter().map(|error| error.field).collect();
        let wrong = [
            Field::YearMonth,
            Field::PiLastName,
            Field::PiEmail,
            Field::PiInstitution,
            Field::ProposalNumber,
            Field::ProposalTitle,
        ];
        assert_eq!(fields, wrong);
        assert_eq!(errors[2].to_string(), "PI e-mail \"\": is not set");
        let title = "proposal title \"one\\nBcc: two\": holds a line end (U+000A), which can't be shown; \
                     put the text without it";
        assert_eq!(errors[5].to_string(), title);
    }

    #[test]
    fn each_optional_field_alone_can_make_a_set_invalid() {
        for field in Field::ALL.into_iter().filter(|field| !Field::REQUIRED.contains(field)) {
            for text in ["a\u{7}b", "a\u{200B}b", "a\r\nb", &"x".repeat(257)] {
                let mut fields = COMPLETE.to_vec();
                fields.push((field, text));
                let errors = Experiment::parse(&user_info(&fields)).unwrap_err();
                assert_eq!((errors.len(), errors[0].field, errors[0].value.as_str()), (1, field, text));
            }
        }
    }

    #[test]
    fn an_error_shows_its_text_on_one_short_line() {
        let mut fields = COMPLETE.to_vec();
        fields[1].1 = "\n\u{1b}[31m\u{202E}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n!";
        let error = Experiment::parse(&user_info(&fields)).unwrap_err()[0].to_string();
        assert!(error.chars().all(|c| !c.is_control() && !text::is_invisible(c)), "{error:?}");
        assert!(error.len() < 250, "{error}");
    }

    #[test]
    fn a_field_is_called_the_same_in_the_configuration_and_the_journal() {
        for field in Field::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.key());
        }
    }
}
