use super::super::failure::{Exit, Failure};
use super::super::rerun::duration;
use super::super::{Format, Outcome, print};
use super::{Which, engine};
use beamshare::config::Config;
use beamshare::sync::{CleanUpReport, Options, SyncReport, controls};
use clap::Args;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// Remove files at the source that were sent and verified, as [sync.clean_up] says
///
/// A file is removed only if it is unchanged since it was sent, Globus listed it in the successful transfers
/// of a task that compared checksums, both collections still show it, and it was sent longer ago than `keep`.
#[derive(Args)]
pub struct Clean {
    #[command(flatten)]
    which: Which,

    /// Remove nothing; print what would be removed, and why the others stay
    #[arg(long)]
    dry_run: bool,

    /// Retry no longer than this while Globus is unreachable (exit code 5)
    #[arg(long, value_name = "TIME", default_value = "2 min", value_parser = duration)]
    timeout: Duration,

    #[command(flatten)]
    format: Format,
}

impl Clean {
    pub async fn act(self, config: &Config) -> Outcome {
        let engine = engine(config).await?;
        let (mut pairs, _) = self.which.pairs(&engine).await?;
        if self.which.pair.is_none() {
            pairs.retain(|pair| pair.settings.clean_up.is_some());
        }
        if pairs.is_empty() {
            return Err(Failure::usage("no pair has [sync.clean_up], so nothing is ever removed"));
        }
        let options = Options::by_hand(self.timeout);
        let (mut exit, mut documents) = (Exit::Done, vec![]);
        for pair in &pairs {
            let (report, _) = watch::channel(SyncReport::default());
            let (controller, control) = controls();
            let mut files = vec![];
            let mut on_removal = |path: &Path| {
                if self.format.json {
                    files.push(path.to_string_lossy().into_owned())
                } else {
                    // One line a file, whatever its name holds.
                    print::line(print::plain(&path.to_string_lossy()))
                }
            };
            let cleaned =
                engine.clean_up(pair, &options, self.dry_run, control, report, &mut on_removal).await;
            drop(controller);
            match cleaned {
                Ok(report) if self.format.json => {
                    documents.push(json!({ "pair": pair.settings.name, "files": files, "report": report }));
                }
                Ok(report) => print_result(&pair.title(), &report),
                Err(error) => {
                    let failure = Failure::from(error);
                    print::warn(format_args!("{}: {}", pair.title(), failure.message));
                    exit = failure.exit;
                }
            }
        }
        if self.format.json {
            print::json(&documents)?;
        }
        Ok(exit)
    }
}

fn print_result(title: &str, report: &CleanUpReport) {
    print::line(format_args!("{title}: {}", report.sentence()));
    for kept in &report.kept {
        let example =
            kept.example.as_ref().map(|path| format!(", e.g. {}", print::plain(&path.to_string_lossy())));
        print::line(format_args!(
            "{title}: stay: {} {}: {}{}",
            kept.files,
            if kept.files == 1 { "file" } else { "files" },
            kept.reason,
            example.unwrap_or_default()
        ));
    }
}
