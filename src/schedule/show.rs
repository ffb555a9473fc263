//! What the schedule says, for people and for programs.

use super::time::shown;
use super::{BeamTime, RunSchedule, ScheduleError, ScheduleSource};
use comfy_table::{ContentArrangement, Table, presets};
use jiff::ZonedDateTime;
use serde::Serialize;

/// What the schedule says about a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The moment, RFC 3339
    pub at: String,
    /// Which schedule
    pub source: String,
    /// The run, where the schedule has runs and the moment is in one
    pub run: Option<String>,
    /// Whose beam time it is, if anybody's
    pub current: Option<BeamTime>,
    /// Why that is nobody's: what comes before and after
    pub nobody: Option<String>,
    /// Entries of the schedule that can't be read
    pub not_understood: Vec<String>,
}

/// Asks `source` about `at`: what `beamshare schedule` prints, and `beamshare show` too.
///
/// # Errors
/// [`ScheduleError`]
pub async fn report(source: &dyn ScheduleSource, at: &ZonedDateTime) -> Result<Report, ScheduleError> {
    Report::new(&source.name(), &source.around(at.timestamp()).await?, at)
}

impl Report {
    /// What `schedule`, read from `source`, says about `at`.
    ///
    /// # Errors
    /// As [`RunSchedule::current`].
    pub fn new(source: &str, schedule: &RunSchedule, at: &ZonedDateTime) -> Result<Report, ScheduleError> {
        let current = schedule.current(at.timestamp())?.cloned();
        Ok(Report {
            at: at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            source: source.to_owned(),
            run: schedule.run.as_ref().map(|run| run.name.clone()),
            nobody: current.is_none().then(|| schedule.nobody(at)),
            current,
            not_understood: schedule.not_understood.clone(),
        })
    }

    /// Run, PI, proposal, times, shifts and users, as `dmagic show` has them.
    pub fn text(&self) -> String {
        let mut text = match (&self.current, &self.nobody) {
            (Some(beam_time), _) => describe(beam_time),
            (None, Some(nobody)) => format!("{nobody}\n"),
            (None, None) => String::new(),
        };
        for entry in &self.not_understood {
            text += &format!("Not understood: {entry}\n");
        }
        text
    }

    /// The same for programs, as a JSON object.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}

/// A beam time as two tables: what it is, and who is on the proposal.
pub fn describe(beam_time: &BeamTime) -> String {
    let proposal = &beam_time.proposal;
    let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let shifts = |shifts: Option<f64>| shifts.map_or("-".to_owned(), |shifts| shifts.to_string());
    let flag = |flag: Option<bool>| match flag {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    let pi = proposal.pi();
    let mut facts = table();
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
    };
    fact("Run", some(&beam_time.run));
    fact("PI", pi.map_or("nobody is listed".to_owned(), |pi| pi.name()));
    fact("PI institution", pi.map_or("-".to_owned(), |pi| some(&pi.institution)));
    fact("PI e-mail", pi.map_or("-".to_owned(), |pi| pi.email.to_string()));
    fact("PI badge", pi.map_or("-".to_owned(), |pi| some(&pi.badge)));
    fact("Proposal", some(&proposal.number));
    fact("Title", some(&proposal.title));
    fact("Kind", some(&proposal.kind));
    fact("Submitted", some(&proposal.submitted));
    fact("ESAF", some(&beam_time.esaf));
    fact(
        "Shifts",
        format!(
            "{} granted, {} scheduled",
            shifts(beam_time.granted_shifts),
            shifts(beam_time.scheduled_shifts)
        ),
    );
    fact("Proprietary", flag(proposal.proprietary).to_owned());
    fact("Mail-in", flag(proposal.mail_in).to_owned());
    fact("Start", shown(&beam_time.start));
    fact("End", shown(&beam_time.end));

    let mut users = table();
    users.set_header(["User", "E-mail", "Institution", "Badge"]);
    for person in &proposal.experimenters {
        let is_pi = pi.is_some_and(|pi| std::ptr::eq(pi, person));
        let name = if is_pi { format!("{} (PI)", person.name()) } else { person.name() };
        users.add_row([name, person.email.to_string(), some(&person.institution), some(&person.badge)]);
    }
    format!("{}\n\n{}\n", trimmed(&facts), trimmed(&users))
}

/// The beam times of a run with a number before each, to choose from.
pub fn pick_list<'b>(beam_times: impl IntoIterator<Item = &'b BeamTime>) -> String {
    let mut list = table();
    list.set_header(["", "Start", "End", "Proposal", "PI", "Title"]);
    for (n, beam_time) in beam_times.into_iter().enumerate() {
        let proposal = &beam_time.proposal;
        let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let pi = proposal.pi().map_or("-".to_owned(), |pi| pi.name());
        let (start, end) = (shown(&beam_time.start), shown(&beam_time.end));
        list.add_row([(n + 1).to_string(), start, end, some(&proposal.number), pi, some(&proposal.title)]);
    }
    format!("{}\n", trimmed(&list))
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Without the blanks that fill the last column.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
