use serde::{Deserialize, Serialize};
use std::fmt;

/// A text as one safe ASCII path component: transliterated, only letters, digits, `_`, `-` and inner dots, no leading
/// dot, at most 64 bytes. `None` where nothing usable is left.
pub fn path_component(text: &str) -> Option<String> {
    let _ = text;
    None
}

/// The principal investigator's last name, as written in the PV; its path component is ASCII and safe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PiLastName(String);

impl PiLastName {
    /// The name as it stood in the PV.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for PiLastName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        path_component(text)
            .map(|_| PiLastName(text.to_owned()))
            .ok_or_else(|| "has no letter that a directory could be named by".to_owned())
    }
}

impl TryFrom<String> for PiLastName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PiLastName> for String {
    fn from(value: PiLastName) -> String {
        value.0
    }
}

impl fmt::Display for PiLastName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
