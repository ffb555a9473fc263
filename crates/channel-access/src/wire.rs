//! The bytes of values as libca hands them over and takes them: DBR_TIME_… structures in the host's byte
//! order.
//!
//! [`decode`] reads bytes that a server chose, so it takes a checked slice and no pointer.

use std::time::{Duration, UNIX_EPOCH};

use crate::alarm::{AlarmStatus, Severity};
use crate::value::{FieldType, STRING_SIZE, Sample, Value, until_nul};

/// Largest message that libca accepts with its default settings (`MAX_TCP` of EPICS base), in bytes. No value
/// that is asked for is larger; see [`max_elements`].
pub(crate) const MAX_MESSAGE: usize = 16 * 1024;

/// Code of DBR_TIME_STRING; those of the other types follow in the order of [`FieldType`].
const DBR_TIME_STRING: i64 = 14;

/// Seconds from the Unix epoch to the EPICS epoch, 1990-01-01 UTC (`POSIX_TIME_AT_EPICS_EPOCH`).
const EPICS_EPOCH: u64 = 631_152_000;

/// Code of the DBR_TIME_… type in which a field of this type is asked for with its alarm and time.
pub(crate) fn time_type(field_type: FieldType) -> i64 {
    DBR_TIME_STRING + field_type as i64
}

/// The field type of a DBR_TIME_… code; `None` for every other code.
pub(crate) fn field_type_of(code: i64) -> Option<FieldType> {
    FieldType::from_code(code.checked_sub(DBR_TIME_STRING)?)
}

/// Offset of the value in a DBR_TIME_… structure, after status, severity, time and padding (db_access.h).
fn value_offset(field_type: FieldType) -> usize {
    match field_type {
        FieldType::String | FieldType::Float | FieldType::Long => 12,
        FieldType::Short | FieldType::Enum => 14,
        FieldType::Char => 15,
        FieldType::Double => 16,
    }
}

/// Bytes of one element.
fn element_size(field_type: FieldType) -> usize {
    match field_type {
        FieldType::String => STRING_SIZE,
        FieldType::Short | FieldType::Enum => 2,
        FieldType::Float | FieldType::Long => 4,
        FieldType::Char => 1,
        FieldType::Double => 8,
    }
}

/// Bytes of a DBR_TIME_… structure with `count` elements; `None` where they can't be counted.
pub(crate) fn size(field_type: FieldType, count: usize) -> Option<usize> {
    element_size(field_type).checked_mul(count)?.checked_add(value_offset(field_type))
}

/// Most elements that are asked for: as many as fit in [`MAX_MESSAGE`].
pub(crate) fn max_elements(field_type: FieldType) -> usize {
    (MAX_MESSAGE - value_offset(field_type)) / element_size(field_type)
}

/// Reads a DBR_TIME_… structure with `count` elements; `None` where the bytes do not hold them.
pub(crate) fn decode(field_type: FieldType, count: usize, bytes: &[u8]) -> Option<Sample> {
    let bytes = bytes.get(..size(field_type, count)?)?;
    let (head, value) = bytes.split_at_checked(value_offset(field_type))?;
    let u16_at = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (seconds, nanoseconds) = (u32_at(4)?, u32_at(8)?.min(999_999_999));
    Some(Sample {
        value: decode_value(field_type, value),
        status: AlarmStatus(u16_at(0)?),
        severity: Severity::from_code(u16_at(2)?),
        timestamp: (seconds != 0)
            .then(|| UNIX_EPOCH + Duration::new(EPICS_EPOCH + u64::from(seconds), nanoseconds)),
    })
}

fn decode_value(field_type: FieldType, bytes: &[u8]) -> Value {
    match field_type {
        FieldType::String => {
            Value::String(bytes.chunks_exact(STRING_SIZE).map(|s| until_nul(s).to_vec()).collect())
        }
        FieldType::Short => Value::Short(elements(bytes, i16::from_ne_bytes)),
        FieldType::Float => Value::Float(elements(bytes, f32::from_ne_bytes)),
        FieldType::Enum => Value::Enum(elements(bytes, u16::from_ne_bytes)),
        FieldType::Char => Value::Char(bytes.to_vec()),
        FieldType::Long => Value::Long(elements(bytes, i32::from_ne_bytes)),
        FieldType::Double => Value::Double(elements(bytes, f64::from_ne_bytes)),
    }
}

/// The elements of a value, as libca takes them.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::String(v) => v.iter().flat_map(|s| fixed_string(s)).collect(),
        Value::Short(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        Value::Float(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        Value::Enum(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        Value::Char(v) => v.clone(),
        Value::Long(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        Value::Double(v) => v.iter().flat_map(|x| x.to_ne_bytes()).collect(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPES: [FieldType; 7] = [
        FieldType::String,
        FieldType::Short,
        FieldType::Float,
        FieldType::Enum,
        FieldType::Char,
        FieldType::Long,
        FieldType::Double,
    ];

    /// A DBR_TIME_… structure of this value, as libca builds it.
    fn structure(value: &Value) -> Vec<u8> {
        let mut bytes = vec![0; value_offset(value.field_type())];
        bytes.extend(encode(value));
        bytes
    }

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
            assert_eq!(decode(value.field_type(), value.len(), &structure(&value)).unwrap().value, value);
            assert_eq!(
                decode(value.field_type(), value.len() + 1, &structure(&value)),
                None,
                "one more than it holds"
            );
        }
    }

    #[test]
    fn a_string_is_cut_at_39_bytes_and_keeps_its_nul() {
        let bytes = encode(&Value::string(&"x".repeat(50)));
        assert_eq!(bytes.len(), STRING_SIZE);
        assert_eq!(decode_value(FieldType::String, &bytes), Value::string(&"x".repeat(39)));
    }

    /// libca's own tables, from which the layout was taken.
    #[test]
    fn the_layout_is_that_of_libca() {
        for field_type in TYPES {
            let index = usize::try_from(time_type(field_type)).unwrap();
            let (offset, size) = crate::libca::layout(index);
            assert_eq!((value_offset(field_type), element_size(field_type)), (offset, size), "{field_type}");
            assert_eq!(field_type_of(time_type(field_type)), Some(field_type));
            assert!(super::size(field_type, max_elements(field_type)).unwrap() <= MAX_MESSAGE);
        }
        for code in [i64::MIN, -1, 0, 6, 13, 21, 34, 38, i64::MAX] {
            assert_eq!(field_type_of(code), None, "{code}");
        }
    }

    proptest! {
        /// No bytes, count and type make the decoder panic, read beyond them, or return more than they hold.
        #[test]
        fn any_bytes_are_decoded_or_rejected(
            index in 0usize..7,
            count in prop_oneof![0usize..64, Just(usize::MAX), any::<usize>()],
            bytes in prop::collection::vec(any::<u8>(), 0..512),
        ) {
            let field_type = TYPES[index];
            match decode(field_type, count, &bytes) {
                Some(sample) => {
                    prop_assert_eq!(sample.value.len(), count);
                    prop_assert_eq!(sample.value.field_type(), field_type);
                    prop_assert!(sample.to_string_len() < 2_000);
                }
                None => prop_assert!(size(field_type, count).is_none_or(|size| size > bytes.len())),
            }
        }
    }

    trait Displayed {
        fn to_string_len(&self) -> usize;
    }

    impl Displayed for Sample {
        fn to_string_len(&self) -> usize {
            self.value.to_string().len() + self.value.to_text().map_or(0, |text| text.len())
        }
    }
}
