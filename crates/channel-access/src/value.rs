//! Values as they travel on Channel Access, and their alarms.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use epics_ca_sys as sys;

/// Bytes of a DBR_STRING, with its terminating NUL (`MAX_STRING_SIZE` of EPICS base).
pub const STRING_SIZE: usize = sys::MAX_STRING_SIZE as usize;

/// Seconds from the Unix epoch to the EPICS epoch, 1990-01-01 UTC (`POSIX_TIME_AT_EPICS_EPOCH`).
const EPICS_EPOCH: u64 = 631_152_000;

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
    /// From libca's code; `None` for a channel that is not connected and for types unknown to Channel Access.
    pub(crate) fn from_code(code: i16) -> Option<Self> {
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

    /// The first element as an integer: a number, or the index of a state. `None` for strings, for an empty array,
    /// and for a float that is no integer.
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

    /// The elements in the host's byte order, as libca takes them.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        match self {
            Self::String(v) => v.iter().flat_map(|s| fixed_string(s)).collect(),
            Self::Short(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Self::Float(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Self::Enum(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Self::Char(v) => v.clone(),
            Self::Long(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Self::Double(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        }
    }

    /// The inverse of [`to_wire`](Self::to_wire).
    fn from_wire(kind: FieldType, bytes: &[u8]) -> Self {
        match kind {
            FieldType::String => Self::String(bytes.chunks_exact(STRING_SIZE).map(|s| until_nul(s).to_vec()).collect()),
            FieldType::Short => Self::Short(elements(bytes, i16::from_ne_bytes)),
            FieldType::Float => Self::Float(elements(bytes, f32::from_ne_bytes)),
            FieldType::Enum => Self::Enum(elements(bytes, u16::from_ne_bytes)),
            FieldType::Char => Self::Char(bytes.to_vec()),
            FieldType::Long => Self::Long(elements(bytes, i32::from_ne_bytes)),
            FieldType::Double => Self::Double(elements(bytes, f64::from_ne_bytes)),
        }
    }
}

impl fmt::Display for Value {
    /// The first element, as `caget` would print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(v) => write!(f, "'{}'", String::from_utf8_lossy(v.first().map_or(&[], |s| s))),
            Self::Char(v) if v.len() != 1 => {
                write!(f, "'{}'", String::from_utf8_lossy(until_nul(v)))
            }
            Self::Char(v) => write!(f, "{}", v[0]),
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

fn elements<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn fixed_string(text: &[u8]) -> [u8; STRING_SIZE] {
    let mut out = [0; STRING_SIZE];
    let n = text.len().min(STRING_SIZE - 1);
    out[..n].copy_from_slice(&text[..n]);
    out
}

/// What comes before the first NUL: the text in a fixed field.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Severity of an alarm. `Invalid` means that the value must not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // EPICS's own four
pub enum Severity {
    #[default]
    None,
    Minor,
    Major,
    Invalid,
}

impl Severity {
    fn from_code(code: u16) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Minor,
            2 => Self::Major,
            _ => Self::Invalid,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NO_ALARM",
            Self::Minor => "MINOR",
            Self::Major => "MAJOR",
            Self::Invalid => "INVALID",
        })
    }
}

/// Why a record is in alarm: EPICS's status code, printed by its name (`UDF`, `COMM`, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmStatus(pub u16);

impl AlarmStatus {
    /// The record has never been given a value.
    pub const UDF: Self = Self(17);
}

impl fmt::Display for AlarmStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // epicsAlarmConditionStrings of EPICS base, in order.
        const NAMES: [&str; 22] = [
            "NO_ALARM",
            "READ",
            "WRITE",
            "HIHI",
            "HIGH",
            "LOLO",
            "LOW",
            "STATE",
            "COS",
            "COMM",
            "TIMEOUT",
            "HWLIMIT",
            "CALC",
            "SCAN",
            "LINK",
            "SOFT",
            "BAD_SUB",
            "UDF",
            "DISABLE",
            "SIMM",
            "READ_ACCESS",
            "WRITE_ACCESS",
        ];
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
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

/// Code of the DBR_TIME_… type in which a field of this type is asked for with its alarm and time.
pub(crate) fn time_type(kind: FieldType) -> i64 {
    i64::from(sys::DBR_TIME_STRING) + kind as i64
}

/// Reads what libca hands to a callback.
///
/// Returns `None` for anything but a DBR_TIME_… type, the only ones that are asked for.
///
/// # Safety
/// `args.dbr` must be null or point to `args.count` elements of DBR type `args.type_`, as in a callback of libca.
pub(crate) unsafe fn decode(args: &sys::event_handler_args) -> Option<Sample> {
    let code = args.type_ - i64::from(sys::DBR_TIME_STRING);
    let kind = FieldType::from_code(i16::try_from(code).ok()?)?;
    let count = usize::try_from(args.count).ok()?;
    if args.dbr.is_null() {
        return None;
    }
    let index = usize::try_from(args.type_).ok()?;
    // SAFETY: both tables of libca have an entry for each DBR type, and `index` is that of a DBR_TIME_… type.
    let (offset, size) = unsafe {
        let offset = *(&raw const sys::dbr_value_offset).cast::<u16>().add(index);
        let size = *(&raw const sys::dbr_value_size).cast::<u16>().add(index);
        (usize::from(offset), usize::from(size))
    };
    // SAFETY: the caller's promise; the value of such a DBR begins at `offset`, after status, severity and time.
    let bytes = unsafe { std::slice::from_raw_parts(args.dbr.cast::<u8>(), offset + size * count) };
    let (head, value) = bytes.split_at_checked(offset)?;
    let u16_at = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (seconds, nanoseconds) = (u32_at(4)?, u32_at(8)?.min(999_999_999));
    Some(Sample {
        value: Value::from_wire(kind, value),
        status: AlarmStatus(u16_at(0)?),
        severity: Severity::from_code(u16_at(2)?),
        timestamp: (seconds != 0).then(|| UNIX_EPOCH + Duration::new(EPICS_EPOCH + u64::from(seconds), nanoseconds)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_way_through_the_wire() {
        for value in [
            Value::String(vec![b"Li".to_vec(), b"".to_vec()]),
            Value::Short(vec![-3, 7]),
            Value::Float(vec![1.5]),
            Value::Enum(vec![2]),
            Value::Char(vec![1, 255]),
            Value::Long(vec![i32::MIN]),
            Value::Double(vec![0.1, f64::MAX]),
        ] {
            assert_eq!(Value::from_wire(value.field_type(), &value.to_wire()), value);
        }
    }

    #[test]
    fn a_string_is_cut_at_39_bytes_and_keeps_its_nul() {
        let wire = Value::string(&"x".repeat(50)).to_wire();
        assert_eq!(wire.len(), 40);
        assert_eq!(Value::from_wire(FieldType::String, &wire), Value::string(&"x".repeat(39)));
    }

    #[test]
    fn as_integer_takes_no_fraction() {
        assert_eq!(Value::Double(vec![1001583.0]).as_integer(), Some(1001583));
        assert_eq!(Value::Double(vec![1.5]).as_integer(), None);
        assert_eq!(Value::Long(vec![]).as_integer(), None);
    }
}
