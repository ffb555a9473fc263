//! How the values that only `[[sync]]` has are read.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(jiff::civil::Time);

impl TimeOfDay {
    /// The time on a clock.
    pub fn time(self) -> jiff::civil::Time {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time of day like \"02:30\" (00:00 to 23:59)");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| digits.parse::<i8>().ok()).flatten().ok_or_else(wrong)
        };
        jiff::civil::Time::new(number(hour)?, number(minute)?, 0, 0).map(TimeOfDay).map_err(|_| wrong())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

pub(super) fn some_time_of_day<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TimeOfDay>, D::Error> {
    let text = String::deserialize(deserializer)?;
    TimeOfDay::parse(&text).map(Some).map_err(de::Error::custom)
}

pub(super) fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    to_bytes(&text).map(Some).map_err(de::Error::custom)
}

/// Reads `500GB`, `1.5 TB` (powers of 1000) or `500GiB` (of 1024).
fn to_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount of data like \"500GB\", \"1.5 TB\" or \"500GiB\"");
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = (text[..at].trim(), &text[at..]);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = plain.then(|| number.parse().ok()).flatten().ok_or_else(wrong)?;
    let scale = match unit.to_ascii_uppercase().as_str() {
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "PB" => 1e15,
        "MIB" => 1024f64.powi(2),
        "GIB" => 1024f64.powi(3),
        "TIB" => 1024f64.powi(4),
        "PIB" => 1024f64.powi(5),
        _ => return Err(wrong()),
    };
    let bytes = number * scale;
    // Beyond 2^53 a whole number of bytes can't be told; nobody has such a file system.
    (1.0..9e15).contains(&bytes).then_some(bytes as u64).ok_or_else(wrong)
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn default_quiet() -> Duration {
    Duration::from_secs(30)
}

pub(super) fn default_deadline() -> Duration {
    Duration::from_secs(12 * 60 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        assert_eq!(TimeOfDay::parse("02:30").unwrap().to_string(), "02:30");
        assert_eq!(TimeOfDay::parse("23:59").unwrap().time(), jiff::civil::time(23, 59, 0, 0));
        for text in ["", "2:30", "24:00", "12:60", "12", "1200", "12:0a", "+1:30", "02:30:00"] {
            assert!(TimeOfDay::parse(text).unwrap_err().contains("02:30"), "{text}");
        }
    }

    #[test]
    fn amounts_of_data() {
        for (text, bytes) in [
            ("500GB", 500_000_000_000),
            ("1.5 TB", 1_500_000_000_000),
            ("1GiB", 1 << 30),
            ("20 mb", 20_000_000),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(to_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "500", "0GB", "GB", "-1GB", "1e3GB", "5 G", "5 bytes", "NaNGB", "99999999PB"] {
            assert!(to_bytes(text).unwrap_err().contains("500GB"), "{text}");
        }
    }
}
