//! The service: one actor for each beamline connects the user-info PVs, the deliveries and the status
//! records.

mod beamline;
mod beamline_records;
mod common;
mod data_only;
mod decision;
mod deliveries;
mod displayed_group;
mod error;
mod notices;
mod people;
mod publish;
mod reminders;
mod restored;
mod syncs;
mod systemd;

use crate::config::{Config, ConfigWatcher, Purpose};
use crate::web;
use beamline::Beamline;
use channel_access::Context;
use data_only::DataOnly;
pub use error::DaemonError;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tracing::Instrument;

/// Logged at the start where nothing restricts who can be named.
const UNRESTRICTED: &str = "anyone who can write the user-info PVs can name any person for a new group. Set \
                            [rules] email_domains, [schedule] or [rules] tag_key_file; `beamshare check` \
                            explains the levels";

/// Serves the beamlines of these configurations until SIGTERM or SIGINT; a message that is under way then
/// ends first, unless a second signal comes. SIGHUP reads the configurations again.
///
/// # Errors
/// Before anything is served: what is wrong with a journal, a template or a secret's file. Later: only a
/// fault of beamshare itself; everything else is shown on the screen and tried again.
pub async fn run(configs: Vec<Config>) -> Result<(), DaemonError> {
    // All actors and their deliveries take turns on one thread: they wait much more than they work, and what
    // blocks (SSH, file systems) has threads of its own. The heartbeat is one of them, so a hang is seen from
    // outside.
    LocalSet::new().run_until(serve(configs)).await
}

async fn serve(configs: Vec<Config>) -> Result<(), DaemonError> {
    check_apart(&configs)?;

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(());
    let (reload, reloading) = watch::channel(());
    // Files that only move data need no Channel Access.
    let mut context: Option<Context> = None;
    let files = ConfigWatcher::new().inspect_err(|error| tracing::warn!("{error}")).ok();
    let mut beamlines = JoinSet::new();
    let mut sources = vec![];
    for config in configs {
        let span = tracing::info_span!("beamline", beamline = config.beamline.name);
        if config.purpose == Purpose::DataOnly {
            let mover = DataOnly::start(config, files.as_ref()).instrument(span.clone()).await?;
            beamlines.spawn_local(mover.serve(stopped.clone(), reloading.clone()).instrument(span));
            continue;
        }
        if config.trusts_network_silently() {
            span.in_scope(|| tracing::warn!("{UNRESTRICTED}"));
        }
        let context = match &context {
            Some(context) => context.clone(),
            None => context.insert(Context::new()?).clone(),
        };
        let beamline = Beamline::start(context, config, files.as_ref()).instrument(span.clone()).await?;
        sources.push(beamline.web_source());
        beamlines.spawn_local(beamline.serve(stopped.clone(), reloading.clone()).instrument(span));
    }
    drop(stopped);
    // Ends with this set.
    let mut endpoints = JoinSet::new();
    endpoints.spawn(web::serve_all(sources));
    endpoints.spawn_local(systemd::report_alive());
    systemd::ready();
    let fault = |fault: JoinError| DaemonError::Fault(fault.to_string());
    loop {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
            _ = hang_up.recv() => {
                tracing::info!("reading the configuration again: SIGHUP");
                reload.send_replace(());
                continue;
            }
            Some(ended) = beamlines.join_next() => ended.map_err(fault)?,
        }
        break;
    }
    systemd::stopping();
    drop(stop);
    loop {
        tokio::select! {
            ended = beamlines.join_next() => match ended {
                Some(ended) => ended.map_err(fault)?,
                None => return Ok(()),
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::warn!("stopped at once by a second signal");
    Ok(())
}

/// Each file has its own journal, and each beamline its own records.
fn check_apart(configs: &[Config]) -> Result<(), DaemonError> {
    for (n, second) in configs.iter().enumerate() {
        for first in &configs[..n] {
            let what = if first.journal.path == second.journal.path {
                format!("the journal {}", first.journal.path.display())
            } else if second.purpose == Purpose::Beamline && first.epics.prefix == second.epics.prefix {
                format!("the record prefix {}", first.epics.prefix)
            } else {
                continue;
            };
            return Err(DaemonError::Shared { first: first.file.clone(), second: second.file.clone(), what });
        }
    }
    Ok(())
}
