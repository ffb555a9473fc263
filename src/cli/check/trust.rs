//! The level of trust, and what anyone who can write the user-info PVs could do at it.

use super::super::service::LIMIT;
use super::{Finding, State};
use beamshare::config::{self, Config, Trust};
use beamshare::domain::{Field, TagKeys, UserInfo};
use beamshare::user_info::read_once;
use channel_access::{Context, TextChannel};

const SECTION: &str = "trust";

pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![level(config)];
    if let Some(file) = &config.rules.tag_key_file {
        let what = format!("key file {}", file.display());
        match config::read_tag_keys(file) {
            Ok(keys) => {
                let says =
                    format!("can be read; it has {}", if keys.count() == 2 { "two keys" } else { "one key" });
                findings.push(Finding::ok(SECTION, what, says));
                findings.extend(signature(config, &keys).await);
            }
            Err(error) => {
                findings.push(Finding::failed(SECTION, what, format!("every group is held: {error}")))
            }
        }
    }
    findings
}

fn level(config: &Config) -> Finding {
    let trust = config.trust();
    let approve = format!("Whoever can also write {}Approve can release what is held.", config.epics.prefix);
    let says = match trust {
        Trust::Network => {
            "Anyone who can write the user-info PVs can name a new group with any e-mail address, which \
             then gets access to that group's directory and a message with the link."
                .to_owned()
        }
        Trust::Domains => format!(
            "Anyone who can write the user-info PVs can name a new group with an address at {}, which then \
             gets access to that group's directory and a message with the link. Any other address is \
             rejected. {approve}",
            config.rules.email_domains.join(" or ")
        ),
        Trust::Schedule => format!(
            "Anyone who can write the user-info PVs can have a group served that the schedule lists at \
             present, which gives its own PI access to its own directory. Anything else is held. {approve}"
        ),
        Trust::Signed => {
            "Anyone who can write the PVs can have a group held, but not served: only user info that the \
             key has signed is. Neither Run nor Approve releases anything else."
                .to_owned()
        }
    };
    let approved = if config.rules.require_approval && trust != Trust::Signed {
        " An operator must approve each new group (require_approval)."
    } else {
        ""
    };
    let what = format!("level {trust}");
    if config.trusts_network_silently() {
        let remedy = "Set [rules] email_domains, [schedule] or [rules] tag_key_file; if only trusted people \
                      can write the PVs, set [rules] trust = \"network\"";
        return Finding::new(SECTION, what, State::Warning, format!("{says}{approved} {remedy}"));
    }
    Finding::ok(SECTION, what, format!("{says}{approved}"))
}

/// Whether the signature's PV holds one, and whether it fits what the PVs read now. A PV that can't be read
/// is reported with the others, under [epics].
async fn signature(config: &Config, keys: &TagKeys) -> Vec<Finding> {
    let pvs = &config.epics.user_info;
    let (Some(pv), Ok(context)) = (pvs.get(&Field::Signature), Context::new()) else { return vec![] };
    let what = format!("{} {pv}", Field::Signature);
    let Ok(channel) = TextChannel::new(&context, pv) else { return vec![] };
    let Ok(room) = channel.room(LIMIT).await else { return vec![] };
    if room < 64 {
        let says = format!("holds {room} bytes, but a signature has 64; use a waveform of CHAR or an lso");
        return vec![Finding::failed(SECTION, what, says)];
    }
    let Ok(readings) = read_once(&context, pvs, LIMIT).await else { return vec![] };
    let user_info = readings.user_info();
    if nobody(&user_info) {
        return vec![Finding::ok(SECTION, what, "nothing to sign yet")];
    }
    vec![match keys.check(&config.epics.prefix, &user_info, None, jiff::Timestamp::now()) {
        Ok(set) => Finding::ok(SECTION, what, format!("valid; signed at {}", set.time)),
        Err(fault) => Finding::new(SECTION, what, State::Warning, format!("{fault}. {}", fault.remedy())),
    }]
}

fn nobody(user_info: &UserInfo) -> bool {
    Field::REQUIRED.iter().all(|field| user_info.get(*field).is_none())
}
