//! The web server of the process: a read-only page of all beamlines, live, with the history of deliveries;
//! the same as JSON; the answer for monitors; and the metrics. docs/web.md describes it.
//!
//! Each address that the beamlines' settings name is one server. It answers only GET and HEAD: commands
//! belong to EPICS, where access security is.

mod history;
mod page;
mod routes;
mod server;
mod view;

use crate::config::{Config, Web};
use crate::journal::Journal;
use crate::status::Published;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the server reads of a beamline.
#[derive(Clone)]
pub struct Source {
    /// Its state
    pub published: watch::Receiver<Published>,
    /// Its settings
    pub endpoint: watch::Receiver<Endpoint>,
    /// A reader of its journal, for the history
    pub journal: Journal,
}

impl Source {
    /// Whether names are shown.
    fn shows_names(&self) -> bool {
        self.endpoint.borrow().web.names
    }

    /// The facility's time zone.
    fn zone(&self) -> TimeZone {
        self.published.borrow().status.zone.clone()
    }
}

/// The addresses of a beamline, as its settings name them now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `[web]`
    pub web: Web,
    /// `[metrics] listen`
    pub metrics: Option<SocketAddr>,
}

impl Endpoint {
    /// Those of these settings.
    pub fn of(config: &Config) -> Endpoint {
        Endpoint { web: config.web.clone(), metrics: config.metrics.listen }
    }
}

/// The beamlines that an address serves, by their index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Served {
    /// Those with `[web] listen`
    pages: Vec<usize>,
    /// Those whose metrics are served
    metrics: Vec<usize>,
}

/// Serves the addresses that the beamlines' settings name, until it is dropped, and follows edits of the
/// settings. Deliveries matter more: an address that can't be used is logged, and the service continues.
pub async fn serve_all(mut sources: Vec<Source>) {
    let mut servers: BTreeMap<SocketAddr, (Served, JoinSet<()>)> = BTreeMap::new();
    loop {
        let mut wanted: BTreeMap<SocketAddr, Served> = BTreeMap::new();
        for (index, source) in sources.iter_mut().enumerate() {
            let endpoint = source.endpoint.borrow_and_update().clone();
            if let Some(listen) = endpoint.web.listen {
                let served = wanted.entry(listen).or_default();
                served.pages.push(index);
                served.metrics.push(index);
            }
            if let Some(listen) = endpoint.metrics.filter(|listen| endpoint.web.listen != Some(*listen)) {
                wanted.entry(listen).or_default().metrics.push(index);
            }
        }
        let is_stale = |listen: &SocketAddr, served: &Served| wanted.get(listen) != Some(served);
        for (_, (_, mut server)) in servers.extract_if(.., |listen, (served, _)| is_stale(listen, served)) {
            // Its address is free when it has ended.
            server.shutdown().await;
        }
        for (listen, served) in wanted {
            servers.entry(listen).or_insert_with(|| {
                let of = |indices: &[usize]| indices.iter().map(|index| sources[*index].clone()).collect();
                let (pages, metrics) = (of(&served.pages), of(&served.metrics));
                let mut server = JoinSet::new();
                server.spawn(server::serve_or_log(listen, pages, metrics));
                (served, server)
            });
        }
        let changes = sources.iter_mut().map(|source| Box::pin(source.endpoint.changed()));
        // An error is a beamline that has ended, and all end together.
        if futures::future::select_all(changes).await.0.is_err() {
            return;
        }
    }
}
