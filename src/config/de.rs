//! Reads settings from TOML values, with errors that are data: serde's own and toml's are English sentences.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::de::{Unexpected, VariantAccess};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum Fault {
    /// A table lacks this key
    MissingKey(&'static str),
    /// A table has a key that is unknown there
    UnknownKey { name: String, known: &'static [&'static str] },
    /// A text is none of those that are known there
    UnknownValue { name: String, known: &'static [&'static str] },
    /// A table stands for one of several kinds, and has none or several of them
    NotOneKind,
    /// Anything else, as a sentence for the person who wrote it
    Other(String),
}

/// A value that can't be read, and where it stands in the text.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) fault: Fault,
    pub(super) span: Option<Range<usize>>,
}

impl ReadError {
    fn new(fault: Fault) -> ReadError {
        ReadError { fault, span: None }
    }

    /// The same, here unless a place within is known already.
    fn at(mut self, span: &Range<usize>) -> ReadError {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Other(message) => f.write_str(message),
            fault => write!(f, "{fault:?}"),
        }
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        ReadError::new(Fault::Other(message.to_string()))
    }

    fn missing_field(field: &'static str) -> Self {
        ReadError::new(Fault::MissingKey(field))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        ReadError::new(Fault::UnknownKey { name: field.to_owned(), known })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        ReadError::new(Fault::UnknownValue { name: variant.to_owned(), known })
    }
}

/// A value that knows where it stands.
pub(super) struct Node<'de> {
    value: DeValue<'de>,
    span: Range<usize>,
}

impl<'de> Node<'de> {
    /// The whole of a file.
    pub(super) fn root(table: Spanned<DeTable<'de>>) -> Node<'de> {
        Node { span: table.span(), value: DeValue::Table(table.into_inner()) }
    }
}

impl<'de> From<Spanned<DeValue<'de>>> for Node<'de> {
    fn from(value: Spanned<DeValue<'de>>) -> Node<'de> {
        Node { span: value.span(), value: value.into_inner() }
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Node { value, span } = self;
        let read = match value {
            DeValue::String(DeString::Owned(text)) => visitor.visit_string(text),
            DeValue::String(DeString::Borrowed(text)) => visitor.visit_borrowed_str(text),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => Err(de::Error::custom("integer number overflowed")),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(de::Error::custom("floating-point number overflowed")),
            },
            DeValue::Boolean(truth) => visitor.visit_bool(truth),
            DeValue::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("datetime"), &visitor)),
            DeValue::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            DeValue::Table(table) => visitor.visit_map(Entries { entries: table.into_iter(), value: None }),
        };
        read.map_err(|error| error.at(&span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Node { value, span } = self;
        let read = match value {
            DeValue::String(text) => {
                visitor.visit_enum(IntoDeserializer::<ReadError>::into_deserializer(text))
            }
            DeValue::Table(table) if table.len() == 1 => {
                visitor.visit_enum(Entries { entries: table.into_iter(), value: None })
            }
            DeValue::Table(_) => Err(ReadError::new(Fault::NotOneKind)),
            _ => Err(de::Error::custom("wanted string or table")),
        };
        read.map_err(|error| error.at(&span))
    }

    serde::forward_to_deserialize_any! {
        bool u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 char str string seq bytes byte_buf map unit struct
        ignored_any unit_struct tuple_struct tuple identifier
    }
}

/// The items of a list.
struct Items<'de>(<DeArray<'de> as IntoIterator>::IntoIter);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        self.0.next().map(|item| seed.deserialize(Node::from(item))).transpose()
    }
}

/// The entries of a table.
struct Entries<'de> {
    entries: <DeTable<'de> as IntoIterator>::IntoIter,
    /// Of the key that was read last
    value: Option<Spanned<DeValue<'de>>>,
}

impl<'de> Entries<'de> {
    fn value(&mut self) -> Result<Node<'de>, ReadError> {
        let value =
            self.value.take().ok_or_else(|| <ReadError as de::Error>::custom("a value before its key"))?;
        Ok(Node::from(value))
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        let span = key.span();
        let key = Node { value: DeValue::String(key.into_inner()), span };
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let value = self.value()?;
        let span = value.span.clone();
        seed.deserialize(value).map_err(|error| error.at(&span))
    }
}

/// A table with one entry as an enum: the key names the variant.
impl<'de> EnumAccess<'de> for Entries<'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let variant = self.next_key_seed(seed)?.ok_or_else(|| ReadError::new(Fault::NotOneKind))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn unit_variant(mut self) -> Result<(), ReadError> {
        let span = self.value()?.span;
        let error: ReadError = de::Error::invalid_type(Unexpected::NewtypeVariant, &"a text");
        Err(error.at(&span))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, ReadError> {
        self.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.value()?.deserialize_any(visitor)
    }
}
