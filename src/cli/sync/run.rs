use super::super::failure::Exit;
use super::super::rerun::duration;
use super::super::signals::Signals;
use super::super::{Format, Outcome, print};
use super::{Which, engine, plain};
use beamshare::config::Config;
use beamshare::sync::{
    Control, Controller, Ended, Engine, Options, Pair, RunResult, SyncError, SyncReport, SyncState, controls,
};
use clap::Args;
use futures::future::join_all;
use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::sync::watch;

/// Send new files, and wait for the end
///
/// A task left by an earlier run is completed first. Ctrl-C stops waiting but not the task: the next run
/// continues with it, and beamshare sync stop cancels it.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    which: Which,

    /// First compare the destination with what was sent, and send again what is missing or different there
    #[arg(long)]
    repair: bool,

    /// Retry no longer than this while Globus is unreachable (exit code 5)
    #[arg(long, value_name = "TIME", default_value = "2 min", value_parser = duration)]
    timeout: Duration,

    #[command(flatten)]
    format: Format,
}

impl Run {
    pub async fn act(self, config: &Config) -> Outcome {
        let engine = engine(config).await?;
        let (pairs, trouble) = self.which.pairs(&engine).await?;
        let options = Options { repair: self.repair, ..Options::by_hand(self.timeout) };
        let bars = MultiProgress::with_draw_target(if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let (controllers, sides): (Vec<Controller>, Vec<Control>) = pairs.iter().map(|_| controls()).unzip();
        // Side by side: a pair that is paused at Globus for days holds up none of the others.
        let runs =
            pairs.iter().zip(sides).map(|(pair, control)| follow(&engine, pair, &options, control, &bars));
        let mut signals = Signals::listen()?;
        let interrupted = async {
            signals.next().await;
            controllers.iter().for_each(Controller::leave);
            signals.next().await;
        };
        let ended = tokio::select! {
            ended = join_all(runs) => ended,
            () = interrupted => return Ok(Exit::Failed),
        };
        let mut exit = if trouble { Exit::Failed } else { Exit::Done };
        let mut documents = vec![];
        for (pair, ended) in pairs.iter().zip(ended) {
            let of_this = exit_of(&ended);
            if exit == Exit::Done || of_this == Exit::Failed {
                exit = of_this;
            }
            let sentence = match &ended {
                Ok(ended) => ended.sentence(),
                Err(error) => error.to_string(),
            };
            documents.push(document(pair, &ended, &sentence));
            if !self.format.json {
                print_result(pair, &ended, &sentence);
            }
        }
        if self.format.json {
            print::json(&documents)?;
        }
        Ok(exit)
    }
}

fn exit_of(ended: &Result<Ended, SyncError>) -> Exit {
    match ended {
        Ok(Ended { result: RunResult::Done, .. }) => Exit::Done,
        Ok(Ended { result: RunResult::Failed(_) | RunResult::Stopped, .. }) => Exit::Failed,
        Ok(Ended { result: RunResult::Away(_) | RunResult::Left, .. }) => Exit::Away,
        Err(SyncError::Lock(_) | SyncError::Away(_)) => Exit::Away,
        Err(_) => Exit::Failed,
    }
}

fn print_result(pair: &Pair, ended: &Result<Ended, SyncError>, sentence: &str) {
    let line = format!("{}: {}", pair.title(), plain(sentence));
    match exit_of(ended) {
        Exit::Done => print::line(line),
        _ => print::warn(format_args!("{line}")),
    }
    let Ok(ended) = ended else { return };
    // The sentence of a failure has no room for them.
    if !matches!(ended.result, RunResult::Done | RunResult::Stopped) {
        ended
            .remarks
            .iter()
            .for_each(|remark| print::warn(format_args!("{}: {}", pair.title(), plain(remark))));
    }
    if let Some(clean_up) = ended.clean_up.as_ref().filter(|report| report.removed > 0) {
        print::line(format_args!("{}: clean-up: {}", pair.title(), clean_up.sentence()));
    }
}

fn document(pair: &Pair, ended: &Result<Ended, SyncError>, sentence: &str) -> serde_json::Value {
    let row = &pair.row.pair;
    let mut document = json!({
        "pair": row.name,
        "destination": { "collection": row.destination.collection, "path": row.destination.path },
        "message": sentence,
    });
    document["result"] = match ended {
        Ok(ended) => match ended.result {
            RunResult::Done => "done",
            RunResult::Stopped => "stopped",
            RunResult::Left => "left",
            RunResult::Failed(_) => "failed",
            RunResult::Away(_) => "away",
        },
        Err(_) => "failed",
    }
    .into();
    if let Ok(ended) = ended {
        document["files_sent"] = ended.sent.into();
        document["bytes_sent"] = ended.sent_bytes.into();
        document["files_present"] = ended.present.into();
        document["remarks"] = ended.remarks.clone().into();
        document["clean_up"] = serde_json::to_value(&ended.clean_up).unwrap_or_default();
    }
    document
}

/// One run with its bar.
async fn follow(
    engine: &Engine,
    pair: &Pair,
    options: &Options,
    control: Control,
    bars: &MultiProgress,
) -> Result<Ended, SyncError> {
    let (sender, mut report) = watch::channel(SyncReport::default());
    let bar = bars.add(ProgressBar::new(0));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bar:24} {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(pair.title());
    bar.enable_steady_tick(Duration::from_millis(120));
    let run = engine.run(pair, options, control, sender);
    tokio::pin!(run);
    let mut reporting = true;
    let ended = loop {
        tokio::select! {
            ended = &mut run => break ended,
            news = report.changed(), if reporting => match news {
                Ok(()) => show(&bar, &report.borrow_and_update()),
                Err(_) => reporting = false,
            },
        }
    };
    bar.finish_and_clear();
    ended
}

fn show(bar: &ProgressBar, report: &SyncReport) {
    bar.set_length(report.files_total.max(report.files));
    bar.set_position(report.files);
    let mut line = format!("{}/{} files, {}", report.files, report.files_total, HumanBytes(report.bytes));
    if report.rate > 0 {
        line += &format!(", {}/s", HumanBytes(report.rate));
    }
    if let Some(left) = report.left {
        line += &format!(", {} left", HumanDuration(left));
    }
    if report.faults > 0 {
        line += &format!(", {} faults", report.faults);
    }
    if report.state != SyncState::Active {
        line += &format!(": {}", plain(&report.message));
    }
    bar.set_message(line);
}
