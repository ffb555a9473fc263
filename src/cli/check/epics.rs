use super::super::service::{LIMIT, StatusSnapshot};
use super::{Finding, State};
use beamshare::config::Config;
use beamshare::domain::{Experiment, Field, UserInfo};
use beamshare::status::Record;
use channel_access::{CaError, Context, Severity, Text, TextChannel};
use futures::future;
use std::collections::BTreeMap;
use std::time::Duration;

const SECTION: &str = "epics";

/// How long an IOC may take to answer for a field that its record may not have.
const MODE_LIMIT: Duration = Duration::from_secs(2);

pub async fn check(config: &Config) -> Vec<Finding> {
    let context = match Context::new() {
        Ok(context) => context,
        Err(error) => return vec![Finding::failed(SECTION, "Channel Access", error)],
    };
    let (mut findings, records) = tokio::join!(user_info(&context, config), status_records(&context, config));
    findings.extend(records);
    findings
}

async fn user_info(context: &Context, config: &Config) -> Vec<Finding> {
    let read = config.epics.user_info.iter().map(|(field, pv)| async move {
        let text = match TextChannel::new(context, pv) {
            Ok(channel) => channel.get(LIMIT).await,
            Err(error) => Err(error),
        };
        (*field, pv, text)
    });
    // A signature proves more than the order of the puts.
    let pvs = config.epics.user_info.values().filter(|_| config.rules.tag_key_file.is_none());
    let compare = pvs.map(|pv| compares(context, pv));
    let (read, compare) = tokio::join!(future::join_all(read), future::join_all(compare));
    let compare: Vec<String> = compare.into_iter().flatten().collect();
    let texts: BTreeMap<Field, String> =
        read.iter().filter_map(|(field, _, text)| Some((*field, text.as_ref().ok()?.text.clone()))).collect();
    let complete = texts.len() == read.len();
    let mut findings: Vec<Finding> = match read.first() {
        Some((_, _, Err(error)))
            if read.len() > 1 && read.iter().all(|(_, _, text)| text.as_ref().is_err_and(is_away)) =>
        {
            let says = format!("none of the {} user-info PVs answers, e.g. {error}", read.len());
            vec![Finding::new(SECTION, "user-info PVs", State::Away, says)]
        }
        _ => read.into_iter().map(|(field, pv, text)| of_pv(field, pv, text)).collect(),
    };
    if complete {
        findings.push(who(&UserInfo(texts)));
    }
    if let Some(first) = compare.first() {
        let says = format!(
            "{} of {} records post no monitor when a put does not change the value, so a put can be missed. \
             Load db/user_info_monitors.db in their IOC (docs/ioc.md); until it restarts, caput \
             {first}.MPST Always does the same",
            compare.len(),
            config.epics.user_info.len(),
        );
        findings.push(Finding::new(SECTION, "monitors of puts", State::Warning, says));
    }
    findings
}

/// The PV's record if it posts monitors only when its value changes: the default of stringin, stringout, lsi
/// and lso.
async fn compares(context: &Context, pv: &str) -> Option<String> {
    let record = pv.split_once('.').map_or(pv, |(record, _)| record);
    let channel = TextChannel::new(context, &format!("{record}.MPST")).ok()?;
    // Most other record types have no such field, and an IOC does not answer for a field that is not there.
    let mode = channel.get(MODE_LIMIT).await.ok()?;
    (mode.text == "On Change").then(|| record.to_owned())
}

fn of_pv(field: Field, pv: &str, text: Result<Text, CaError>) -> Finding {
    let what = format!("{field} {pv}");
    match text {
        Err(error) => of_error(what, &error),
        Ok(text) if text.text.trim().is_empty() => Finding::ok(SECTION, what, "empty: nobody yet"),
        Ok(text) if text.severity == Severity::Invalid => {
            let says =
                format!("{:?} with an INVALID alarm: it counts as not set until it is put again", text.text);
            Finding::new(SECTION, what, State::Warning, says)
        }
        Ok(text) if text.possibly_cut => {
            let says =
                format!("{:?} fills its record and may be cut; a waveform of CHAR holds more", text.text);
            Finding::new(SECTION, what, State::Warning, says)
        }
        Ok(text) => Finding::ok(SECTION, what, format!("{:?}", text.text)),
    }
}

fn of_error(what: String, error: &CaError) -> Finding {
    Finding::new(SECTION, what, if is_away(error) { State::Away } else { State::Failed }, error)
}

/// Whether the IOC does not answer.
fn is_away(error: &CaError) -> bool {
    matches!(error, CaError::NotConnected { .. } | CaError::Disconnected { .. } | CaError::Timeout { .. })
}

/// The meaning of the present user info. It is never a failure, since it depends on the IOC and not on the
/// settings.
fn who(user_info: &UserInfo) -> Finding {
    let what = "user group";
    if Field::REQUIRED.iter().all(|field| user_info.get(*field).is_none()) {
        return Finding::ok(SECTION, what, "nobody yet");
    }
    match Experiment::parse(user_info) {
        Ok(experiment) => Finding::ok(SECTION, what, experiment),
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Finding::new(SECTION, what, State::Warning, format!("can't be served: {}", errors.join("; ")))
        }
    }
}

async fn status_records(context: &Context, config: &Config) -> Vec<Finding> {
    let prefix = &config.epics.prefix;
    let what = format!("status records {prefix}*");
    let texts = match StatusSnapshot::read(context, prefix).await {
        Ok(texts) => texts,
        Err(error) => return vec![of_error(what, &error)],
    };
    let missing = texts.missing();
    if let Some(first) = missing.first() {
        let says = missing_records(prefix, first, texts.is_readable().then_some(missing.len()));
        return vec![Finding::new(SECTION, what, State::Away, says)];
    }
    let records = match writable(context, prefix).await {
        Ok(()) => Finding::ok(SECTION, what, format!("all there; Status is {}", texts.text(Record::Status))),
        Err(finding) => finding,
    };
    let service = if texts.is_alive() {
        let says = format!("{} on {}", texts.text(Record::Version), texts.text(Record::Host));
        Finding::ok(SECTION, "service", says)
    } else {
        Finding::new(SECTION, "service", State::Warning, "doesn't run; start it: beamshare run")
    };
    vec![records, service]
}

/// Which records are missing, and what to do.
fn missing_records(prefix: &str, first: &str, missing: Option<usize>) -> String {
    let all = Record::ALL.len();
    let colon = if prefix.ends_with(':') { "" } else { ", which usually ends with a colon" };
    match missing {
        None => format!(
            "none of the {all} records answers, e.g. {first}. Correct [epics] prefix{colon}, or load \
             db/beamshare.db with P and R so that $(P)$(R) is {prefix}, and start its IOC"
        ),
        Some(missing) => {
            format!(
                "{missing} of the {all} records don't answer, e.g. {first}. Load the db/beamshare.db of \
                 this version"
            )
        }
    }
}

/// Whether the IOC's access security lets this host and account write.
async fn writable(context: &Context, prefix: &str) -> Result<(), Finding> {
    for record in [Record::Status, Record::Run] {
        let pv = format!("{prefix}{record}");
        let connection = match context.channel(&pv) {
            Ok(channel) => channel.connected(LIMIT).await,
            Err(error) => Err(error),
        };
        let connection = connection.map_err(|error| of_error(pv.clone(), &error))?;
        if !connection.access.write {
            let says = format!(
                "may not be written from here: the IOC's access security must give this host and account \
                 write access (see db/beamshare.acf); IOC {}",
                connection.host
            );
            return Err(Finding::failed(SECTION, pv, says));
        }
    }
    Ok(())
}
