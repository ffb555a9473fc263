use super::text::one_line;
use crate::domain::EmailAddress;
use serde::Serialize;
use std::fmt;

/// Someone on a proposal. Every text is on one line, without control and invisible characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Experimenter {
    /// First name
    pub first_name: Option<String>,
    /// Last name
    pub last_name: Option<String>,
    /// Institution
    pub institution: Option<String>,
    /// Badge number
    pub badge: Option<String>,
    /// Where mail reaches them
    pub email: Contact,
    /// Flagged as principal investigator; who is taken for it is [`super::Proposal::pi`]
    pub pi: bool,
}

/// How someone can be reached. In JSON: the address, or what stands in its place as an object, or null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Contact {
    /// At this address
    Address(EmailAddress),
    /// The schedule has something that is no address
    Unusable {
        /// What it has
        text: String,
        /// Why that is no address
        reason: String,
    },
    /// The schedule has none
    #[default]
    Missing,
}

impl Contact {
    /// Reads what a schedule has for an address. Nothing is guessed: where two addresses stand, none is
    /// taken.
    pub fn parse(text: Option<&str>) -> Contact {
        let text = text.map(one_line).unwrap_or_default();
        if text.is_empty() || ["none", "null", "n/a", "unknown", "-"].contains(&text.to_lowercase().as_str())
        {
            return Contact::Missing;
        }
        match text.parse() {
            Ok(address) => Contact::Address(address),
            Err(reason) => Contact::Unusable { text, reason },
        }
    }

    /// The address, where there is one.
    pub fn address(&self) -> Option<&EmailAddress> {
        match self {
            Contact::Address(address) => Some(address),
            _ => None,
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contact::Address(address) => address.fmt(f),
            Contact::Unusable { text, reason } => write!(f, "no usable e-mail address: {text:?} {reason}"),
            Contact::Missing => f.write_str("no e-mail address"),
        }
    }
}

impl Experimenter {
    /// `Wei Wang`, or what there is of it; else the badge.
    pub fn name(&self) -> String {
        let names: Vec<&str> =
            [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str).collect();
        match (names.is_empty(), &self.badge) {
            (false, _) => names.join(" "),
            (true, Some(badge)) => format!("badge {badge}"),
            (true, None) => "someone without a name".to_owned(),
        }
    }
}

/// Lists everyone once: who has the same name and the same address, whatever the capitals, or, without an
/// address, the same badge.
///
/// People of different names stay apart, also where they share an address: one of them may be the principal
/// investigator, by whose name the data is found.
pub(super) fn once_each(listed: impl IntoIterator<Item = Experimenter>) -> Vec<Experimenter> {
    let mut everyone: Vec<Experimenter> = vec![];
    for person in listed {
        let same = everyone.iter_mut().find(|other| {
            other.name().to_lowercase() == person.name().to_lowercase()
                && match (other.email.address(), person.email.address()) {
                    (Some(a), Some(b)) => a == b,
                    _ => other.badge.is_some() && other.badge == person.badge,
                }
        });
        match same {
            None => everyone.push(person),
            Some(other) => {
                other.pi |= person.pi;
                if other.email.address().is_none() && person.email != Contact::Missing {
                    other.email = person.email;
                }
            }
        }
    }
    everyone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, badge: &str, email: &str, pi: bool) -> Experimenter {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (last_name, badge) = (some(name), some(badge));
        Experimenter { last_name, badge, email: Contact::parse(Some(email)), pi, ..Experimenter::default() }
    }

    #[test]
    fn everyone_is_listed_once_whatever_the_capitals() {
        let everyone = once_each([
            person("Wang", "1", "Wang@ANL.gov", false),
            person("Li", "2", "", false),
            person("WANG", "", "wang@anl.gov", true),
            person("Li", "2", "li@example.org", false),
            person("Li", "3", "", false),
            person("Li", "3", "none", false),
            person("", "", "", false),
            person("", "", "", false),
            person("Wang", "1", "wang@home.example.org", false),
            // A group's address, and a badge that is mistyped: other people all the same.
            person("Ma", "4", "li@example.org", true),
            person("Ng", "4", "", false),
        ]);
        let shown: Vec<String> =
            everyone.iter().map(|p| format!("{} {} {}", p.name(), p.email, p.pi)).collect();
        assert_eq!(
            shown,
            [
                "Wang Wang@ANL.gov true",
                "Li li@example.org false",
                "Li no e-mail address false",
                "someone without a name no e-mail address false",
                "someone without a name no e-mail address false",
                "Wang wang@home.example.org false",
                "Ma li@example.org true",
                "Ng no e-mail address false",
            ]
        );
    }

    #[test]
    fn what_is_no_address_is_kept_with_the_reason() {
        for text in ["a@b.org; c@d.org", "wang at anl.gov", "wang@anl"] {
            let contact = Contact::parse(Some(text));
            assert!(matches!(&contact, Contact::Unusable { text: kept, .. } if kept == text), "{contact:?}");
            assert!(contact.to_string().contains(text));
        }
        assert_eq!(Contact::parse(Some(" N/A ")), Contact::Missing);
        assert_eq!(Contact::parse(None), Contact::Missing);
        assert_eq!(Contact::parse(Some(" a@b.org\n")).to_string(), "a@b.org");
    }
}
