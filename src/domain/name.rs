use super::text::{is_invisible, named};
use deunicode::deunicode_with_tofu;
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::char::is_combining_mark;

/// Longest path component made from one value, in bytes.
const COMPONENT_MAX: usize = 64;

/// Longest last name, in characters.
const NAME_MAX: usize = 64;

/// A text as one safe ASCII path component: transliterated ("Łukasiewicz" is `Lukasiewicz`, "王" is `Wang`),
/// only letters, digits and, one at a time between those, `_`, `-` and `.`; at most 64 bytes; no name that
/// Windows reserves, since a collection can stand on one. `None` where nothing usable is left.
///
/// Blanks and other signs become `_`; apostrophes and quotes go: "van der Berg" is `van_der_Berg`, "O'Brien"
/// `OBrien`.
pub fn path_component(text: &str) -> Option<String> {
    let mut component = String::new();
    // What stands between the last letter or digit and the next one; ".." must never come about.
    let mut between: Option<char> = None;
    for c in deunicode_with_tofu(text, "").chars() {
        match c {
            '\'' | '"' | '`' => {}
            c if c.is_ascii_alphanumeric() => {
                component.extend(between.take().filter(|_| !component.is_empty()));
                component.push(c);
            }
            '-' => between = Some('-'),
            '.' if between.is_none() => between = Some('.'),
            _ => between = between.filter(|&c| c == '-').or(Some('_')),
        }
    }
    let component = component.get(..COMPONENT_MAX).unwrap_or(&component).trim_end_matches(['.', '-', '_']);
    (!component.is_empty() && !is_reserved_by_windows(component)).then(|| component.to_owned())
}

/// Device names of Windows, also with anything after a dot.
pub(super) fn is_reserved_by_windows(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" => true,
        stem => {
            let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
            number.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
        }
    }
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

/// Letters of any script with their marks, blanks, apostrophes, hyphens and periods: what names are written
/// with.
fn is_of_a_name(c: char) -> bool {
    !is_invisible(c)
        && (c.is_alphabetic()
            || is_combining_mark(c)
            || matches!(
                c,
                ' ' | '\u{A0}' | '\'' | '\u{2018}' | '\u{2019}' | '-' | '\u{2010}' | '\u{2011}' | '\u{2013}'
            )
            || matches!(c, '.' | '\u{B7}' | '\u{30FB}'))
}

impl std::str::FromStr for PiLastName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(c) = text.chars().find(|c| !is_of_a_name(*c)) {
            let allowed = "a last name may hold letters, blanks, apostrophes, hyphens and periods";
            return Err(format!("holds {}; {allowed}", named(c)));
        }
        let count = text.chars().count();
        if count > NAME_MAX {
            return Err(format!("has {count} characters; a last name may have {NAME_MAX}"));
        }
        match path_component(text) {
            Some(_) => Ok(PiLastName(text.to_owned())),
            None if is_reserved_by_windows(text) => {
                Err("is a name that Windows reserves, so no directory can be named by it".to_owned())
            }
            None => Err("has no letter that a directory could be named by".to_owned()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_many_scripts_become_ascii() {
        for (name, component) in [
            ("Li", "Li"),
            ("Müller", "Muller"),
            ("Mu\u{308}ller", "Muller"),
            ("Łukasiewicz", "Lukasiewicz"),
            ("O'Brien", "OBrien"),
            ("O’Brien", "OBrien"),
            ("van der Berg", "van_der_Berg"),
            ("Smith-Jones", "Smith-Jones"),
            ("St. John", "St_John"),
            ("J.R.", "J.R"),
            ("Øster", "Oster"),
            ("Çelik", "Celik"),
            ("王", "Wang"),
            ("Иванов", "Ivanov"),
            ("Nguyễn", "Nguyen"),
        ] {
            assert_eq!(name.parse::<PiLastName>().map(|n| n.to_string()), Ok(name.to_owned()));
            assert_eq!(path_component(name).as_deref(), Some(component), "{name}");
        }
    }

    #[test]
    fn a_hostile_name_is_refused_and_the_character_told() {
        for (name, told) in [
            ("../../etc", "'/' (U+002F)"),
            ("$(reboot)", "'$' (U+0024)"),
            ("Li\\..", "'\\' (U+005C)"),
            ("Li`id`", "'`' (U+0060)"),
            ("Li;ls", "';' (U+003B)"),
            ("Li|ls", "'|' (U+007C)"),
            ("<b>Li", "'<' (U+003C)"),
            ("\"Li\"", "'\"' (U+0022)"),
            ("Li\nBcc: a@b.org", "a line end (U+000A)"),
            ("Li\u{0}", "a control character (U+0000)"),
            ("Li\u{202E}", "an invisible character (U+202E)"),
            ("L\u{200B}i", "an invisible character (U+200B)"),
            ("\u{3164}", "an invisible character (U+3164)"),
            ("..", "no letter"),
            ("...", "no letter"),
            ("-", "no letter"),
            ("Con", "Windows"),
            (&"x".repeat(65), "65 characters"),
        ] {
            let error = name.parse::<PiLastName>().expect_err(name);
            assert!(error.contains(told), "{name:?}: {error}");
        }
    }

    #[test]
    fn what_cannot_name_a_directory_gives_no_component() {
        for text in
            ["", " ", ".", "..", "../..", "/", "-", "___", "\u{200B}", "nul", "COM1", "lpt9.txt", "aux."]
        {
            assert_eq!(path_component(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_component_is_always_safe(text in "\\PC{0,80}|(?s).{0,80}|[./\\\\ -]{0,12}") {
            if let Some(component) = path_component(&text) {
                prop_assert!(component.len() <= COMPONENT_MAX);
                prop_assert!(component.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)));
                prop_assert!(!component.contains(".."));
                prop_assert!(component.starts_with(|c: char| c.is_ascii_alphanumeric()));
                prop_assert!(component.ends_with(|c: char| c.is_ascii_alphanumeric()));
                prop_assert_eq!(path_component(&component), Some(component.clone()), "made twice");
            }
        }

        #[test]
        fn an_accepted_name_has_a_component(text in "\\PC{1,20}|[\\p{L}\\p{M} '.-]{1,20}") {
            if let Ok(name) = text.parse::<PiLastName>() {
                prop_assert!(path_component(name.as_str()).is_some());
                prop_assert!(!name.as_str().contains(['/', '\\', '$', '`', '"', '<', '>', '|', ';', '\n', '\0']));
            }
        }
    }
}
