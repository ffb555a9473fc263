//! The tagging tool (DTagging, `dmagic tag`), as far as Channel Access sees it: ten PVs, put one by one in
//! its order.

use super::{LIMIT, Result, USER_INFO, say};
use channel_access::{Context, TextChannel};
use clap::Args;
use std::time::{Duration, Instant};

/// An IOC of this machine answers within this.
const FOUND_LIMIT: Duration = Duration::from_secs(3);

/// Play the tagging tool: put another user group, one PV after the other
#[derive(Args)]
pub struct Tag {
    /// First name of the PI
    first: String,
    /// Last name of the PI
    last: String,
    /// E-mail address of the PI
    email: String,
    /// Proposal number
    proposal: String,
    /// Die after so many of the ten puts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=10))]
    puts: Option<u8>,
    /// Prefix of the records
    #[arg(long, default_value = USER_INFO)]
    prefix: String,
}

impl Tag {
    pub async fn act(self) -> Result<()> {
        let context = Context::new().map_err(|error| error.to_string())?;
        find_ioc(&context, &self.prefix).await?;
        let group = Group {
            first: self.first,
            last: self.last,
            email: self.email,
            proposal: self.proposal,
            ..Group::of_the_demo()
        };
        tag(&context, &group, &self.prefix, self.puts.map(usize::from)).await.map(drop)
    }
}

/// Fails soon if no IOC serves the records: a shell without env.sh looks for it in another network.
async fn find_ioc(context: &Context, prefix: &str) -> Result<()> {
    let pv = format!("{prefix}UserName");
    let channel = context.channel(&pv).map_err(|error| error.to_string())?;
    let found = channel.connected(FOUND_LIMIT).await;
    found.map(drop).map_err(|_| {
        format!(
            "no IOC serves {pv}; run `. FOLDER/env.sh` first in this shell (FOLDER is the one that the demo \
             printed)"
        )
    })
}

/// What the tool knows about a user group.
pub struct Group {
    pub first: String,
    pub last: String,
    pub email: String,
    pub proposal: String,
    institution: String,
    badge: String,
    title: String,
    esaf: String,
    pub year_month: String,
}

impl Group {
    /// The first one of the demo, this month.
    pub fn of_the_demo() -> Group {
        Group {
            first: "Ana".into(),
            last: "García".into(),
            email: "Ana.Garcia@upf.example".into(),
            proposal: "71002".into(),
            institution: "Universitat Pompeu Fabra".into(),
            badge: "301234".into(),
            title: "Bone under load, seen in time".into(),
            esaf: "289871".into(),
            year_month: jiff::ZonedDateTime::now().strftime("%Y-%m").to_string(),
        }
    }
}

/// Puts the group's values, the first `puts` of them or all; returns when the last one was taken.
pub async fn tag(context: &Context, group: &Group, prefix: &str, puts: Option<usize>) -> Result<Instant> {
    let updated = jiff::ZonedDateTime::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let values = [
        ("UserName", &group.first),
        ("UserLastName", &group.last),
        ("UserInstitution", &group.institution),
        ("UserEmail", &group.email),
        ("UserBadge", &group.badge),
        ("UserInfoUpdate", &updated),
        ("ProposalNumber", &group.proposal),
        ("ProposalTitle", &group.title),
        ("ExperimentYearMonth", &group.year_month),
        ("ESAFNumber", &group.esaf),
    ];
    let channels = values.map(|(name, _)| TextChannel::new(context, &format!("{prefix}{name}")));
    for ((_, value), channel) in values.iter().zip(channels).take(puts.unwrap_or(usize::MAX)) {
        let channel = channel.map_err(|error| error.to_string())?;
        channel.put(value, LIMIT).await.map_err(|error| error.to_string())?;
        say(format_args!("  {:<34} {value}", channel.name()));
    }
    Ok(Instant::now())
}
