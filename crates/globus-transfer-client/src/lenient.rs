//! Reading documents loosely: one unexpected field must not make a whole document unreadable.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Reads a time: `2021-09-02T18:04:49+00:00`, and `2023-12-18 16:52:50+00:00` for files. `None` for null and
/// for a spelling that isn't a time.
pub(crate) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Value::deserialize(from)?.as_str().and_then(|text| text.parse().ok()))
}

/// Reads a value. Null, and a value of another type, read as the default: many fields are null where they
/// don't apply.
pub(crate) fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + DeserializeOwned,
    D: Deserializer<'de>,
{
    Ok(serde_json::from_value(Value::deserialize(from)?).unwrap_or_default())
}

/// Reads texts from an array, or from one text with commas.
pub(crate) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(texts_of(&Value::deserialize(from)?))
}

/// See [`texts`].
pub(crate) fn texts_of(value: &Value) -> Vec<String> {
    let plain = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).filter_map(plain).collect(),
        Value::String(all) => all.split(',').filter_map(plain).collect(),
        _ => Vec::new(),
    }
}

/// Reads a list. An item that can't be read is logged and left out, so that it doesn't take the others with
/// it.
pub(crate) fn items<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    Items::deserialize(from).map(|items| items.known)
}

/// A page of a list, read as by [`items`].
#[derive(Debug)]
pub(crate) struct Items<T> {
    /// The items that could be read.
    pub known: Vec<T>,
    /// The number of items that the service sent; the next page begins behind them.
    pub count: usize,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = Vec::<Item<T>>::deserialize(from)?;
        let count = items.len();
        Ok(Self { known: items.into_iter().filter_map(Item::known).collect(), count })
    }
}

/// An item of a list: as it should be, or as it came.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Item<T> {
    Known(T),
    Odd(Value),
}

impl<T> Item<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(item) => Some(item),
            Self::Odd(item) => {
                tracing::warn!("an item of a list can't be read and is left out: {item}");
                None
            }
        }
    }
}

/// Writes a time with whole seconds, as the documentation of Transfer shows deadlines and expiration dates.
pub(crate) fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Serializes a deadline; see [`whole_seconds`].
pub(crate) fn write_deadline<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    at.map(whole_seconds).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_time_are_read() {
        let read = |text: &str| time(serde_json::Value::from(text)).unwrap();
        let expected: Timestamp = "2021-09-02T18:04:49Z".parse().unwrap();
        for text in ["2021-09-02T18:04:49+00:00", "2021-09-02 18:04:49+00:00", "2021-09-02T20:04:49+02:00"] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        assert_eq!(read("never"), None);
        assert_eq!(time(Value::Null).unwrap(), None);
        assert_eq!(time(Value::from(5)).unwrap(), None);
    }

    #[test]
    fn a_value_of_another_type_is_the_default() {
        assert_eq!(or_default::<u64, _>(Value::from("many")).unwrap(), 0);
        assert_eq!(or_default::<u64, _>(Value::from(7)).unwrap(), 7);
        assert_eq!(or_default::<Option<String>, _>(Value::from(7)).unwrap(), None);
    }

    #[test]
    fn one_odd_item_leaves_the_others() {
        let read: Vec<u64> = items(serde_json::json!([1, "two", 3, null])).unwrap();
        assert_eq!(read, [1, 3]);
    }

    #[test]
    fn times_are_written_with_whole_seconds() {
        assert_eq!(whole_seconds("2026-11-24T10:00:00.123456789Z".parse().unwrap()), "2026-11-24T10:00:00Z");
    }
}
