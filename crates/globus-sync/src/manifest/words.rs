//! Enums that the tables hold as words.

/// A word of the tables that this program doesn't know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of the words that this beamshare knows")]
pub struct UnknownWord(pub(super) String);

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word in the table and in messages.
            pub const fn word(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::manifest::words::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok($type::$variant),)+ _ => Err($crate::manifest::words::UnknownWord(text.to_owned())) }
            }
        }
    };
}

pub(super) use words;
