use super::Outcome;
use super::confirm::Confirm;
use super::failure::{Exit, Failure};
use super::service::{LIMIT, StatusSnapshot};
use super::{print, status};
use beamshare::config::Config;
use beamshare::status::Record;
use channel_access::{Channel, Context, Event, TextChannel, TextEvent, Value};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;

/// Have the service check and repair everything for the current experiment (as the Run button)
///
/// Only people who were never mailed are mailed. Waits for the end. Exit codes: 0 done, 1 failed, 3 held, 4
/// no experiment, 5 a service is unreachable.
#[derive(Args)]
pub struct Rerun {
    #[command(flatten)]
    confirm: Confirm,

    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,

    /// Maximum time to wait, e.g. "10 min" (exit code 5)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

/// A time on the command line.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "it should read like \"90s\" or \"10 min\"")?;
    Duration::try_from(duration).map_err(|_| "it must not be negative".to_owned())
}

impl Rerun {
    pub async fn act(self, config: &Config) -> Outcome {
        let context = Context::new()?;
        let prefix = &config.epics.prefix;
        let texts = StatusSnapshot::read(&context, prefix).await?;
        texts.require_alive()?;
        if texts.text(Record::Status) == "Approval" {
            // Run releases some of what the service holds.
            self.confirm.ask(&[texts.text(Record::StatusMsg).to_owned()])?;
        }
        let run = context.channel(&format!("{prefix}{}", Record::Run))?;
        // So that the record's present state is known before the put, and every change after it is seen.
        let running = wait(&run, |_| true, LIMIT).await?;
        if running == 1 {
            print::warn(format_args!("a delivery runs already; waiting for its end"));
        } else {
            run.put(Value::Short(vec![1]), LIMIT).await?;
        }
        if self.no_wait {
            return Ok(Exit::Done);
        }
        let ended = wait_with_progress(&context, prefix, &run, self.timeout).await?;
        report(&context, prefix, ended).await
    }
}

/// How long nothing must run before a delivery counts as ended: the service answers the press of a button
/// first, and begins when it has looked at the places; and its records change one after the other.
const AT_REST: Duration = Duration::from_secs(1);

/// Waits until nothing runs any more, with StatusMsg on a line of its own where someone looks. False when the
/// time is over.
pub async fn wait_with_progress(
    context: &Context,
    prefix: &str,
    run: &Channel,
    limit: Option<Duration>,
) -> Result<bool, Failure> {
    let message = TextChannel::new(context, &format!("{prefix}{}", Record::StatusMsg))?;
    let status = TextChannel::new(context, &format!("{prefix}{}", Record::Status))?;
    let alive = context.channel(&format!("{prefix}{}", Record::Alive))?;
    let bar = spinner();
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let (mut runs, mut busy) = (false, true);
    let mut at_rest_since = Instant::now();
    let ended = loop {
        tokio::select! {
            event = run.next() => match event {
                Event::Sample(sample) => runs = sample.value.as_integer() != Some(0),
                Event::Disconnected => {
                    busy = true; // until the next value of Status
                    bar.set_message("the IOC has gone; waiting for it");
                }
                _ => continue,
            },
            event = status.next() => match event {
                TextEvent::Text(text) => busy = matches!(text.text.as_str(), "Running" | "Settling"),
                _ => continue,
            },
            event = message.next() => {
                if let TextEvent::Text(text) = event {
                    bar.set_message(print::plain(&text.text));
                }
                continue;
            }
            event = alive.next() => {
                if let Event::Sample(sample) = event && sample.value.as_integer() == Some(0) {
                    let why = "the beamshare service has stopped; the delivery goes on when it is started";
                    break Err(Failure::away(why));
                }
                continue;
            }
            () = tokio::time::sleep_until(at_rest_since + AT_REST), if !runs && !busy => break Ok(true),
            () = &mut over => break Ok(false),
        }
        at_rest_since = Instant::now();
    };
    bar.finish_and_clear();
    ended
}

/// How it ended, by the status records.
pub async fn report(context: &Context, prefix: &str, ended: bool) -> Outcome {
    let texts = StatusSnapshot::read(context, prefix).await?;
    let (state, message) = (texts.text(Record::Status), print::plain(texts.text(Record::StatusMsg)));
    if !ended {
        return Err(Failure::away(format!("still {state}: {message}")));
    }
    print::line(format_args!("{state}: {message}"));
    Ok(match state {
        "Idle" => Exit::Nothing,
        "Waiting" => Exit::Away,
        state => status::exit_of(state),
    })
}

/// Waits for the record's next value that fits.
pub async fn wait(channel: &Channel, fits: impl Fn(i64) -> bool, limit: Duration) -> Result<i64, Failure> {
    let value = async {
        loop {
            if let Event::Sample(sample) = channel.next().await
                && let Some(value) = sample.value.as_integer().filter(|value| fits(*value))
            {
                return value;
            }
        }
    };
    match tokio::time::timeout(limit, value).await {
        Ok(value) => Ok(value),
        Err(_) => Err(Failure::away(format!(
            "{} did not change within {limit:?}; see: beamshare status",
            channel.name()
        ))),
    }
}

/// A spinner; hidden if the output is not a terminal.
pub fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
