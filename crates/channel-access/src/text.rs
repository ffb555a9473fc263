//! Texts from Channel Access, in whichever kind of record a site keeps them.
//!
//! | record | how it is read | written |
//! |---|---|---|
//! | waveform of CHAR, `NAME.FIELD$` | up to the first NUL | with its NUL, if it fits |
//! | stringin, stringout, any string field | up to 39 bytes; 39 may have been cut | up to 39 bytes |
//! | lsi, lso | as above until the IOC answers for `NAME.VAL$`, from then on whole | whole |
//! | mbbi, mbbo, bi, bo | the state's label | the state's label |
//! | numbers | in decimal | in decimal |
//!
//! EPICS does not say in which encoding a text is. Bytes that are UTF-8 are read as such, all others as ISO
//! 8859-1, in which every byte is a character: that is what screens of old IOCs write. Texts are always
//! written as UTF-8.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::alarm::Severity;
use crate::channel::Channel;
use crate::context::Context;
use crate::error::CaError;
use crate::event::{Connection, Event};
use crate::options::ChannelOptions;
use crate::sync::lock;
use crate::value::{FieldType, STRING_SIZE, Sample, Value, decode_text, until_nul};
use crate::wire::max_elements;

/// Longest text that fits a DBR_STRING, in bytes.
const STRING_ROOM: usize = STRING_SIZE - 1;

/// How long a read or a write of a string waits to hear whether the IOC knows the text's long form.
const LONG_FORM_LIMIT: Duration = Duration::from_secs(1);

/// A text of a PV.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The text, not trimmed.
    pub text: String,
    /// Severity of the record's alarm; of `Invalid` the text must not be used.
    pub severity: Severity,
    /// When the record was processed, by the IOC's clock; `None` if it never was.
    pub timestamp: Option<SystemTime>,
    /// The text fills all the room there is, so its end may be missing.
    pub possibly_cut: bool,
}

/// What happens on a text channel.
#[derive(Clone, Debug)]
pub enum TextEvent {
    /// The PV was found, or found again. A text follows.
    Connected(Connection),
    /// The IOC has gone; the last text must not be trusted until there is a new one.
    Disconnected,
    /// The present text after each connection, then each change of text or alarm.
    Text(Text),
    /// The reader was so slow that texts were dropped before this event.
    TextsLost,
    /// The PV holds no text ([`CaError::NotText`]).
    Unreadable(CaError),
}

/// A PV that is read and written as a text. Dropping it closes its channels.
pub struct TextChannel {
    context: Context,
    plain: Channel,
    long: Mutex<Long>,
}

/// The second channel of a string PV, to its `$` form: the same text as CHAR, of any length.
#[derive(Default)]
struct Long {
    channel: Option<Arc<Channel>>,
    /// Monitored: opened after it was found to be worth it. A monitor that is dropped in its first moment can
    /// hold up the first values of other channels in the IOC (see [`Channel::put_and_renew`]).
    monitored: bool,
    /// Connected, and roomier than the string: the text is taken from here only, so that no two monitors
    /// race.
    in_use: bool,
    /// The IOC has answered that there is nothing to gain.
    useless: bool,
}

impl TextChannel {
    /// A text channel to the PV `name`; it connects when the PV exists.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn new(context: &Context, name: &str) -> Result<Self, CaError> {
        let plain = context.open(name, ChannelOptions { enum_labels: true, ..ChannelOptions::default() })?;
        Ok(Self { context: context.clone(), plain, long: Mutex::default() })
    }

    /// Name of the PV.
    pub fn name(&self) -> &str {
        self.plain.name()
    }

    /// The connection as it is now, if there is one.
    pub fn connection(&self) -> Option<Connection> {
        self.plain.connection()
    }

    /// The next event; waits for one. Cancel-safe. One task at a time should call it.
    pub async fn next(&self) -> TextEvent {
        loop {
            let long = lock(&self.long).channel.clone();
            let event = match long {
                None => self.on_plain(self.plain.next().await),
                Some(long) => tokio::select! {
                    biased;
                    event = self.plain.next() => self.on_plain(event),
                    event = long.next() => self.on_long(&long, event),
                },
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Reads the text freshly from the IOC, waiting for a connection where there is none. Cancel-safe.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest.
    pub async fn get(&self, limit: Duration) -> Result<Text, CaError> {
        let deadline = Instant::now() + limit;
        let connection = self.plain.connected(limit).await?;
        let wire = Wire::choose(self.name(), &connection)?;
        let sample = self.plain.get(deadline - Instant::now()).await?;
        let text = wire.read(&sample);
        if text.possibly_cut
            && wire == Wire::String
            && let Some((long, wire)) = self.long_form(deadline).await
        {
            return Ok(wire.read(&long.get(deadline - Instant::now()).await?));
        }
        Ok(text)
    }

    /// Writes the text and waits until the record has processed, waiting for a connection where there is
    /// none. A text that the record would cut is not written.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest; [`CaError::TooLong`] for what does not fit.
    pub async fn put(&self, text: &str, limit: Duration) -> Result<(), CaError> {
        let deadline = Instant::now() + limit;
        let connection = self.plain.connected(limit).await?;
        let wire = Wire::choose(self.name(), &connection)?;
        if wire == Wire::String
            && text.len() > STRING_ROOM
            && let Some((long, wire)) = self.long_form(deadline).await
        {
            return long.put(wire.write(self.name(), text)?, deadline - Instant::now()).await;
        }
        self.plain.put(wire.write(self.name(), text)?, deadline - Instant::now()).await
    }

    /// How many bytes of text the record takes, waiting for a connection where there is none:
    /// [`put`](Self::put) refuses what is longer.
    ///
    /// # Errors
    /// [`CaError`], after `limit` at the latest.
    pub async fn room(&self, limit: Duration) -> Result<usize, CaError> {
        let deadline = Instant::now() + limit;
        let connection = self.plain.connected(limit).await?;
        let wire = Wire::choose(self.name(), &connection)?;
        let long = match wire {
            Wire::String => self.long_form(deadline).await,
            _ => None,
        };
        Ok(long.map_or(wire, |(_, wire)| wire).room())
    }

    fn on_plain(&self, event: Event) -> Option<TextEvent> {
        match event {
            Event::Connected(connection) => {
                *lock(&self.long) = Long::default();
                match Wire::choose(self.name(), &connection) {
                    Ok(Wire::String) => drop(self.open_long()),
                    Ok(_) => {}
                    Err(e) => tracing::error!(pv = self.name(), "{e}"),
                }
                Some(TextEvent::Connected(connection))
            }
            Event::Disconnected => {
                *lock(&self.long) = Long::default();
                Some(TextEvent::Disconnected)
            }
            Event::Sample(_) if lock(&self.long).in_use => None,
            Event::Sample(sample) => {
                // Between this sample and now the connection may have gone: then its end is the next event
                // anyway.
                let connection = self.plain.connection()?;
                Some(match Wire::choose(self.name(), &connection) {
                    Ok(wire) => TextEvent::Text(wire.read(&sample)),
                    Err(e) => TextEvent::Unreadable(e),
                })
            }
            Event::SamplesLost => Some(TextEvent::TextsLost),
            Event::AccessRights(_) | Event::Renewed | Event::PutFailed(_) => None,
        }
    }

    fn on_long(&self, channel: &Arc<Channel>, event: Event) -> Option<TextEvent> {
        let mut long = lock(&self.long);
        if !long.channel.as_ref().is_some_and(|c| Arc::ptr_eq(c, channel)) {
            return None; // of an earlier connection
        }
        match event {
            Event::Connected(connection) if roomy(&connection) && long.monitored => long.in_use = true,
            Event::Connected(connection) if roomy(&connection) => {
                let monitored = self.context.channel(channel.name()).ok().map(Arc::new);
                *long = Long { channel: monitored, monitored: true, ..Long::default() };
            }
            Event::Connected(_) => *long = Long { useless: true, ..Long::default() },
            Event::Disconnected => long.in_use = false,
            Event::SamplesLost if long.in_use => return Some(TextEvent::TextsLost),
            Event::Sample(sample) if long.in_use => {
                let wire = Wire::chars(channel.connection()?.count);
                return Some(TextEvent::Text(wire.read(&sample)));
            }
            _ => {}
        }
        None
    }

    /// Opens the long form of a string PV, if it may have one and is not known to gain nothing.
    fn open_long(&self) -> Option<Arc<Channel>> {
        let mut long = lock(&self.long);
        if long.useless {
            return None;
        }
        if long.channel.is_none() {
            let name = long_name(self.name())?;
            let options = ChannelOptions { monitor: false, ..ChannelOptions::default() };
            long.channel = Some(Arc::new(self.context.open(&name, options).ok()?));
        }
        long.channel.clone()
    }

    async fn long_form(&self, deadline: Instant) -> Option<(Arc<Channel>, Wire)> {
        let channel = self.open_long()?;
        let limit = LONG_FORM_LIMIT.min(deadline - Instant::now());
        let connection = channel.connected(limit).await.ok()?;
        roomy(&connection).then_some((channel, Wire::chars(connection.count)))
    }
}

/// `NAME.FIELD$` of EPICS base 3.14.11 and later; not for a name that has it already or that has JSON
/// filters.
fn long_name(name: &str) -> Option<String> {
    if name.ends_with('$') || name.contains('{') {
        return None;
    }
    Some(if name.contains('.') { format!("{name}$") } else { format!("{name}.VAL$") })
}

fn roomy(connection: &Connection) -> bool {
    connection.field_type == FieldType::Char && connection.count > STRING_SIZE
}

/// How a text travels: one converter for each wire type, chosen when the PV connects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire {
    Chars {
        room: usize,
    },
    String,
    /// The label of an enum, which is never cut: 25 bytes at most.
    Label,
    Number,
}

impl Wire {
    fn choose(pv: &str, connection: &Connection) -> Result<Self, CaError> {
        let (kind, count) = (connection.field_type, connection.count);
        match kind {
            FieldType::Char if count > 1 => Ok(Self::chars(count)),
            FieldType::String => Ok(Self::String),
            FieldType::Enum if count == 1 => Ok(Self::Label),
            _ if count == 1 => Ok(Self::Number),
            _ => Err(CaError::NotText { pv: pv.to_owned(), found: format!("an array of {count} {kind}") }),
        }
    }

    /// An array of CHAR with this many elements, of which no more travel than fit in a message.
    fn chars(count: usize) -> Self {
        Self::Chars { room: count.min(max_elements(FieldType::Char)) }
    }

    fn read(self, sample: &Sample) -> Text {
        let (text, possibly_cut) = match (&sample.value, self) {
            (Value::Char(bytes), Self::Chars { room }) => {
                let text = until_nul(bytes);
                let full = text.len() >= room;
                (to_text(text, full), full)
            }
            (Value::String(strings), wire) => {
                let bytes = strings.first().map(Vec::as_slice).unwrap_or_default();
                let full = wire == Self::String && bytes.len() >= STRING_ROOM;
                (to_text(bytes, full), full)
            }
            (number, _) => (number.to_string(), false),
        };
        Text { text, severity: sample.severity, timestamp: sample.timestamp, possibly_cut }
    }

    /// Bytes of text that it carries.
    fn room(self) -> usize {
        match self {
            Self::Chars { room } => room - 1, // its NUL
            _ => STRING_ROOM,
        }
    }

    fn write(self, pv: &str, text: &str) -> Result<Value, CaError> {
        let limit = self.room();
        if text.len() > limit {
            return Err(CaError::TooLong { pv: pv.to_owned(), bytes: text.len(), limit });
        }
        Ok(match self {
            Self::Chars { .. } => Value::chars(text),
            // The IOC itself turns a string into a state or a number, and refuses what is none.
            _ => Value::string(text),
        })
    }
}

/// Bytes of an IOC as text: UTF-8, or else ISO 8859-1. A character that was cut off in its middle is left
/// out.
fn to_text(bytes: &[u8], may_be_cut: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(e) if may_be_cut && e.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..e.valid_up_to()]).into_owned()
        }
        Err(_) => decode_text(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text_by_utf8_and_else_by_latin1() {
        assert_eq!(to_text("Müller".as_bytes(), false), "Müller");
        assert_eq!(to_text(b"M\xfcller", false), "Müller");
        let cut = &"x".repeat(38).into_bytes();
        let cut = [cut, &"é".as_bytes()[..1]].concat();
        assert_eq!(to_text(&cut, true), "x".repeat(38));
        assert_eq!(to_text(&cut, false), "x".repeat(38) + "Ã");
    }

    #[test]
    fn long_names() {
        assert_eq!(long_name("a:b").as_deref(), Some("a:b.VAL$"));
        assert_eq!(long_name("a:b.DESC").as_deref(), Some("a:b.DESC$"));
        assert_eq!(long_name("a:b.VAL$"), None);
        assert_eq!(long_name("a:b.VAL{\"dbnd\":{}}"), None);
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let wire = Wire::Chars { room: 8 };
        assert_eq!(wire.write("x", "1234567").unwrap(), Value::Char(b"1234567\0".to_vec()));
        assert!(matches!(wire.write("x", "12345678"), Err(CaError::TooLong { limit: 7, .. })));
        assert!(matches!(Wire::String.write("x", &"y".repeat(40)), Err(CaError::TooLong { limit: 39, .. })));
    }
}
