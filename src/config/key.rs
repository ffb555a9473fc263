//! The way to a value in the settings.

/// One step of the way to a value: a table's key or a list's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A table's key
    Name(String),
    /// A list's index, from 0
    Index(usize),
}

impl From<&str> for Key {
    fn from(name: &str) -> Key {
        Key::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Key {
        Key::Index(index)
    }
}

/// The keys as people write them, e.g. `directories.on[0].top`.
pub(super) fn key_text(keys: &[Key]) -> String {
    let mut text = String::new();
    for key in keys {
        match key {
            Key::Name(name) if text.is_empty() => text += name,
            Key::Name(name) => text += &format!(".{name}"),
            Key::Index(index) => text += &format!("[{index}]"),
        }
    }
    text
}
