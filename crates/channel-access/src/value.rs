//! Values of PVs and their types.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use crate::alarm::{AlarmStatus, Severity};

/// Bytes of a DBR_STRING, with its terminating NUL (`MAX_STRING_SIZE` of EPICS base).
pub const STRING_SIZE: usize = 40;

/// Longest text that [`Value`]'s `Display` shows, in characters.
const DISPLAYED_CHARS: usize = 120;

/// Native type of a PV, as Channel Access names it (DBF_…).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum FieldType {
    /// Text of up to 39 bytes.
    String = 0,
    /// 16-bit signed integer.
    Short = 1,
    /// 32-bit float.
    Float = 2,
    /// Index of a state, with a label.
    Enum = 3,
    /// 8-bit unsigned integer; arrays of it carry texts.
    Char = 4,
    /// 32-bit signed integer.
    Long = 5,
    /// 64-bit float.
    Double = 6,
}

impl FieldType {
    /// From the DBF code; `None` for types that Channel Access does not have.
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            0 => Self::String,
            1 => Self::Short,
            2 => Self::Float,
            3 => Self::Enum,
            4 => Self::Char,
            5 => Self::Long,
            6 => Self::Double,
            _ => return None,
        })
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "DBF_STRING",
            Self::Short => "DBF_SHORT",
            Self::Float => "DBF_FLOAT",
            Self::Enum => "DBF_ENUM",
            Self::Char => "DBF_CHAR",
            Self::Long => "DBF_LONG",
            Self::Double => "DBF_DOUBLE",
        })
    }
}

/// Value of a PV: always an array on Channel Access, mostly of one element; an empty waveform has none.
///
/// Strings are kept as bytes: EPICS does not say in which encoding they are.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the variants are those of FieldType
pub enum Value {
    String(Vec<Vec<u8>>),
    Short(Vec<i16>),
    Float(Vec<f32>),
    Enum(Vec<u16>),
    Char(Vec<u8>),
    Long(Vec<i32>),
    Double(Vec<f64>),
}

impl Value {
    /// One string. Bytes beyond 39 do not fit and are cut when it is sent.
    pub fn string(text: &str) -> Self {
        Self::String(vec![text.as_bytes().to_vec()])
    }

    /// A text for a waveform of CHAR, with the NUL that ends it, so that no tail of a longer old text stays.
    pub fn chars(text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Self::Char(bytes)
    }

    /// The type in which this value travels.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::String(_) => FieldType::String,
            Self::Short(_) => FieldType::Short,
            Self::Float(_) => FieldType::Float,
            Self::Enum(_) => FieldType::Enum,
            Self::Char(_) => FieldType::Char,
            Self::Long(_) => FieldType::Long,
            Self::Double(_) => FieldType::Double,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::String(v) => v.len(),
            Self::Short(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Enum(v) => v.len(),
            Self::Char(v) => v.len(),
            Self::Long(v) => v.len(),
            Self::Double(v) => v.len(),
        }
    }

    /// True for an array without elements, such as a waveform that was never written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first element as an integer: a number, or the index of a state. `None` for strings, for an empty
    /// array, and for a float that is no integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::String(_) => None,
            Self::Short(v) => v.first().map(|x| i64::from(*x)),
            Self::Enum(v) => v.first().map(|x| i64::from(*x)),
            Self::Char(v) => v.first().map(|x| i64::from(*x)),
            Self::Long(v) => v.first().map(|x| i64::from(*x)),
            Self::Float(v) => v.first().and_then(|x| whole(f64::from(*x))),
            Self::Double(v) => v.first().and_then(|x| whole(*x)),
        }
    }

    /// The bytes of a text, up to its NUL: a CHAR array, or the first string. `None` for numbers and states.
    pub fn text_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Char(bytes) => Some(until_nul(bytes)),
            Self::String(strings) => Some(strings.first().map_or(&[], |bytes| until_nul(bytes))),
            _ => None,
        }
    }

    /// The text of a CHAR array or of the first string: UTF-8, otherwise ISO 8859-1. `None` for numbers and
    /// states.
    ///
    /// The text is as the server sent it: escape it before it reaches a terminal or a log.
    pub fn to_text(&self) -> Option<String> {
        self.text_bytes().map(|bytes| decode_text(bytes).into_owned())
    }
}

impl fmt::Display for Value {
    /// The first element, as `caget` prints it. Texts are quoted, escaped and cut, so that they are safe in a
    /// log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(v) if v.len() == 1 => first(f, v),
            Self::String(_) | Self::Char(_) => {
                let text = self.text_bytes().map(decode_text).unwrap_or_default();
                let mut chars = text.chars();
                write!(f, "'")?;
                chars.by_ref().take(DISPLAYED_CHARS).try_for_each(|c| write!(f, "{}", c.escape_debug()))?;
                f.write_str(if chars.next().is_some() { "...'" } else { "'" })
            }
            Self::Short(v) => first(f, v),
            Self::Float(v) => first(f, v),
            Self::Enum(v) => first(f, v),
            Self::Long(v) => first(f, v),
            Self::Double(v) => first(f, v),
        }
    }
}

fn first<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
    match values.first() {
        Some(value) => write!(f, "{value}"),
        None => f.write_str("nothing"),
    }
}

fn whole(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() < 9.0e15).then_some(x as i64)
}

/// The bytes before the first NUL: the text of a fixed field.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Bytes as text. EPICS does not define an encoding: what is not UTF-8 is ISO 8859-1, which screens of old
/// IOCs write.
pub(crate) fn decode_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}

/// One value of a PV with its alarm and the time at which the IOC processed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The value, in the type that the channel asked for.
    pub value: Value,
    /// Severity of the record's alarm.
    pub severity: Severity,
    /// Reason of the record's alarm.
    pub status: AlarmStatus,
    /// When the record was processed, by the IOC's clock; `None` if it never was.
    pub timestamp: Option<SystemTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_integer_takes_no_fraction() {
        assert_eq!(Value::Double(vec![1001583.0]).as_integer(), Some(1001583));
        assert_eq!(Value::Double(vec![1.5]).as_integer(), None);
        assert_eq!(Value::Long(vec![]).as_integer(), None);
    }

    #[test]
    fn a_displayed_text_is_escaped_and_cut() {
        assert_eq!(Value::chars("M\u{fc}ller").to_string(), "'M\u{fc}ller'");
        assert_eq!(Value::chars("a\nb\u{202e}c").to_string(), "'a\\nb\\u{202e}c'");
        assert_eq!(
            Value::string(&"x".repeat(200)).to_string(),
            format!("'{}...'", "x".repeat(DISPLAYED_CHARS))
        );
        assert_eq!(Value::Char(vec![]).to_string(), "''");
    }

    #[test]
    fn a_text_is_utf8_or_latin1_up_to_its_nul() {
        assert_eq!(Value::Char(b"M\xfcller\0tail".to_vec()).to_text().as_deref(), Some("M\u{fc}ller"));
        assert_eq!(Value::String(vec![]).to_text().as_deref(), Some(""));
        assert_eq!(Value::Long(vec![1]).to_text(), None);
    }
}
