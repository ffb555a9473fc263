//! Signed user info: an HMAC over all configured fields, which proves that one tagging by a key holder put
//! them together.
//!
//! The signature is HMAC-SHA-256 over the [canonical form](canonical_form), written as 64 hexadecimal digits.
//! It covers the update time, so a set can be ordered after the last one that was accepted and a replayed set
//! is told from a new one. docs/signed-tags.md describes the format for other tools and contains the same
//! function in Python.

use super::{Field, UserInfo};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use std::fmt::{self, Write};

/// First item of the canonical form. A later format gets another version, so that no text is valid in both.
const VERSION: &str = "beamshare-tag-1";

/// How far an update time may be ahead of this host's clock. An accepted time in the future would make every
/// correctly dated set look replayed until then.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Shortest key, in characters. A generated key has 64 hexadecimal digits (256 bits).
pub const MIN_KEY_LENGTH: usize = 32;

/// The bytes that are signed: a sequence of netstrings (`<length in bytes>:<bytes>,`).
///
/// The items are the format's version, the prefix of the beamline's status records (a signature is worthless
/// at another beamline), and then key and text of each configured field, in the order of [`Field::ALL`].
/// Texts are the UTF-8 bytes that the PV reads, without any normalization: what differs in a single byte is
/// another set. A netstring ends where its length says, so the items can be read back from the bytes and no
/// two sets share a form.
pub fn canonical_form(prefix: &str, user_info: &UserInfo) -> Vec<u8> {
    let fields = Field::ALL.iter().filter_map(|field| Some([field.key(), user_info.0.get(field)?.as_str()]));
    let mut form = vec![];
    for item in [VERSION, prefix].into_iter().chain(fields.flatten()) {
        form.extend_from_slice(format!("{}:", item.len()).as_bytes());
        form.extend_from_slice(item.as_bytes());
        form.push(b',');
    }
    form
}

/// The keys of a beamline: the one that signs, and the one before it, which stays valid during a rotation.
pub struct TagKeys {
    current: Key,
    previous: Option<Key>,
}

struct Key(Hmac<Sha256>);

impl Key {
    fn parse(text: &str) -> Result<Key, KeyError> {
        if text.len() < MIN_KEY_LENGTH {
            return Err(KeyError::TooShort(text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::NotPlain);
        }
        // HMAC takes keys of any length.
        Hmac::new_from_slice(text.as_bytes()).map(Key).map_err(|_| KeyError::Missing)
    }

    fn mac(&self, form: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(form)
    }
}

/// Why a text can't be used as keys. Never contains a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key in it
    #[error("holds no key")]
    Missing,
    /// A key is too short to be safe
    #[error("holds a key of {0} characters; it must have {MIN_KEY_LENGTH} at least")]
    TooShort(usize),
    /// A key holds a blank or anything that is not ASCII
    #[error("holds a key with a blank or a character that is not ASCII")]
    NotPlain,
    /// More than the two keys of a rotation
    #[error("holds {0} keys; it may have two, the current and the previous one")]
    TooMany(usize),
}

impl TagKeys {
    /// Reads keys: one on each line, the current one first. Blank lines and lines that begin with `#` are
    /// ignored.
    ///
    /// # Errors
    /// Where there are no keys, more than two, or one that is short or not plain ASCII.
    pub fn parse(text: &str) -> Result<TagKeys, KeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut keys = lines.map(Key::parse).collect::<Result<Vec<_>, _>>()?;
        let count = keys.len();
        let previous = if count == 2 { keys.pop() } else { None };
        match keys.pop() {
            None => Err(KeyError::Missing),
            Some(_) if count > 2 => Err(KeyError::TooMany(count)),
            Some(current) => Ok(TagKeys { current, previous }),
        }
    }

    /// How many keys there are: two during a rotation.
    pub fn count(&self) -> usize {
        1 + usize::from(self.previous.is_some())
    }

    /// The signature of a set by the current key.
    pub fn sign(&self, prefix: &str, user_info: &UserInfo) -> String {
        let mac = self.current.mac(&canonical_form(prefix, user_info)).finalize().into_bytes();
        mac.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether one of the keys has made the signature. Takes the same time whichever byte differs.
    fn made(&self, signature: &[u8], form: &[u8]) -> bool {
        let keys = [Some(&self.current), self.previous.as_ref()];
        keys.into_iter().flatten().any(|key| key.mac(form).verify_slice(signature).is_ok())
    }

    /// Checks a set that reads like this, signature included, at `now`. `last` is the newest set that passed
    /// before.
    ///
    /// # Errors
    /// [`SignatureFault`]: the set must not be served.
    pub fn check(
        &self,
        prefix: &str,
        user_info: &UserInfo,
        last: Option<&SignedSet>,
        now: Timestamp,
    ) -> Result<SignedSet, SignatureFault> {
        let text = user_info.0.get(&Field::Signature).map_or("", |text| text.trim());
        if text.is_empty() {
            return Err(SignatureFault::Missing);
        }
        let signature = from_hex(text).ok_or(SignatureFault::Malformed)?;
        if !self.made(&signature, &canonical_form(prefix, user_info)) {
            return Err(SignatureFault::Mismatch);
        }
        let update_time = user_info.0.get(&Field::UpdateTime).map_or("", |text| text.trim());
        let time: Timestamp = update_time
            .parse()
            .map_err(|_| SignatureFault::UpdateTime(update_time.chars().take(40).collect()))?;
        let set = SignedSet { time, signature: text.to_ascii_lowercase() };
        match last {
            Some(last) if last.signature == set.signature => Ok(set), // the same set, read again
            Some(last) if last.time >= time => {
                Err(SignatureFault::Replayed { signed: time, accepted: last.time })
            }
            _ if time.duration_since(now) > MAX_CLOCK_SKEW => Err(SignatureFault::Ahead { signed: time }),
            _ => Ok(set),
        }
    }
}

impl fmt::Debug for TagKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagKeys({})", self.count())
    }
}

/// The bytes of a signature; `None` where the text is not 64 hexadecimal digits.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// A set whose signature is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSet {
    /// Its update time
    pub time: Timestamp,
    /// Its signature, in small letters
    pub signature: String,
}

/// Why a set is not accepted as signed. The text says what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The signature's PV is empty
    #[error("Not signed: the signature PV is empty")]
    Missing,
    /// The signature's PV holds something else
    #[error("Not signed: the signature PV does not hold 64 hexadecimal digits")]
    Malformed,
    /// No key has made the signature for these values
    #[error(
        "Signature does not match: the values were changed after signing, mixed from two taggings, or \
         signed with another key"
    )]
    Mismatch,
    /// The update time is not a moment
    #[error(
        "Signed, but the update time {0:?} is not a date and time with UTC offset like \
         2026-03-01T09:00:00-06:00"
    )]
    UpdateTime(String),
    /// A newer set, or another one of the same moment, was accepted before
    #[error("Replayed: signed at {signed}, but a set of {accepted} was accepted before")]
    Replayed {
        /// This set's update time
        signed: Timestamp,
        /// That of the newest set that was accepted
        accepted: Timestamp,
    },
    /// The update time is in the future
    #[error("Signed at {signed}, which is ahead of this host's clock")]
    Ahead {
        /// This set's update time
        signed: Timestamp,
    },
}

impl SignatureFault {
    /// What the operator does about it, in one sentence without a full stop.
    pub fn remedy(&self) -> &'static str {
        match self {
            SignatureFault::UpdateTime(_) => "Correct the tagging tool, and tag again",
            SignatureFault::Ahead { .. } => "Set the clock of the tagging host, and tag again",
            _ => "Tag again with beamshare tag",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const PREFIX: &str = "2bmb:Share:";
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";

    fn keys(text: &str) -> TagKeys {
        TagKeys::parse(text).unwrap()
    }

    fn now() -> Timestamp {
        "2026-03-01T15:00:00Z".parse().unwrap()
    }

    fn set(update_time: &str) -> UserInfo {
        UserInfo(BTreeMap::from([
            (Field::YearMonth, "2026-03".to_owned()),
            (Field::PiLastName, "García".to_owned()),
            (Field::PiEmail, "ana@upf.example".to_owned()),
            (Field::ProposalNumber, "71001".to_owned()),
            (Field::UpdateTime, update_time.to_owned()),
        ]))
    }

    fn signed_by(keys: &TagKeys, prefix: &str, mut info: UserInfo) -> UserInfo {
        let signature = keys.sign(prefix, &info);
        info.0.insert(Field::Signature, signature);
        info
    }

    fn signed(update_time: &str) -> UserInfo {
        signed_by(&keys(KEY), PREFIX, set(update_time))
    }

    /// At 15:00 UTC, six hours west of it.
    const NOW: &str = "2026-03-01T09:00:00.000-06:00";

    fn check(info: &UserInfo, last: Option<&SignedSet>) -> Result<SignedSet, SignatureFault> {
        keys(KEY).check(PREFIX, info, last, now())
    }

    #[test]
    fn the_form_and_the_signature_stay_as_documented() {
        let info = UserInfo(BTreeMap::from([
            (Field::YearMonth, "2026-03".to_owned()),
            (Field::PiLastName, "Li".to_owned()),
            (Field::Signature, "not part of it".to_owned()),
        ]));
        let form = String::from_utf8(canonical_form("x:", &info)).unwrap();
        assert_eq!(form, "15:beamshare-tag-1,2:x:,10:year_month,7:2026-03,12:pi_last_name,2:Li,");
        // printf '%s' FORM | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let signature = "1f5c11a510b14e9094c2c24111b2e8c911c01c63de1cf66345e9586097304b45";
        assert_eq!(keys(KEY).sign("x:", &info), signature);
    }

    #[test]
    fn a_signed_set_is_accepted_until_anything_in_it_changes() {
        let info = signed(NOW);
        assert_eq!(check(&info, None).unwrap().time, now());
        for field in info.0.keys() {
            let mut changed = info.clone();
            changed.0.insert(*field, "2026-04".to_owned());
            assert!(check(&changed, None).is_err(), "{field} changed");
            let mut missing = info.clone();
            missing.0.remove(field);
            assert!(check(&missing, None).is_err(), "{field} missing");
        }
        let mut more = info.clone();
        more.0.insert(Field::PiBadge, String::new());
        assert_eq!(check(&more, None), Err(SignatureFault::Mismatch), "an empty field is not an absent one");
        for text in [" 71001", "71001 ", "071001"] {
            let mut other = info.clone();
            other.0.insert(Field::ProposalNumber, text.to_owned());
            assert_eq!(check(&other, None), Err(SignatureFault::Mismatch), "{text:?}");
        }
    }

    #[test]
    fn a_signature_of_another_beamline_or_key_is_worthless() {
        let elsewhere = signed_by(&keys(KEY), "7bma:Share:", set(NOW));
        assert_eq!(check(&elsewhere, None), Err(SignatureFault::Mismatch));
        let stranger = signed_by(&keys(OTHER_KEY), PREFIX, set(NOW));
        assert_eq!(check(&stranger, None), Err(SignatureFault::Mismatch));
    }

    #[test]
    fn what_is_no_signature_is_told_from_a_wrong_one() {
        for (text, fault) in [
            ("", SignatureFault::Missing),
            ("  ", SignatureFault::Missing),
            ("Unknown", SignatureFault::Malformed),
            (&"é".repeat(32), SignatureFault::Malformed),
            (&"0".repeat(63), SignatureFault::Malformed),
            (&"0".repeat(64), SignatureFault::Mismatch),
        ] {
            let mut info = set(NOW);
            info.0.insert(Field::Signature, text.to_owned());
            assert_eq!(check(&info, None), Err(fault), "{text:?}");
        }
        assert_eq!(check(&set(NOW), None), Err(SignatureFault::Missing));
        let mut capitals = signed(NOW);
        capitals.0.get_mut(&Field::Signature).unwrap().make_ascii_uppercase();
        assert!(check(&capitals, None).is_ok());
    }

    #[test]
    fn a_replayed_set_is_refused_and_the_same_one_is_read_again() {
        let (first, second) = (signed("2026-03-01T08:00:00-06:00"), signed(NOW));
        let accepted = check(&first, None).unwrap();
        assert_eq!(check(&first, Some(&accepted)), Ok(accepted.clone()), "after a restart");
        let newer = check(&second, Some(&accepted)).unwrap();
        let replayed = SignatureFault::Replayed { signed: accepted.time, accepted: newer.time };
        assert_eq!(check(&first, Some(&newer)), Err(replayed));
        // Another set of the same moment.
        let mut twin = set("2026-03-01T15:00:00Z");
        twin.0.insert(Field::PiLastName, "Li".to_owned());
        let twin = signed_by(&keys(KEY), PREFIX, twin);
        assert!(matches!(check(&twin, Some(&newer)), Err(SignatureFault::Replayed { .. })));
    }

    #[test]
    fn the_update_time_is_a_moment_that_has_come() {
        // DMagic's (`datetime.isoformat()`), beamshare tag's, and what Python's str() makes of it.
        for text in
            ["2026-03-01T09:00:00.123456-06:00", NOW, "2026-03-01T15:00:00Z", "2026-03-01 09:00:00-06:00"]
        {
            assert!(check(&signed(text), None).is_ok(), "{text}");
        }
        for text in ["", "03-01 09:00", "2026-03-01T09:00:00", "Sun Mar  1 09:00:00 2026", "2026-03-01"] {
            assert_eq!(
                check(&signed(text), None),
                Err(SignatureFault::UpdateTime(text.to_owned())),
                "{text}"
            );
        }
        assert!(check(&signed("2026-03-01T15:05:00Z"), None).is_ok());
        assert!(matches!(check(&signed("2026-03-01T15:05:01Z"), None), Err(SignatureFault::Ahead { .. })));
    }

    #[test]
    fn two_keys_are_valid_during_a_rotation() {
        let (old, both, new) = (keys(KEY), keys(&format!("{OTHER_KEY}\n{KEY}\n")), keys(OTHER_KEY));
        let by_old = signed_by(&old, PREFIX, set(NOW));
        let by_both = signed_by(&both, PREFIX, set(NOW));
        assert!(both.check(PREFIX, &by_old, None, now()).is_ok());
        assert!(both.check(PREFIX, &by_both, None, now()).is_ok());
        assert!(new.check(PREFIX, &by_both, None, now()).is_ok(), "the first key signs");
        assert_eq!(new.check(PREFIX, &by_old, None, now()), Err(SignatureFault::Mismatch));
    }

    #[test]
    fn keys_are_read_from_a_file_and_never_shown() {
        assert!(TagKeys::parse(&format!("# made 2026-03-01\n\n  {KEY}  \r\n")).is_ok());
        for (text, error) in [
            (String::new(), KeyError::Missing),
            ("# a comment\n".to_owned(), KeyError::Missing),
            ("secret".to_owned(), KeyError::TooShort(6)),
            (format!("{KEY} {KEY}"), KeyError::NotPlain),
            (format!("{KEY}é"), KeyError::NotPlain),
            (format!("{KEY}\n{KEY}\n{KEY}"), KeyError::TooMany(3)),
        ] {
            let found = TagKeys::parse(&text).map(|_| ()).unwrap_err();
            assert!(!found.to_string().contains(KEY));
            assert_eq!(found, error, "{text:?}");
        }
        assert!(!format!("{:?}", keys(KEY)).contains(KEY));
    }

    /// Reads a canonical form back: the version, the prefix, and the fields.
    fn items(mut form: &[u8]) -> Vec<Vec<u8>> {
        let mut items = vec![];
        while !form.is_empty() {
            let colon = form.iter().position(|byte| *byte == b':').unwrap();
            let length: usize = std::str::from_utf8(&form[..colon]).unwrap().parse().unwrap();
            let (item, rest) = form[colon + 1..].split_at(length);
            assert_eq!(rest[0], b',');
            (items, form) = ([items, vec![item.to_vec()]].concat(), &rest[1..]);
        }
        items
    }

    fn any_set() -> impl Strategy<Value = UserInfo> {
        let text = prop_oneof!["(?s).{0,12}", "[0-9:,]{0,6}", "[0-9]:pi_email,[0-9]:.{0,3}"];
        proptest::collection::btree_map(proptest::sample::select(Field::ALL.to_vec()), text, 0..4)
            .prop_map(UserInfo)
    }

    proptest! {
        /// The form can be read back, so no two sets share one.
        #[test]
        fn the_form_holds_all_of_the_set(info in any_set(), prefix in "(?s).{0,8}|[0-9:,]{0,6}") {
            let items = items(&canonical_form(&prefix, &info));
            prop_assert_eq!(&items[..2], &[VERSION.as_bytes().to_vec(), prefix.into_bytes()]);
            let read: BTreeMap<Vec<u8>, Vec<u8>> =
                items[2..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            let put: BTreeMap<Vec<u8>, Vec<u8>> =
                info.0.iter().map(|(field, text)| (field.key().into(), text.clone().into_bytes())).collect();
            prop_assert_eq!(items.len(), 2 + 2 * put.len());
            prop_assert_eq!(read, put);
        }

        #[test]
        fn no_other_set_passes(one in any_set(), other in any_set()) {
            let form = canonical_form(PREFIX, &one);
            prop_assert_eq!(one == other, form == canonical_form(PREFIX, &other));
        }
    }
}
