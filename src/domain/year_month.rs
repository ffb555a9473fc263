use serde::{Deserialize, Serialize};
use std::fmt;

/// A month of a year, written `2026-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct YearMonth {
    year: i16,
    month: i8,
}

impl std::str::FromStr for YearMonth {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "is no year and month; it should read like 2026-03".to_owned();
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        if year.len() != 4
            || month.len() != 2
            || !(year.to_owned() + month).bytes().all(|b| b.is_ascii_digit())
        {
            return Err(wrong());
        }
        let (year, month) = (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
        if !(1..=12).contains(&month) || !(1990..=2199).contains(&year) {
            return Err(wrong());
        }
        Ok(YearMonth { year, month })
    }
}

impl YearMonth {
    /// The month before this one.
    pub fn previous(self) -> YearMonth {
        match self.month {
            1 => YearMonth { year: self.year - 1, month: 12 },
            month => YearMonth { month: month - 1, ..self },
        }
    }
}

impl From<jiff::civil::Date> for YearMonth {
    fn from(date: jiff::civil::Date) -> YearMonth {
        YearMonth { year: date.year(), month: date.month() }
    }
}

impl fmt::Display for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl TryFrom<String> for YearMonth {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<YearMonth> for String {
    fn from(value: YearMonth) -> String {
        value.to_string()
    }
}
