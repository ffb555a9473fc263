use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A mail address that parses, without display name. Two addresses are equal whatever their capitals, as Globus treats
/// usernames.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in small letters: the Globus username, and what addresses are compared by.
    pub fn username(&self) -> String {
        self.0.to_lowercase()
    }

    /// What comes after the `@`, in small letters.
    pub fn domain(&self) -> String {
        self.0.rsplit('@').next().unwrap_or_default().to_lowercase()
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.username() == other.username()
    }
}

impl Eq for EmailAddress {}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.username().hash(state);
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        email_address::EmailAddress::parse_with_options(
            text,
            email_address::Options::default().without_display_text().without_domain_literal(),
        )
        .map(|_| EmailAddress(text.to_owned()))
        .map_err(|error| format!("is no e-mail address: {error}"))
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(value: EmailAddress) -> String {
        value.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
