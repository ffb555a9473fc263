//! Directories on a host over SSH.

mod connect;
mod directory;
mod known_hosts;
mod libssh2;
mod sign_in;
mod target;

pub use target::Home;

use super::timed_worker::TimedWorker;
use super::{CreateOutcome, DirectoryState, Ownership, Place, never, tree};
use crate::config;
use crate::domain::{RelativePath, Retry, StepError};
use async_trait::async_trait;
use connect::SshConnection;
use directory::SshDirectory;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use target::{HostText, SshTarget};

/// How long a connection is kept for the next call: a delivery's calls follow each other at once, and a
/// signed-in session saves each of them the handshake.
const KEPT: Duration = Duration::from_secs(5);

/// A top directory on a host.
pub struct SshPlace {
    name: String,
    bounded: TimedWorker,
    work: Arc<Work>,
}

/// What the thread of a call needs.
struct Work {
    place: config::Place,
    /// `detector (tomo@pg16)`, for errors
    at: String,
    host: HostText,
    home: Home,
    rights: Ownership,
    kept: Mutex<Option<(SshConnection, Instant)>>,
}

impl SshPlace {
    /// The place as configured; nothing is connected yet. An error where `host` can't be read.
    pub fn new(place: &config::Place, host: &str, rights: Ownership, home: Home) -> Result<Self, StepError> {
        let parsed = host.parse().map_err(|why| never(format!("{}: {why}", place.name)))?;
        let at = format!("{} ({host})", place.name);
        Ok(SshPlace {
            name: place.name.clone(),
            bounded: TimedWorker::new(at.clone(), place.timeout),
            work: Arc::new(Work {
                place: place.clone(),
                at,
                host: parsed,
                home,
                rights,
                kept: Mutex::new(None),
            }),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        call: impl Fn(SshDirectory<'_>, &Ownership) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, StepError> {
        let work = Arc::clone(&self.work);
        let result = self.bounded.run(move |deadline| work.run(deadline, call)).await;
        self.close_when_idle();
        result
    }

    fn close_when_idle(&self) {
        let work = Arc::downgrade(&self.work);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            if let Some(work) = work.upgrade() {
                let mut kept = work.lock();
                if kept.as_ref().is_some_and(|(_, used)| used.elapsed() >= KEPT) {
                    *kept = None;
                }
            }
        });
    }
}

impl Work {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(SshConnection, Instant)>> {
        // A connection is taken out while it is used, so a panic does not leave a broken one behind.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(
        &self,
        deadline: Instant,
        call: impl Fn(SshDirectory<'_>, &Ownership) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let kept = self.lock().take();
        if let Some((connection, used)) = kept
            && used.elapsed() < KEPT
        {
            let result = self.call_on(&connection, deadline, &call);
            let failed_by_connection =
                matches!(&result, Err(StepError { retry, .. }) if *retry != Retry::Never);
            if !failed_by_connection {
                *self.lock() = Some((connection, Instant::now()));
                return result;
            }
            // The host may have closed it meanwhile. The work can be repeated.
        }
        let target = SshTarget::resolve(&self.host, &self.place, &self.home)
            .map_err(|why| never(format!("{}: {why}", self.at)))?;
        let connection = SshConnection::open(&target, &self.place.name, deadline)?;
        let result = self.call_on(&connection, deadline, &call);
        if result.is_ok() {
            *self.lock() = Some((connection, Instant::now()));
        }
        result
    }

    fn call_on<T>(
        &self,
        connection: &SshConnection,
        deadline: Instant,
        call: &impl Fn(SshDirectory<'_>, &Ownership) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        call(SshDirectory::open_top(connection, &self.at, &self.place.top, deadline)?, &self.rights)
    }
}

#[async_trait]
impl Place for SshPlace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, path: &RelativePath) -> Result<DirectoryState, StepError> {
        let path = path.clone();
        self.run(move |top, _| tree::look(top, &path)).await
    }

    async fn make(&self, path: &RelativePath) -> Result<CreateOutcome, StepError> {
        let path = path.clone();
        self.run(move |top, rights| tree::make(top, &path, rights)).await
    }

    async fn probe(&self) -> Result<String, StepError> {
        let how = self.run(|top, rights| {
            let how = top.signed_in();
            tree::try_out(top, rights)?;
            Ok(how)
        });
        let top: PathBuf = self.work.place.top.clone();
        Ok(format!("{}; {} is writable", how.await?, top.display()))
    }
}
