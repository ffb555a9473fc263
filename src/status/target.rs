//! The value that a record is to display.

/// What a record is to display.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// `None` until it is set for the first time: the record keeps what it has
    pub(super) value: Option<Displayed>,
    /// Counts the changes
    pub(super) version: u64,
}

/// A value of a record, by the kind of the record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Displayed {
    State(u16),
    Count(i32),
    Number(f64),
    Text(String),
}
