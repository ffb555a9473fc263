use super::text::named;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A mail address that parses, without display name. Two addresses are equal whatever their capitals, as
/// Globus treats usernames.
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

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.username().cmp(&other.username())
    }
}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.username().hash(state);
    }
}

/// Longest address, in bytes (RFC 5321 by way of RFC 3696's erratum 1690).
const ADDRESS_MAX: usize = 254;

impl std::str::FromStr for EmailAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
            let what = if c == ' ' { "a blank".to_owned() } else { named(c) };
            return Err(format!("holds {what}; an e-mail address is ASCII without blanks"));
        }
        if text.len() > ADDRESS_MAX {
            return Err(format!("has {} characters; an e-mail address may have {ADDRESS_MAX}", text.len()));
        }
        // A quoted local part may hold anything, also what ends a header or a path; nobody's address needs
        // one.
        if text.contains(['"', '\\']) {
            return Err("has a quoted part; put the address without quotes".to_owned());
        }
        let options = email_address::Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(EmailAddress(text.to_owned())),
            Err(error) => Err(format!("is no e-mail address like name@example.org: {error}")),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn capitals_make_no_other_address() {
        let address: EmailAddress = "Li.Wei@Example.ORG".parse().unwrap();
        assert_eq!(address, "li.wei@example.org".parse().unwrap());
        assert_eq!((address.as_str(), address.domain().as_str()), ("Li.Wei@Example.ORG", "example.org"));
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for (text, told) in [
            ("", "no e-mail address"),
            ("li", "no e-mail address"),
            ("li@", "no e-mail address"),
            ("@example.org", "no e-mail address"),
            ("li@localhost", "no e-mail address"),
            ("li@[127.0.0.1]", "no e-mail address"),
            ("li@example..org", "no e-mail address"),
            ("a@b.org,c@d.org", "no e-mail address"),
            ("Li <li@example.org>", "a blank"),
            ("<li@example.org>", "no e-mail address"),
            ("\"a b\"@example.org", "a blank"),
            ("\"a/../b\"@example.org", "quoted"),
            ("li@example.org\nBcc: x@example.org", "a line end (U+000A)"),
            ("li@exämple.org", "'ä' (U+00E4)"),
            ("li\u{202E}@example.org", "invisible"),
            (&format!("{}@{}.org", "a".repeat(64), "b".repeat(200)), "characters"),
        ] {
            let error = text.parse::<EmailAddress>().expect_err(text);
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_address_fits_a_header(text in "\\PC{0,20}@\\PC{0,20}|[ \
                                                      -~]{1,30}@[a-z.-]{1,20}|(?s).{0,40}") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(address.as_str().parse::<lettre::Address>().is_ok(), "lettre refuses {}", address);
            }
        }
    }
}
