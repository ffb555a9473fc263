use super::failure::{Exit, Failure};
use super::schedule::{Day, source};
use super::service::LIMIT;
use super::signals::Signals;
use super::tag_dialog::choose;
use super::{Outcome, print};
use beamshare::config::{self, Config, TagKeyError};
use beamshare::domain::{Field, FieldError, UserInfo};
use beamshare::schedule;
use beamshare::schedule::tag::{Put, Signer, Tagger, usable, user_info};
use channel_access::Context;
use clap::Args;
use jiff::ZonedDateTime;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How soon the schedule is asked again after a failure, where `--every` is longer.
const AGAIN: Duration = Duration::from_secs(300);

/// Write the scheduled group to the user-info PVs
///
/// The group comes from the facility's schedule, or from the options. All PVs are written, the update time
/// last, and read back. With [rules] tag_key_file or --key the set is signed. If nobody is scheduled, the PVs
/// stay unchanged (exit code 4).
#[derive(Args)]
pub struct Tag {
    #[command(flatten)]
    day: Day,

    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,

    /// Tag now and repeat at this interval, e.g. "4h", until stopped
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["manual", "dry_run", "days"])]
    every: Option<Duration>,

    /// Choose the group: from a list of the run's beam times, with --proposal, or with --last-name and other
    /// fields (for commissioning, when nobody is scheduled)
    #[arg(long)]
    manual: bool,

    /// Sign with the key in this file, instead of [rules] tag_key_file
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Write a new key for signing to this file and exit; the key that is in it stays valid as the second one
    #[arg(long, value_name = "FILE", exclusive = true)]
    new_key: Option<PathBuf>,

    #[command(flatten)]
    by_hand: ByHand,
}

/// Fields given by hand; over those of the chosen beam time, or instead of them where the last name is given.
#[derive(Args)]
struct ByHand {
    /// Proposal number; without --last-name, selects the scheduled proposal
    #[arg(long, value_name = "NUMBER", requires = "manual")]
    proposal: Option<String>,
    /// PI's last name
    #[arg(long, value_name = "NAME", requires = "manual")]
    last_name: Option<String>,
    /// PI's first name
    #[arg(long, value_name = "NAME", requires = "manual")]
    first_name: Option<String>,
    /// PI's e-mail address
    #[arg(long, value_name = "ADDRESS", requires = "manual")]
    email: Option<String>,
    /// PI's institution
    #[arg(long, value_name = "TEXT", requires = "manual")]
    institution: Option<String>,
    /// PI's badge number
    #[arg(long, value_name = "NUMBER", requires = "manual")]
    badge: Option<String>,
    /// Proposal title
    #[arg(long, value_name = "TEXT", requires = "manual")]
    title: Option<String>,
    /// Number of the experiment safety form
    #[arg(long, value_name = "NUMBER", requires = "manual")]
    esaf: Option<String>,
    /// Month in which the experiment starts, e.g. 2026-03; default: that of the beam time, or the current one
    #[arg(long, value_name = "MONTH", requires = "manual")]
    year_month: Option<String>,
}

impl ByHand {
    fn given(&self) -> impl Iterator<Item = (Field, &str)> {
        let fields = [
            (Field::ProposalNumber, &self.proposal),
            (Field::PiLastName, &self.last_name),
            (Field::PiFirstName, &self.first_name),
            (Field::PiEmail, &self.email),
            (Field::PiInstitution, &self.institution),
            (Field::PiBadge, &self.badge),
            (Field::ProposalTitle, &self.title),
            (Field::Esaf, &self.esaf),
            (Field::YearMonth, &self.year_month),
        ];
        fields.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?.trim())))
    }

    /// Given fields, which override those of a beam time.
    fn over(&self, mut info: UserInfo) -> Chosen {
        info.0.extend(self.given().map(|(field, text)| (field, text.to_owned())));
        Chosen { info, by_hand: self.given().map(|(field, _)| field).collect() }
    }
}

/// Who is to be tagged, and which fields a person gave: what can't be used of these is told before anything
/// is put.
struct Chosen {
    info: UserInfo,
    by_hand: Vec<Field>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it should read like \"4h\" or \"30 min\"".to_owned();
    let duration: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    match Duration::try_from(duration) {
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration),
        _ => Err("it must be a second or more, like \"4h\"".to_owned()),
    }
}

impl Tag {
    /// The file to which a new key is to be written; that needs no settings.
    pub fn new_key(&self) -> Option<&Path> {
        self.new_key.as_deref()
    }

    pub async fn act(self, config: &Config) -> Outcome {
        let context = Context::new()?;
        let tagger = Tagger::new(&context, &config.epics.user_info, LIMIT, self.signer(config)?)?;
        match self.every {
            Some(every) => self.until_stopped(config, &tagger, every).await,
            None => self.once(config, &tagger).await,
        }
    }

    fn signer(&self, config: &Config) -> Result<Option<Signer>, Failure> {
        let Some(file) = self.key.as_ref().or(config.rules.tag_key_file.as_ref()) else { return Ok(None) };
        for field in [Field::Signature, Field::UpdateTime] {
            if !config.epics.user_info.contains_key(&field) {
                let message =
                    format!("nothing was put: to sign, {} must be in [epics.user_info]", field.key());
                return Err(Failure::usage(message));
            }
        }
        Ok(Some(Signer { keys: config::read_tag_keys(file)?, prefix: config.epics.prefix.clone() }))
    }

    /// Tags now and then periodically; a failure is reported and retried soon.
    async fn until_stopped(&self, config: &Config, tagger: &Tagger, every: Duration) -> Outcome {
        let mut signals = Signals::listen()?;
        let service = async {
            loop {
                let pause = match self.once(config, tagger).await {
                    Ok(_) => every,
                    Err(failure) => {
                        print::warn(failure.message);
                        if failure.exit == Exit::Nothing { every } else { every.min(AGAIN) }
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = service => {}
            () = signals.next() => {}
        }
        Ok(Exit::Done)
    }

    async fn once(&self, config: &Config, tagger: &Tagger) -> Outcome {
        let zone = config.beamline.zone();
        let at = schedule::moment(zone.clone(), self.day.days)?;
        let Chosen { info, by_hand } = if self.manual {
            self.chosen(config, &at).await?
        } else {
            Chosen { info: scheduled(config, &at).await?, by_hand: vec![] }
        };
        let (info, refused) = usable(&info);
        let mistakes = refused.iter().filter(|error| by_hand.contains(&error.field));
        let mistakes: Vec<String> = mistakes.map(FieldError::to_string).collect();
        if !mistakes.is_empty() {
            return Err(Failure::usage(format!("nothing was put: {}", mistakes.join("; "))));
        }
        let plan = tagger.plan(&info, &schedule::moment(zone, 0)?).await?;
        if self.dry_run {
            print_plan(&plan);
        } else {
            tagger.put(&plan).await?;
            for put in &plan {
                let cut = if put.cut { " (cut to fit)" } else { "" };
                print::line(format_args!("{} = {}{cut}", put.pv, print::plain(&put.text)));
            }
        }
        tell_refused(&refused)
    }

    /// What a person chose, by the options or from a list.
    async fn chosen(&self, config: &Config, at: &ZonedDateTime) -> Result<Chosen, Failure> {
        let month = || UserInfo([(Field::YearMonth, at.strftime("%Y-%m").to_string())].into());
        if self.by_hand.last_name.is_some() {
            return Ok(Chosen { by_hand: Field::ALL.to_vec(), ..self.by_hand.over(month()) });
        }
        let source = source(config)?;
        if let Some(number) = &self.by_hand.proposal {
            let run = source.around(at.timestamp()).await?;
            let beam_time = run.of_proposal(number, at.timestamp()).ok_or_else(|| {
                let hint =
                    "see: beamshare schedule --all; for another run, --set DAYS; or give --last-name and \
                     --email";
                Failure::nothing(format!("proposal {number} is not in {}: {hint}", source.name()))
            })?;
            return Ok(self.by_hand.over(user_info(beam_time)));
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(Failure::usage(
                "nothing to choose by: on a terminal there is a list; else give --proposal NUMBER, or \
                 --last-name NAME and --email ADDRESS",
            ));
        }
        let run = source.around(at.timestamp()).await?;
        let choice = choose(&run.beam_times, month(), &mut stdin.lock(), &mut std::io::stderr());
        match choice.map_err(|error| Failure::failed(format!("can't ask: {error}")))? {
            Some(info) => Ok(self.by_hand.over(info)), // what was typed there is shown by the left-empty report
            None => Err(Failure::nothing("nothing was chosen; the PVs are left as they are")),
        }
    }
}

/// Writes a new key, as the first line of the file.
pub fn make_key(file: &Path) -> Outcome {
    let rotated = config::write_new_tag_key(file)?;
    print::line(format_args!("wrote a new key to {}", file.display()));
    print::line(if rotated {
        "The key before it stays valid as the second line. Copy the file to the service first, then to \
         where you tag."
    } else {
        "Name it in [rules] tag_key_file, and copy it to the account of the service and to those that tag \
         (mode 0600)."
    });
    Ok(Exit::Done)
}

impl From<TagKeyError> for Failure {
    fn from(error: TagKeyError) -> Failure {
        match error {
            TagKeyError::Random(_) => Failure::failed(error),
            _ => Failure::usage(error),
        }
    }
}

async fn scheduled(config: &Config, at: &ZonedDateTime) -> Result<UserInfo, Failure> {
    let source = source(config).map_err(|failure| Failure {
        message: format!("{}. To tag without one: beamshare tag --manual", failure.message),
        ..failure
    })?;
    let run = source.around(at.timestamp()).await?;
    if !run.not_understood.is_empty() {
        tracing::warn!("{}: not understood: {}", source.name(), run.not_understood.join("; "));
    }
    match run.current(at.timestamp())? {
        Some(beam_time) => Ok(user_info(beam_time)),
        None => Err(Failure::nothing(format!(
            "{}. The PVs are left as they are. For commissioning or another group: beamshare tag --manual",
            run.nobody(at)
        ))),
    }
}

/// Fields that were left empty: of those without which there is no experiment, the whole is a failure.
fn tell_refused(refused: &[FieldError]) -> Outcome {
    for error in refused.iter().filter(|error| !Field::REQUIRED.contains(&error.field)) {
        print::warn(format_args!("left empty: {error}"));
    }
    let required: Vec<String> = refused
        .iter()
        .filter(|error| Field::REQUIRED.contains(&error.field))
        .map(FieldError::to_string)
        .collect();
    if required.is_empty() {
        Ok(Exit::Done)
    } else {
        Err(Failure::failed(format!(
            "left empty, so beamshare waits: {}. Give what is right: beamshare tag --manual --proposal \
             NUMBER --email ADDRESS (or --last-name, …)",
            required.join("; ")
        )))
    }
}

fn print_plan(plan: &[Put]) {
    let mut table = print::table(["FIELD", "PV", "NOW", "WOULD BE"]);
    for put in plan {
        let (now, text) = (print::plain(&put.now), print::plain(&put.text));
        table.add_row([put.field.to_string(), put.pv.clone(), now, text]);
    }
    print::print_table(&table);
}
