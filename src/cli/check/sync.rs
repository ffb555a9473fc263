use super::Finding;
use super::delivery::no_collection;
use beamshare::config::{Config, Globus, SyncPath};
use beamshare::domain::{Retry, StepError};
use beamshare::globus::step_error;
use futures::future;
use globus_transfer_client::GlobusClient;
use uuid::Uuid;

const SECTION: &str = "sync";

/// What the pairs of `[[sync]]` read and write on the collections: the fixed part of each directory.
pub async fn check(config: &Config, client: &GlobusClient, settings: &Globus) -> Vec<Finding> {
    let pairs = config.sync.iter().map(|pair| async {
        let (source, destination) = (&pair.source, &pair.destination);
        let (from, to) = tokio::join!(
            listed(client, settings, "source", source.collection, &source.path),
            listed(client, settings, "destination", destination.collection, &destination.path)
        );
        [
            Finding::of_step(SECTION, format!("{}: source", pair.name), from),
            Finding::of_step(SECTION, format!("{}: destination", pair.name), to),
        ]
    });
    future::join_all(pairs).await.into_iter().flatten().collect()
}

/// The sources of the pairs on this machine.
pub fn check_local(config: &Config) -> Vec<Finding> {
    let locals = config.sync.iter().filter_map(|pair| Some((pair, pair.source.local.as_ref()?.top())));
    let findings = locals.map(|(pair, top)| {
        let what = format!("{}: local source", pair.name);
        match std::fs::read_dir(top) {
            Ok(_) => Finding::ok(SECTION, what, format!("{top} can be read")),
            Err(error) => {
                Finding::failed(SECTION, what, format!("{top} can't be read by this account: {error}"))
            }
        }
    });
    findings.collect()
}

async fn listed(
    client: &GlobusClient,
    settings: &Globus,
    end: &str,
    collection: Uuid,
    path: &SyncPath,
) -> Result<String, StepError> {
    let listing = client.transfer().ls(collection, path.top()).limit(1).send().await;
    listing.map_err(|error| match error.code() {
        Some("EndpointNotFound") => {
            let key = format!("{end}.collection of this pair");
            StepError { message: no_collection(collection, &key), retry: Retry::Never }
        }
        _ => step_error(&error, settings),
    })?;
    Ok(format!("{} can be read on collection {collection}", path.top()))
}
