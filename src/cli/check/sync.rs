use super::Finding;
use beamshare::config::{Config, Globus, SyncPath};
use beamshare::domain::StepError;
use beamshare::globus::{recorded_client, step_error};
use futures::future;
use globus_transfer_client::{GlobusClient, Transcript};
use uuid::Uuid;

const SECTION: &str = "sync";

/// What the pairs of `[[sync]]` read and write: the fixed part of each directory, here and on the
/// collections.
pub async fn check(config: &Config, transcript: Option<&Transcript>) -> Vec<Finding> {
    let Some(settings) = config.globus.as_ref().filter(|_| !config.sync.is_empty()) else { return vec![] };
    // The section [globus] reports why there is no client.
    let Ok(client) = recorded_client(settings, transcript) else { return vec![] };
    let pairs = config.sync.iter().map(|pair| async {
        let (source, destination) = (&pair.source, &pair.destination);
        let (from, to) = tokio::join!(
            listed(&client, settings, source.collection, &source.path),
            listed(&client, settings, destination.collection, &destination.path)
        );
        let what = |end: &str| format!("{}: {end}", pair.name);
        let mut findings = vec![
            Finding::of_step(SECTION, what("source"), from),
            Finding::of_step(SECTION, what("destination"), to),
        ];
        if let Some(local) = &source.local {
            findings.push(match std::fs::read_dir(local.top()) {
                Ok(_) => Finding::ok(SECTION, what("local source"), format!("{} can be read", local.top())),
                Err(error) => {
                    let says = format!("{} can't be read by this account: {error}", local.top());
                    Finding::failed(SECTION, what("local source"), says)
                }
            });
        }
        findings
    });
    future::join_all(pairs).await.into_iter().flatten().collect()
}

async fn listed(
    client: &GlobusClient,
    settings: &Globus,
    collection: Uuid,
    path: &SyncPath,
) -> Result<String, StepError> {
    let listing = client.transfer().ls(collection, path.top()).limit(1).send().await;
    listing.map_err(|error| step_error(&error, settings))?;
    Ok(format!("{} can be read on collection {collection}", path.top()))
}
