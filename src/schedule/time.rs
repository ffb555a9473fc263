//! Times as schedules write them.

use jiff::ZonedDateTime;
use jiff::civil::Time;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};

/// Which end of a beam time a time is: a day without a time of day means its first moment as a start, and
/// that the beam time lasts through that day as an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Start,
    End,
}

/// An ISO 8601 time, shown in the facility's `zone`. The offset from UTC may be written `-05:00`, `-0500` or
/// `-05`; without one, the time is the facility's.
pub(super) fn parse(text: &str, zone: &TimeZone, edge: Edge) -> Result<ZonedDateTime, String> {
    let wrong = |why: String| format!("{text:?} is no time like 2026-03-02T08:00:00-06:00: {why}");
    let pieces = Pieces::parse(text.trim()).map_err(|error| wrong(error.to_string()))?;
    let Some(time) = pieces.time() else {
        let day = match edge {
            Edge::Start => pieces.date(),
            Edge::End => pieces.date().tomorrow().map_err(|error| wrong(error.to_string()))?,
        };
        return day.to_zoned_datetime(zone.clone()).map_err(|error| wrong(error.to_string()));
    };
    let civil = pieces.date().to_datetime(time);
    let zoned = match pieces.offset() {
        Some(offset) => {
            fixed(offset).to_timestamp(civil).map(|instant| instant.to_zoned_datetime(zone.clone()))
        }
        None => civil.to_zoned_datetime(zone.clone()),
    };
    zoned.map_err(|error| wrong(error.to_string()))
}

fn fixed(offset: PiecesOffset) -> Offset {
    match offset {
        PiecesOffset::Numeric(offset) => offset.offset(),
        _ => Offset::UTC,
    }
}

/// The time as people read it: `2026-03-02 08:00 CST`.
pub(super) fn shown(time: &ZonedDateTime) -> String {
    let format = if time.time() == Time::midnight() || time.second() == 0 {
        "%Y-%m-%d %H:%M %Z"
    } else {
        "%Y-%m-%d %T %Z"
    };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chicago() -> TimeZone {
        TimeZone::get("America/Chicago").unwrap()
    }

    #[test]
    fn every_way_of_writing_the_offset_is_the_same_moment() {
        for text in [
            "2026-03-02T08:00:00-06:00",
            "2026-03-02T08:00:00-0600",
            "2026-03-02T08:00:00-06",
            "2026-03-02T14:00:00Z",
            "2026-03-02T08:00:00.000-0600",
            "2026-03-02T08:00-06:00",
            "2026-03-02 08:00:00",
            "2026-03-02T08:00",
            "2026-03-02T09:00:00-0500",
            " 2026-03-02T19:30:00+0530 ",
        ] {
            let time = parse(text, &chicago(), Edge::Start).unwrap();
            assert_eq!(time.to_string(), "2026-03-02T08:00:00-06:00[America/Chicago]", "{text}");
        }
    }

    #[test]
    fn a_day_alone_lasts_until_its_end() {
        let edge = |edge| parse("2026-03-07", &chicago(), edge).unwrap().to_string();
        assert_eq!(edge(Edge::Start), "2026-03-07T00:00:00-06:00[America/Chicago]");
        // The clocks change on the next day.
        assert_eq!(edge(Edge::End), "2026-03-08T00:00:00-06:00[America/Chicago]");
        assert_eq!(parse("2026-03-08", &chicago(), Edge::End).unwrap().offset(), Offset::constant(-5));
    }

    #[test]
    fn what_is_no_time_says_what_would_be() {
        for text in
            ["", "tomorrow", "02.03.2026", "2026-03-32", "1772460000", "2026-03-02T08:00:00-99:00", "null"]
        {
            let error = parse(text, &chicago(), Edge::Start).unwrap_err();
            assert!(error.contains("2026-03-02T08:00:00-06:00"), "{text}: {error}");
        }
    }

    #[test]
    fn times_are_shown_in_the_facilitys_zone() {
        assert_eq!(
            shown(&parse("2026-07-01T13:00:00Z", &chicago(), Edge::Start).unwrap()),
            "2026-07-01 08:00 CDT"
        );
        assert_eq!(
            shown(&parse("2026-01-01T13:00:07Z", &chicago(), Edge::Start).unwrap()),
            "2026-01-01 07:00:07 CST"
        );
    }
}
