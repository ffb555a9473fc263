use crate::sync::events::Follower;
use crate::sync::walk::WalkError;
use std::io::ErrorKind;
use tokio::sync::watch;

/// The state of the follower of the files.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceState {
    /// Whether a whole walk has ended
    pub walked: bool,
    /// Why the source can't be read, and whether it is only missing
    pub trouble: Option<(String, bool)>,
}

/// Keeps the manifest up to date with the files, independently of the runs, since a walk that is dropped
/// would begin anew.
pub(super) async fn follow(mut follower: Follower, state: watch::Sender<SourceState>) {
    loop {
        match follower.next().await {
            Ok(_) => state.send_modify(|state| *state = SourceState { walked: true, trouble: None }),
            Err(error) => {
                let missing =
                    matches!(&error, WalkError::Top { source, .. } if source.kind() == ErrorKind::NotFound);
                let reason = match &error {
                    WalkError::Top { path, .. } if missing => {
                        format!("waits for the source {}: it is not there", path.display())
                    }
                    _ => error.to_string(),
                };
                state.send_modify(|state| state.trouble = Some((reason, missing)));
            }
        }
    }
}
