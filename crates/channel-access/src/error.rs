//! What can go wrong on Channel Access, in words that an operator can act on.

use std::time::Duration;

/// An operation on a PV that did not succeed.
///
/// Every message names the PV, what was tried, what came back, and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CaError {
    /// libca could not be started at all.
    #[error("cannot start the Channel Access library: {reason}")]
    Start {
        /// What libca or the operating system said.
        reason: String,
    },

    /// The text is no name of a PV.
    #[error("'{name}' is not the name of a PV: {reason}; correct it in the configuration")]
    BadName {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// No IOC serves the PV, or the one that did has gone.
    #[error(
        "{pv}: cannot {action}: no IOC answers for this PV within {limit:?}. Check the name, that its IOC \
         runs (`caget {pv}`), and that its host is reached by {search}"
    )]
    NotConnected {
        /// Name of the PV.
        pv: String,
        /// What was tried: `read`, `write 1`, …
        action: String,
        /// How long it was tried.
        limit: Duration,
        /// Where libca looks for IOCs: the EPICS_CA_* settings in force.
        search: String,
    },

    /// The connection went down before the answer came.
    #[error(
        "{pv}: cannot {action}: the connection to the IOC was lost; it is tried again when the IOC is back"
    )]
    Disconnected {
        /// Name of the PV.
        pv: String,
        /// What was tried.
        action: String,
    },

    /// The IOC is connected but did not answer in time.
    #[error(
        "{pv}: no answer to {action} within {limit:?} though the IOC is connected: it is hung, overloaded, \
         or the record is still processing (see its PACT field)"
    )]
    Timeout {
        /// Name of the PV.
        pv: String,
        /// What was tried.
        action: String,
        /// How long the answer was waited for.
        limit: Duration,
    },

    /// libca or the IOC refused.
    #[error("{pv}: cannot {action}: {reason}{remedy}")]
    Refused {
        /// Name of the PV.
        pv: String,
        /// What was tried.
        action: String,
        /// libca's own words.
        reason: String,
        /// What to do, with a leading separator, or nothing.
        remedy: &'static str,
    },

    /// The text does not fit the record, which would cut it silently.
    #[error(
        "{pv}: cannot write {bytes} bytes of text: the record holds {limit}; use a record with more room \
         (a waveform of CHAR, or an lso)"
    )]
    TooLong {
        /// Name of the PV.
        pv: String,
        /// Length of the text in bytes, as UTF-8.
        bytes: usize,
        /// What the record holds.
        limit: usize,
    },

    /// What the IOC sent is no text.
    #[error("{pv}: cannot be read as a text: it holds {found}")]
    NotText {
        /// Name of the PV.
        pv: String,
        /// What it holds instead.
        found: String,
    },

    /// The thread that speaks Channel Access has ended.
    #[error("{pv}: Channel Access has been shut down")]
    Closed {
        /// Name of the PV.
        pv: String,
    },
}

/// The settings that decide where libca looks for IOCs, for messages.
pub fn search_settings() -> String {
    let get = |name: &str| std::env::var(name).unwrap_or_default();
    let list = get("EPICS_CA_ADDR_LIST");
    let auto = get("EPICS_CA_AUTO_ADDR_LIST");
    let port = get("EPICS_CA_SERVER_PORT");
    format!(
        "EPICS_CA_ADDR_LIST ('{list}'{}), EPICS_CA_SERVER_PORT ({})",
        if auto.eq_ignore_ascii_case("no") {
            ", and no broadcast: EPICS_CA_AUTO_ADDR_LIST=NO"
        } else {
            " and broadcast"
        },
        if port.is_empty() { "5064" } else { &port },
    )
}
