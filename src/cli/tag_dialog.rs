//! The dialog of `beamshare tag --manual`.

use beamshare::domain::{Field, UserInfo};
use beamshare::schedule::tag::user_info;
use beamshare::schedule::{BeamTime, show};
use std::io::{BufRead, Write};

/// Asks for a beam time, or for the fields of another group. `None` where the person leaves.
pub fn choose(
    beam_times: &[BeamTime],
    month: UserInfo,
    input: &mut impl BufRead,
    screen: &mut impl Write,
) -> std::io::Result<Option<UserInfo>> {
    write!(screen, "{}", show::pick_list(beam_times))?;
    writeln!(screen, "0  another group, or commissioning: type who it is")?;
    loop {
        let Some(answer) = ask("Number, or q to leave", input, screen)? else { return Ok(None) };
        match answer.parse::<usize>() {
            _ if answer.is_empty() || answer.eq_ignore_ascii_case("q") => return Ok(None),
            Ok(0) => return typed(month, input, screen),
            Ok(n) if n <= beam_times.len() => return Ok(beam_times.get(n - 1).map(user_info)),
            _ => writeln!(screen, "It should be a number from 0 to {}", beam_times.len())?,
        }
    }
}

fn typed(
    mut info: UserInfo,
    input: &mut impl BufRead,
    screen: &mut impl Write,
) -> std::io::Result<Option<UserInfo>> {
    let questions = [
        (Field::PiLastName, "Last name"),
        (Field::PiFirstName, "First name"),
        (Field::PiEmail, "E-mail address"),
        (Field::PiInstitution, "Institution"),
        (Field::ProposalNumber, "Proposal number, if there is one"),
        (Field::ProposalTitle, "Title"),
    ];
    for (field, question) in questions {
        let Some(answer) = ask(question, input, screen)? else { return Ok(None) };
        if !answer.is_empty() {
            info.0.insert(field, answer);
        } else if Field::REQUIRED.contains(&field) {
            return Ok(None);
        }
    }
    Ok(Some(info))
}

/// The answer without blanks around it; `None` at the end of the input.
fn ask(question: &str, input: &mut impl BufRead, screen: &mut impl Write) -> std::io::Result<Option<String>> {
    write!(screen, "{question}: ")?;
    screen.flush()?;
    let mut answer = String::new();
    Ok((input.read_line(&mut answer)? > 0).then(|| answer.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use beamshare::schedule::{Contact, Experimenter, Proposal};

    fn beam_times() -> Vec<BeamTime> {
        let day = |day| jiff::civil::date(2026, 3, day).at(8, 0, 0, 0).in_tz("America/Chicago").unwrap();
        let beam_time = |number: &str, name: &str, start| {
            let pi = Experimenter {
                last_name: Some(name.to_owned()),
                email: Contact::parse(Some(&format!("{name}@example.org"))),
                ..Experimenter::default()
            };
            let proposal = Proposal { number: Some(number.to_owned()), ..Proposal::default() };
            BeamTime {
                run: None,
                start: day(start),
                end: day(start + 2),
                esaf: None,
                granted_shifts: None,
                scheduled_shifts: None,
                proposal: proposal.with_experimenters([pi]),
            }
        };
        vec![beam_time("71001", "Wang", 2), beam_time("71002", "Garcia", 4)]
    }

    fn chosen(answers: &str) -> (Option<UserInfo>, String) {
        let month = UserInfo([(Field::YearMonth, "2026-04".to_owned())].into());
        let mut screen = vec![];
        let info = choose(&beam_times(), month, &mut answers.as_bytes(), &mut screen).unwrap();
        (info, String::from_utf8(screen).unwrap())
    }

    #[test]
    fn a_beam_time_is_chosen_from_the_list() {
        let (info, screen) = chosen("three\n3\n2\n");
        let info = info.unwrap();
        assert_eq!(info.get(Field::PiEmail), Some("Garcia@example.org"));
        assert_eq!(info.get(Field::YearMonth), Some("2026-03"));
        assert!(screen.contains("Wang") && screen.contains("71002"), "{screen}");
        assert_eq!(screen.matches("a number from 0 to 2").count(), 2, "{screen}");
    }

    #[test]
    fn commissioning_is_typed() {
        let (info, _) = chosen("0\nStaff\n\nstaff@example.org\n\n\nMirror test\n");
        let info = info.unwrap();
        let texts: Vec<_> = info.0.values().map(String::as_str).collect();
        assert_eq!(texts, ["2026-04", "Staff", "staff@example.org", "Mirror test"]);
    }

    #[test]
    fn who_leaves_chooses_nothing() {
        for answers in ["q\n", "\n", "", "0\n", "0\n\n", "0\nStaff\n\n\n", "7\n"] {
            assert_eq!(chosen(answers).0, None, "{answers:?}");
        }
    }
}
