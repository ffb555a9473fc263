//! Times as the services write and read them.

use jiff::Timestamp;

/// `2026-11-22T01:02:03+00:00`, the way Transfer writes times.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Reads the ISO 8601 forms that Transfer takes: with and without zone (then UTC), date alone, `T` or a
/// blank.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let with_seconds = regular_offset(text);
    for candidate in [text.to_owned(), with_seconds] {
        if let Ok(at) = candidate.parse::<Timestamp>() {
            return Some(at);
        }
        if let Ok(local) = candidate.parse::<jiff::civil::DateTime>()
            && let Ok(at) = local.to_zoned_datetime(jiff::tz::TimeZone::UTC)
        {
            return Some(at.timestamp());
        }
    }
    None
}

/// `2017-10-12 09:30Z` has no seconds, which `Timestamp` may refuse with a zone.
fn regular_offset(text: &str) -> String {
    let Some((date, clock)) = text.split_once(['T', ' ']) else {
        return text.to_owned();
    };
    let zone = clock.find(['Z', 'z', '+', '-']).map_or("", |at| &clock[at..]);
    let clock = &clock[..clock.len() - zone.len()];
    if clock.matches(':').count() == 1 {
        format!("{date}T{clock}:00{zone}")
    } else {
        format!("{date}T{clock}{zone}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_form_that_transfer_takes() {
        for (text, expected) in [
            ("2017-10-12 09:30Z", "2017-10-12T09:30:00+00:00"),
            ("2017-10-12 12:33:54+00:00", "2017-10-12T12:33:54+00:00"),
            ("2017-10-12T12:33:54+02:00", "2017-10-12T10:33:54+00:00"),
            ("2017-10-12T12:33:54", "2017-10-12T12:33:54+00:00"),
            ("2017-10-12", "2017-10-12T00:00:00+00:00"),
        ] {
            assert_eq!(parse_time(text).map(time).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(parse_time("tomorrow"), None);
    }
}
