//! Reading what Transfer writes loosely: one odd field must not spoil a whole document.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// Reads a time: `2021-09-02T18:04:49+00:00`, and `2023-12-18 16:52:50+00:00` for files. None for null, and for a
/// spelling that isn't one.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.and_then(|text| text.parse().ok()))
}

/// Reads a value, and null as its default: many fields are null where they don't apply.
pub(crate) fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_the_service_are_read() {
        let read = |text: &str| time(serde_json::Value::from(text)).unwrap();
        let expected: Timestamp = "2021-09-02T18:04:49Z".parse().unwrap();
        for text in ["2021-09-02T18:04:49+00:00", "2021-09-02 18:04:49+00:00", "2021-09-02T20:04:49+02:00"] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        assert_eq!(read("never"), None);
        assert_eq!(time(serde_json::Value::Null).unwrap(), None);
    }
}
