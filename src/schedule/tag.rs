//! Writes the scheduled group to the user-info PVs, as DTagging and `dmagic tag` do.
//!
//! Every field is put each time. A field that the schedule does not know is put empty, so that nothing of the
//! previous group stays. The signature is put after all fields that it covers have been read back, and the
//! update time last: it tells watchers that the set is complete. Nothing is put unless every PV exists, is
//! writable, and has room.

use super::BeamTime;
use super::text::fitting;
use crate::domain::{Experiment, Field, FieldError, TagKeys, UserInfo};
use channel_access::{CaError, Context, FieldType, TextChannel};
use futures::future::try_join_all;
use jiff::ZonedDateTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The order of puts: DTagging's, but for the update time, which DTagging puts in the middle.
pub const ORDER: [Field; 11] = [
    Field::PiFirstName,
    Field::PiLastName,
    Field::PiInstitution,
    Field::PiEmail,
    Field::PiBadge,
    Field::ProposalNumber,
    Field::ProposalTitle,
    Field::YearMonth,
    Field::Esaf,
    Field::Signature,
    Field::UpdateTime,
];

/// What the schedule says of a beam time, as texts for the PVs. The month is the one it starts in, by the
/// facility's clocks.
pub fn user_info(beam_time: &BeamTime) -> UserInfo {
    let proposal = &beam_time.proposal;
    let pi = proposal.pi();
    let of_pi = |text: fn(&super::Experimenter) -> Option<String>| pi.and_then(text);
    let texts = [
        (Field::YearMonth, Some(beam_time.start.strftime("%Y-%m").to_string())),
        (Field::PiLastName, of_pi(|pi| pi.last_name.clone())),
        (Field::PiEmail, of_pi(|pi| pi.email.address().map(|address| address.to_string()))),
        (Field::PiFirstName, of_pi(|pi| pi.first_name.clone())),
        (Field::PiInstitution, of_pi(|pi| pi.institution.clone())),
        (Field::PiBadge, of_pi(|pi| pi.badge.clone())),
        (Field::ProposalNumber, proposal.number.clone()),
        (Field::ProposalTitle, proposal.title.clone()),
        (Field::Esaf, beam_time.esaf.clone()),
    ];
    UserInfo(texts.into_iter().filter_map(|(field, text)| Some((field, text?))).collect())
}

/// The set with what beamshare itself would refuse left empty, and why. A PV that is empty makes everyone
/// wait; one that keeps the former group's value, or has one that can't be used, would not.
pub fn usable(info: &UserInfo) -> (UserInfo, Vec<FieldError>) {
    let mut usable = info.clone();
    let title = usable.0.get_mut(&Field::ProposalTitle);
    // The longest title that is taken, in characters.
    if let Some(title) = title.filter(|title| title.chars().count() > 256) {
        *title = title.chars().take(255).chain(['…']).collect();
    }
    let errors = Experiment::parse(&usable).err().unwrap_or_default();
    for error in &errors {
        usable.0.remove(&error.field);
    }
    (usable, errors)
}

/// The update time's text: the moment by the facility's clocks, to the millisecond, so that no two are the
/// same.
pub fn update_time(now: &ZonedDateTime) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// One put that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The field
    pub field: Field,
    /// Its PV
    pub pv: String,
    /// What the PV says before
    pub now: String,
    /// What is put
    pub text: String,
    /// The text is longer than the record, and was cut; of texts for people alone
    pub cut: bool,
}

/// Why a set is not, or only in part, in the PVs.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// A PV is not there or may not be written
    #[error("nothing was put: {0}")]
    NotReady(CaError),
    /// A text that must not be cut is too long
    #[error("nothing was put: the {field} {text:?} has {} bytes, {pv} holds {room}; use a waveform of CHAR \
             or an lso", text.len())]
    NoRoom {
        /// Whose
        field: Field,
        /// Its PV
        pv: String,
        /// The text
        text: String,
        /// What the record holds, in bytes
        room: usize,
    },
    /// A put failed when others were made
    #[error("half a set: the {field} could not be put, and the update time was not: {error}. Tag again")]
    HalfPut {
        /// Which
        field: Field,
        /// What came back
        error: CaError,
    },
    /// A PV reads otherwise than it was put
    #[error(
        "half a set: {pv} ({field}) was put {put:?} and reads {reads:?}, so another client puts there too, \
         or the record changes it. Tag again"
    )]
    NotConfirmed {
        /// Which
        field: Field,
        /// Its PV
        pv: String,
        /// What was put
        put: String,
        /// What it reads
        reads: String,
    },
}

/// What a set is signed with.
pub struct Signer {
    /// The keys; the current one signs
    pub keys: TagKeys,
    /// `[epics] prefix`, which binds the signature to this beamline
    pub prefix: String,
}

/// The user-info PVs, to be put.
pub struct Tagger {
    channels: BTreeMap<Field, TextChannel>,
    limit: Duration,
    signer: Option<Signer>,
}

impl Tagger {
    /// Connects to the PVs; `limit` is for each read and put. Without a signer, the signature is put empty.
    ///
    /// # Errors
    /// A name that can't be a PV's.
    pub fn new(
        context: &Context,
        pvs: &BTreeMap<Field, String>,
        limit: Duration,
        signer: Option<Signer>,
    ) -> Result<Tagger, CaError> {
        let channel = |(field, pv): (&Field, &String)| Ok((*field, TextChannel::new(context, pv)?));
        Ok(Tagger { channels: pvs.iter().map(channel).collect::<Result<_, CaError>>()?, limit, signer })
    }

    /// What would be put for a set, in order: each configured PV, the update time with `now`. Puts nothing.
    /// The signature is that of the texts as they are put; [`Tagger::put`] signs what the records make of
    /// them.
    ///
    /// # Errors
    /// [`TagError::NotReady`] and [`TagError::NoRoom`].
    pub async fn plan(&self, info: &UserInfo, now: &ZonedDateTime) -> Result<Vec<Put>, TagError> {
        let fields = ORDER.into_iter().filter(|field| *field != Field::Signature);
        let fields = fields.filter_map(|field| Some((field, self.channels.get(&field)?)));
        let puts = fields.map(|(field, channel)| async move {
            let text = match field {
                Field::UpdateTime => update_time(now),
                field => info.0.get(&field).cloned().unwrap_or_default(),
            };
            self.prepare(field, channel, text).await
        });
        let mut puts = try_join_all(puts).await?;
        if let Some(channel) = self.channels.get(&Field::Signature) {
            let texts = UserInfo(puts.iter().map(|put| (put.field, put.text.clone())).collect());
            let put = self.prepare(Field::Signature, channel, self.sign(&texts)).await?;
            let last = puts.iter().position(|put| put.field == Field::UpdateTime).unwrap_or(puts.len());
            puts.insert(last, put);
        }
        Ok(puts)
    }

    fn sign(&self, texts: &UserInfo) -> String {
        self.signer.as_ref().map(|signer| signer.keys.sign(&signer.prefix, texts)).unwrap_or_default()
    }

    async fn prepare(&self, field: Field, channel: &TextChannel, mut text: String) -> Result<Put, TagError> {
        let pv = channel.name().to_owned();
        let room = channel.room(self.limit).await.map_err(TagError::NotReady)?;
        let now = channel.get(self.limit).await.map_err(TagError::NotReady)?.text;
        if let Some(connection) = channel.connection() {
            if !connection.access.write {
                let remedy =
                    ". The IOC's access security does not let this user or host write: see its .acf file";
                let (action, reason) = (format!("write {text:?}"), "no write access".to_owned());
                return Err(TagError::NotReady(CaError::Refused { pv, action, reason, remedy }));
            }
            // A record of numbers has no empty text; 0 is what it says of nobody.
            let texts = [FieldType::Char, FieldType::String, FieldType::Enum];
            if text.is_empty() && !texts.contains(&connection.field_type) {
                text = "0".to_owned();
            }
        }
        let fits = text.len() <= room;
        let for_people = [Field::PiFirstName, Field::PiInstitution, Field::ProposalTitle].contains(&field);
        match (fits, for_people) {
            (true, _) => Ok(Put { field, pv, now, text, cut: false }),
            (false, true) => Ok(Put { field, pv, now, text: fitting(&text, room), cut: true }),
            (false, false) => Err(TagError::NoRoom { field, pv, text, room }),
        }
    }

    /// Makes the puts of a plan: each is confirmed by its record, then all are read back and signed, and only
    /// then is the update time put.
    ///
    /// # Errors
    /// [`TagError::HalfPut`] and [`TagError::NotConfirmed`]; the update time was not put then.
    pub async fn put(&self, plan: &[Put]) -> Result<(), TagError> {
        let of = |field: Field| plan.iter().find(move |put| put.field == field);
        let is_data = |put: &&Put| ![Field::Signature, Field::UpdateTime].contains(&put.field);
        let mut texts = self.put_and_read(plan.iter().filter(is_data)).await?;
        if let Some(put) = of(Field::Signature) {
            texts.0.extend(of(Field::UpdateTime).map(|put| (put.field, put.text.clone())));
            self.put_and_read([&Put { text: self.sign(&texts), ..put.clone() }].into_iter()).await?;
        }
        self.put_and_read(of(Field::UpdateTime).into_iter()).await?;
        Ok(())
    }

    /// Makes some puts, one after the other, and returns what the records read afterwards.
    async fn put_and_read(&self, puts: impl Iterator<Item = &Put> + Clone) -> Result<UserInfo, TagError> {
        let channel = |put: &Put| self.channels.get(&put.field);
        for put in puts.clone() {
            let Some(channel) = channel(put) else { continue };
            let half = |error| TagError::HalfPut { field: put.field, error };
            channel.put(&put.text, self.limit).await.map_err(half)?;
        }
        let read = puts.filter_map(|put| Some((put, channel(put)?))).map(|(put, channel)| async move {
            let half = |error| TagError::HalfPut { field: put.field, error };
            let reads = channel.get(self.limit).await.map_err(half)?.text;
            if same(&put.text, &reads) {
                return Ok((put.field, reads));
            }
            Err(TagError::NotConfirmed { field: put.field, pv: put.pv.clone(), put: put.text.clone(), reads })
        });
        Ok(UserInfo(try_join_all(read).await?.into_iter().collect()))
    }
}

/// Whether a record that was put one text reads as that; a number may be written otherwise.
fn same(put: &str, reads: &str) -> bool {
    put.trim() == reads.trim()
        || matches!((put.trim().parse::<f64>(), reads.trim().parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_beamshare_would_refuse_is_left_empty_with_the_reason() {
        let info = UserInfo(BTreeMap::from([
            (Field::YearMonth, "2026-03".to_owned()),
            (Field::PiLastName, "../etc".to_owned()),
            (Field::PiBadge, "12/3".to_owned()),
            (Field::ProposalTitle, "Pores ".repeat(60)),
        ]));
        let (usable, errors) = usable(&info);
        let fields: Vec<Field> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, [Field::PiLastName, Field::PiEmail, Field::PiBadge]);
        assert_eq!(usable.0.keys().copied().collect::<Vec<_>>(), [Field::YearMonth, Field::ProposalTitle]);
        assert_eq!(usable.0[&Field::ProposalTitle].chars().count(), 256);
    }

    #[test]
    fn every_field_is_put_once_and_the_update_time_last() {
        assert_eq!(ORDER.last(), Some(&Field::UpdateTime));
        assert!(Field::ALL.iter().all(|field| ORDER.contains(field)), "{ORDER:?}");
    }

    #[test]
    fn numbers_may_be_written_otherwise() {
        assert!(same("0071001", "71001") && same(" Wei", "Wei ") && same("", ""));
        assert!(!same("Wei", "Wang") && !same("", "0") && !same("2026-03", "2026"));
    }
}
