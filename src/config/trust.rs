//! What a beamline believes before it serves a group: the levels of trust, from weak to strong.

use super::Config;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What proves that the user info is right. Each level is stronger than those before it; SECURITY.md says
/// against whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Nothing: whoever can write the user-info PVs can name any group
    Network,
    /// `[rules] email_domains`: only addresses of known institutions
    Domains,
    /// `[schedule]`: only groups that the facility's schedule lists
    Schedule,
    /// `[rules] tag_key_file`: only sets that a key holder has signed
    Signed,
}

impl Trust {
    /// Every level, the weakest first.
    pub const ALL: [Trust; 4] = [Trust::Network, Trust::Domains, Trust::Schedule, Trust::Signed];

    /// The key of the settings that gives this level.
    pub fn key(self) -> &'static str {
        match self {
            Trust::Network => "[rules] trust",
            Trust::Domains => "[rules] email_domains",
            Trust::Schedule => "[schedule]",
            Trust::Signed => "[rules] tag_key_file",
        }
    }
}

impl fmt::Display for Trust {
    /// As it is written in the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trust::Network => "network",
            Trust::Domains => "domains",
            Trust::Schedule => "schedule",
            Trust::Signed => "signed",
        })
    }
}

impl Config {
    /// The level of trust that these settings have.
    pub fn trust(&self) -> Trust {
        if self.rules.tag_key_file.is_some() {
            Trust::Signed
        } else if self.schedule.is_some() {
            Trust::Schedule
        } else if !self.rules.email_domains.is_empty() {
            Trust::Domains
        } else {
            Trust::Network
        }
    }

    /// Whether nothing restricts who can be named, and nobody has said that this is intended.
    pub fn trusts_network_silently(&self) -> bool {
        self.trust() == Trust::Network && self.rules.trust.is_none()
    }
}
