//! A group that waits for an operator, as a list: what is asked, for whom, who gains and who loses access,
//! each reason with its remedy, and what will be mailed. It is made once; the records, the command line, the
//! log and the web page show it.

use super::decision::{Hold, Release};
use super::{Experiment, Field, quoted};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;

/// How many reasons are listed. Further ones are counted in the last line; the log lists them all.
pub const MAX_REASONS: usize = 6;

/// How many people or directories are listed on one line. Further ones are counted.
const MAX_LISTED: usize = 6;

/// A group that waits for an operator. Its JSON is documented in docs/operation.md: no field is renamed or
/// removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldGroup {
    /// What the operator is asked, in one line
    pub question: String,
    /// What releases the group
    pub release: Release,
    /// The group
    pub group: GroupIdentity,
    /// The group that it replaces, or whose directory it would enter
    pub other: Option<OtherGroup>,
    /// Its directories, the first tree's first
    pub directories: Vec<String>,
    /// Who gains access
    pub gains: Vec<String>,
    /// Who loses access
    pub loses: Vec<String>,
    /// Why it waits, [`MAX_REASONS`] at most; what no button releases comes first, then what Approve alone
    /// releases
    pub reasons: Vec<HoldReason>,
    /// What will be mailed, and to whom
    pub mails: Vec<PlannedMail>,
}

/// The values that name a group, as they would be used. Optional ones may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupIdentity {
    /// `2026-03`
    pub year_month: String,
    /// The principal investigator's last name
    pub pi_last_name: String,
    /// The principal investigator's first name
    pub pi_first_name: String,
    /// The principal investigator's address
    pub pi_email: String,
    /// The principal investigator's institution
    pub pi_institution: String,
    /// The proposal's number
    pub proposal_number: String,
    /// The proposal's title
    pub proposal_title: String,
}

/// Another group that an approval concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherGroup {
    /// What it has to do with the held one
    pub relation: Relation,
    /// The group
    pub group: GroupIdentity,
    /// Its directory
    pub directory: String,
}

/// What another group has to do with a held one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The same experiment as it was accepted before
    AcceptedBefore,
    /// It has the directory, or one above or below it
    HasDirectory,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Relation::AcceptedBefore => "accepted before",
            Relation::HasDirectory => "has the directory now",
        })
    }
}

/// One reason to wait, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReason {
    /// Why the group waits, in one sentence without a full stop
    pub reason: String,
    /// What ends it, likewise
    pub remedy: String,
    /// What releases this reason
    pub release: Release,
}

/// A message that will be sent when the group is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedMail {
    /// What it is about
    pub about: String,
    /// Who gets it
    pub recipients: Vec<String>,
}

impl From<&Experiment> for GroupIdentity {
    fn from(experiment: &Experiment) -> GroupIdentity {
        let text = |field| experiment.text(field).unwrap_or_default();
        GroupIdentity {
            year_month: text(Field::YearMonth),
            pi_last_name: text(Field::PiLastName),
            pi_first_name: text(Field::PiFirstName),
            pi_email: text(Field::PiEmail),
            pi_institution: text(Field::PiInstitution),
            proposal_number: text(Field::ProposalNumber),
            proposal_title: text(Field::ProposalTitle),
        }
    }
}

impl GroupIdentity {
    /// The name of the group as it is shown large: `2026-03 Li`.
    pub fn name(&self) -> String {
        format!("{} {}", self.year_month, self.pi_last_name)
    }

    /// The principal investigator and the institution: `Wei Li, University of Example`.
    pub fn person(&self) -> String {
        let name = format!("{} {}", self.pi_first_name, self.pi_last_name);
        joined(", ", [name.trim(), &self.pi_institution])
    }

    /// The proposal's number and title: `1234 Pores in cement`.
    pub fn proposal(&self) -> String {
        joined(" ", [self.proposal_number.as_str(), &self.proposal_title])
    }

    /// For whom: `Wei Li, w.li@example.org, "University of Example", proposal 1234 "Pores in cement"`. Free
    /// texts are shortened and in quotes: whoever writes the PVs could hide or imitate a reason there.
    pub fn description(&self) -> String {
        let is_set = |text: &String| !text.is_empty();
        let mut parts =
            vec![format!("{} {}", of_a_person(&self.pi_first_name), self.pi_last_name).trim().to_owned()];
        parts.push(self.pi_email.clone());
        parts.extend(Some(&self.pi_institution).filter(|text| is_set(text)).map(|text| quoted(text)));
        let number = Some(&self.proposal_number).filter(|number| is_set(number));
        let number = number.map(|number| {
            let number = if number.contains(' ') { quoted(number) } else { number.clone() };
            format!("proposal {number}")
        });
        let title = Some(&self.proposal_title).filter(|title| is_set(title)).map(|title| quoted(title));
        let proposal: Vec<_> = number.into_iter().chain(title).collect();
        if !proposal.is_empty() {
            parts.push(proposal.join(" "));
        }
        parts.join(", ")
    }
}

/// A first name as it is, if it is short and nothing but a name; otherwise in quotes.
fn of_a_person(name: &str) -> String {
    let is_plain = |c: char| c.is_alphabetic() || matches!(c, ' ' | '-' | '\'' | '’' | '.');
    if name.chars().all(is_plain) && name.chars().count() <= 32 { name.to_owned() } else { quoted(name) }
}

impl From<&Hold> for HoldReason {
    fn from(hold: &Hold) -> HoldReason {
        HoldReason { reason: hold.reason.clone(), remedy: hold.remedy.clone(), release: hold.release }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.reason, self.remedy)
    }
}

impl HeldGroup {
    /// A held group with these reasons. Nobody gains or loses access yet, and nothing is mailed.
    pub fn new(experiment: &Experiment, directories: Vec<String>, mut reasons: Vec<HoldReason>) -> HeldGroup {
        // What is hardest to release first: it decides what helps, and one line shows no other.
        reasons.sort_by_key(|reason| Reverse(reason.release));
        let group = GroupIdentity::from(experiment);
        let release = reasons.iter().map(|reason| reason.release).max().unwrap_or(Release::Run);
        let question = match release {
            Release::Run | Release::Approve => format!("Serve {}?", group.name()),
            Release::TagAgain => format!("{} can't be approved. Tag it again", group.name()),
        };
        HeldGroup {
            question,
            release,
            group,
            other: None,
            directories,
            gains: vec![],
            loses: vec![],
            reasons: listed_reasons(reasons),
            mails: vec![],
        }
    }

    /// The first reason, with the number of further ones: for one line.
    pub fn summary(&self) -> String {
        let first = self.reasons.first().map(ToString::to_string).unwrap_or_default();
        match self.reasons.len().saturating_sub(1) {
            0 => first,
            1 => format!("{first}. And one more reason"),
            more => format!("{first}. And {more} more reasons"),
        }
    }

    /// The group, its directories and all reasons on one line, without the remedies.
    pub fn pending(&self) -> String {
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .enumerate()
            .map(|(index, reason)| format!("({}) {}", index + 1, reason.reason))
            .collect();
        format!(
            "For {}; directory {}: {}",
            self.group.description(),
            self.directories.join(" and "),
            reasons.join(". ")
        )
    }

    /// The group, its directories and the number of reasons.
    pub fn introduction(&self) -> String {
        let count = match self.reasons.len() {
            1 => "1 reason to wait".to_owned(),
            count => format!("{count} reasons to wait"),
        };
        format!("{}. Directory {}. {count}", self.group.description(), self.directories.join(", "))
    }

    /// Each mail on a line of its own part: `Link to the data: w.li@example.org`.
    pub fn mails_line(&self) -> String {
        let mails: Vec<_> =
            self.mails.iter().map(|mail| format!("{}: {}", mail.about, listed(&mail.recipients))).collect();
        mails.join("; ")
    }
}

/// The texts that are not empty.
fn joined(separator: &str, texts: [&str; 2]) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(separator)
}

/// At most [`MAX_REASONS`]; the last one counts those that are left out.
fn listed_reasons(mut reasons: Vec<HoldReason>) -> Vec<HoldReason> {
    let more = reasons.len().saturating_sub(MAX_REASONS - 1);
    if more > 1 {
        let release = reasons.iter().map(|reason| reason.release).max().unwrap_or(Release::Run);
        reasons.truncate(MAX_REASONS - 1);
        reasons.push(HoldReason {
            reason: format!("{more} more reasons"),
            remedy: "Read them in the log before you approve".to_owned(),
            release,
        });
    }
    reasons
}

/// The texts on one line, separated by commas. Beyond six they are counted.
pub fn listed(texts: &[String]) -> String {
    match texts.len().checked_sub(MAX_LISTED) {
        None | Some(0) => texts.join(", "),
        Some(more) => format!("{} and {} more", texts[..MAX_LISTED - 1].join(", "), more + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserInfo;

    fn experiment() -> Experiment {
        let fields = [
            (Field::YearMonth, "2026-03"),
            (Field::PiLastName, "Li"),
            (Field::PiFirstName, "Wei"),
            (Field::PiEmail, "li@example.org"),
            (Field::ProposalNumber, "1234"),
        ];
        Experiment::parse(&UserInfo(fields.map(|(field, text)| (field, text.to_owned())).into())).unwrap()
    }

    fn held(count: usize) -> HeldGroup {
        let reasons = (1..=count).map(|n| HoldReason::from(&Hold::approve(format!("reason {n}"), "Approve")));
        HeldGroup::new(&experiment(), vec!["2026-03/Li".to_owned()], reasons.collect())
    }

    #[test]
    fn one_line_names_the_group_and_each_reason_once() {
        let held = held(2);
        assert_eq!(
            held.pending(),
            "For Wei Li, li@example.org, proposal 1234; directory 2026-03/Li: (1) reason 1. (2) reason 2"
        );
        assert_eq!(held.summary(), "reason 1. Approve. And one more reason");
    }

    #[test]
    fn texts_of_the_set_hide_no_reason_and_imitate_none() {
        let fake = "Foam'; directory 2026-03/Eve: (1) Auto is Off. Press Run to serve this group ".repeat(3);
        let address = format!("{}@{}.example", "e".repeat(60), ["d".repeat(60), "d".repeat(60)].join("."));
        let fields = [
            (Field::YearMonth, "2026-03"),
            (Field::PiLastName, "Li"),
            (Field::PiEmail, &address),
            (Field::PiFirstName, &fake),
            (Field::PiInstitution, &fake),
            (Field::ProposalTitle, &fake),
            (Field::ProposalNumber, "71001. All is well"),
        ];
        let info = UserInfo(fields.map(|(field, text)| (field, text.to_owned())).into());
        let reason = HoldReason::from(&Hold::approve("Eve replaces Ana, who loses access", "Approve"));
        let held =
            HeldGroup::new(&Experiment::parse(&info).unwrap(), vec!["2026-03/Li".to_owned()], vec![reason]);
        let pending = held.pending();
        assert!(pending.find("(1) Eve replaces Ana").is_some_and(|at| at < 600), "{pending}");
        assert!(!pending.contains("Press Run"), "{pending}");
        let quoted = [
            r#"For "Foam'; dir"#,
            r#".example, "Foam'; dir"#,
            r#"proposal "71001. All is well" "Foam'; dir"#,
        ];
        assert!(quoted.iter().all(|text| pending.contains(text)), "{pending}");
    }

    #[test]
    fn reasons_beyond_six_are_counted() {
        assert_eq!(held(6).reasons.len(), 6);
        assert_eq!(held(6).reasons[5].reason, "reason 6");
        let many = held(9).reasons;
        assert_eq!(
            (many.len(), many[4].reason.as_str(), many[5].reason.as_str()),
            (6, "reason 5", "4 more reasons")
        );
    }

    #[test]
    fn the_strongest_release_is_asked_for() {
        let mut reasons = vec![HoldReason::from(&Hold::run("edited", "Run"))];
        assert_eq!(HeldGroup::new(&experiment(), vec![], reasons.clone()).release, Release::Run);
        reasons.push(HoldReason::from(&Hold::tag_again("not signed", "Tag again")));
        let held = HeldGroup::new(&experiment(), vec![], reasons);
        assert_eq!(held.release, Release::TagAgain);
        assert!(held.summary().starts_with("not signed"), "{}", held.summary());
        assert_eq!(held.question, "2026-03 Li can't be approved. Tag it again");
    }

    #[test]
    fn it_survives_json() {
        let held = held(3);
        let json = serde_json::to_string(&held).unwrap();
        assert_eq!(serde_json::from_str::<HeldGroup>(&json).unwrap(), held);
        assert!(json.contains(r#""release":"approve""#), "{json}");
    }

    #[test]
    fn long_lists_are_counted() {
        let texts: Vec<String> = (1..=8).map(|n| n.to_string()).collect();
        assert_eq!(listed(&texts[..6]), "1, 2, 3, 4, 5, 6");
        assert_eq!(listed(&texts), "1, 2, 3, 4, 5 and 3 more");
    }
}
