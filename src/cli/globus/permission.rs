use super::super::failure::{Exit, Failure};
use super::super::history::{local, open_journal, word};
use super::super::{Format, Outcome, print};
use super::{Account, id as collection_id};
use beamshare::config::{Config, to_duration};
use beamshare::journal::AccessRow;
use clap::{Args, Subcommand};
use globus_transfer_client as globus;
use globus_transfer_client::{ACCESS_RULE_LIMIT, AccessRule, Creation, PrincipalType};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// List, create and delete access rules of a guest collection
///
/// Without --collection, uses the collection of the settings.
#[derive(Args)]
pub struct Permission {
    /// Id of another guest collection
    #[arg(long, value_name = "ID", global = true, value_parser = collection_id)]
    collection: Option<Uuid>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List all rules with their expiry, and how many of the 1000 are used
    List {
        /// Only rules that expire within this time, e.g. 7d, soonest first
        #[arg(long, value_name = "TIME", value_parser = to_duration)]
        ending: Option<Duration>,
        #[command(flatten)]
        format: Format,
    },
    /// Give access to a directory and everything below it
    Create {
        /// Globus username: usually the e-mail address at the home institution
        email: String,
        /// Path from the root of the collection
        path: String,
        /// r (read) or rw (read and write)
        #[arg(long, value_name = "r|rw", default_value = "r", value_parser = permissions)]
        permissions: globus::Permissions,
        /// Expire after this time, e.g. 28d; default: never
        #[arg(long, value_name = "TIME", value_parser = to_duration)]
        expires: Option<Duration>,
        /// Have Globus notify the person by e-mail
        #[arg(long)]
        notify: bool,
        #[command(flatten)]
        format: Format,
    },
    /// Delete a rule, by its id or by username and path
    Delete {
        /// Id of the rule, or Globus username (with PATH)
        rule: String,
        /// Directory
        path: Option<String>,
        /// Delete a rule even if beamshare created it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        format: Format,
    },
}

fn permissions(text: &str) -> Result<globus::Permissions, String> {
    match text {
        "r" => Ok(globus::Permissions::Read),
        "rw" => Ok(globus::Permissions::ReadWrite),
        _ => Err("it is r (read) or rw (read and write)".to_owned()),
    }
}

impl Permission {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        let collection = self.collection.unwrap_or(account.settings.collection);
        match self.verb {
            Verb::List { ending, format } => list(config, &account, collection, ending, &format).await,
            Verb::Create { email, path, permissions, expires, notify, format } => {
                let wanted = Wanted { email, path, permissions, expires, notify };
                create(config, &account, collection, wanted, &format).await
            }
            Verb::Delete { rule, path, yes, format } => {
                let rule = rule_of(&account, collection, &rule, path.as_deref()).await?;
                delete(config, &account, collection, &rule, yes, &format).await
            }
        }
    }
}

async fn list(
    config: &Config,
    account: &Account<'_>,
    collection: Uuid,
    ending: Option<Duration>,
    format: &Format,
) -> Outcome {
    let mut rules = account.result(account.transfer().access_rules(collection).list().await)?;
    let used = rules.used();
    let now = Timestamp::now();
    if let Some(ending) = ending {
        let ending = SignedDuration::try_from(ending).unwrap_or(SignedDuration::MAX);
        let by = now.saturating_add(ending).unwrap_or(Timestamp::MAX);
        rules.rules.retain(|rule| rule.expiration_date.is_some_and(|end| end <= by));
        rules.rules.sort_by_key(|rule| rule.expiration_date);
    }
    let people: Vec<Uuid> = rules.rules.iter().filter_map(identity).collect();
    let names = account.usernames(&people).await;
    if format.json {
        let rows: Vec<Value> = rules.rules.iter().map(|rule| document(rule, &names)).collect();
        print::json(
            &json!({ "collection": collection, "used": used, "limit": ACCESS_RULE_LIMIT, "rules": rows }),
        )?;
        return Ok(Exit::Done);
    }
    if !rules.rules.is_empty() {
        let zone = config.beamline.zone();
        let mut table = print::table(["WHO", "MAY", "PATH", "UNTIL", "RULE"]);
        for rule in &rules.rules {
            let until = match rule.expiration_date {
                Some(at) => format!("{}, {}", local(at, &zone), from_now(at, now)),
                None => "-".to_owned(),
            };
            // What a role implies is no rule: it has no id, isn't counted, and ends with the role.
            let id = rule
                .id
                .clone()
                .filter(|_| rule.role_id.is_none())
                .unwrap_or_else(|| "from a role".to_owned());
            table.add_row([
                who(rule, &names),
                rule.permissions.to_string(),
                print::plain(&rule.path),
                until,
                id,
            ]);
        }
        print::print_table(&table);
    }
    print::line(format_args!("{used} of {ACCESS_RULE_LIMIT} access rules are used"));
    Ok(Exit::Done)
}

/// `in 3 days`, in whole days or hours.
fn from_now(at: Timestamp, now: Timestamp) -> String {
    let hours = at.duration_since(now).as_hours();
    let (count, unit) = match hours {
        ..0 => return "over".to_owned(),
        0..48 => (hours, "hour"),
        _ => (hours / 24, "day"),
    };
    match count {
        0 => "in less than an hour".to_owned(),
        1 => format!("in 1 {unit}"),
        _ => format!("in {count} {unit}s"),
    }
}

/// A rule as it was asked for.
struct Wanted {
    email: String,
    path: String,
    permissions: globus::Permissions,
    expires: Option<Duration>,
    notify: bool,
}

async fn create(
    config: &Config,
    account: &Account<'_>,
    collection: Uuid,
    wanted: Wanted,
    format: &Format,
) -> Outcome {
    let Wanted { email, path, permissions, expires, notify } = wanted;
    let path = account.result(globus::path::directory(&path))?;
    let identity = identity_of(account, &email, true).await?;
    let rules = account.transfer().access_rules(collection);
    let mut rule = rules.create(identity, path.as_str()).permissions(permissions);
    let ends = expires.map(|after| {
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        Timestamp::now().saturating_add(after).unwrap_or(Timestamp::MAX)
    });
    if let Some(ends) = ends {
        rule = rule.expires(ends);
    }
    if notify {
        rule = rule.notify(email.trim(), None);
    }
    let (id, made) = account.result(rule.ensure().await)?;
    let rule = account.result(rules.get(&id).await)?;
    // A rule that was there is left as it is: whether it is what was asked for, only a person knows.
    let fits = rule.permissions == permissions && (ends.is_none() == rule.expiration_date.is_none());
    if made == Creation::Existed && (!fits || ends.is_some()) {
        let until = rule.expiration_date.map(|at| format!(" until {}", local(at, &config.beamline.zone())));
        return Err(Failure::failed(format!(
            "{email} has a rule on {path} already: {}{}, rule {id}; delete that first (beamshare permission \
             delete {id})",
            rule.permissions,
            until.unwrap_or_default(),
        )));
    }
    if format.json {
        let mut document = document(&rule, &HashMap::from([(identity, email)]));
        document["new"] = (made != Creation::Existed).into();
        print::json(&document)?;
    } else {
        let already = if made == Creation::Existed { " already" } else { "" };
        let until = rule.expiration_date.map(|at| format!(" until {}", local(at, &config.beamline.zone())));
        let until = until.unwrap_or_default();
        print::line(format_args!("{email} may {} {path}{already}{until}: rule {id}", verb(rule.permissions)));
    }
    Ok(Exit::Done)
}

fn verb(permissions: globus::Permissions) -> &'static str {
    match permissions {
        globus::Permissions::Read => "read",
        globus::Permissions::ReadWrite => "read and write",
        _ => "use (by permissions that this version doesn't know)",
    }
}

/// The rule with this id, or of this username on `path`.
async fn rule_of(
    account: &Account<'_>,
    collection: Uuid,
    rule: &str,
    path: Option<&str>,
) -> Result<AccessRule, Failure> {
    let rules = account.transfer().access_rules(collection);
    match path {
        None if rule.contains('@') => Err(Failure::usage(format!(
            "of which directory shall {rule} lose the access? Give its path, too"
        ))),
        None => account.result(rules.get(rule).await),
        Some(path) => {
            let path = account.result(globus::path::directory(path))?;
            let identity = identity_of(account, rule, false).await?;
            let all = account.result(rules.list().await)?;
            let found = all.find(identity, &path).cloned();
            found.ok_or_else(|| Failure::failed(format!("{rule} has no access rule on {path}")))
        }
    }
}

async fn delete(
    config: &Config,
    account: &Account<'_>,
    collection: Uuid,
    rule: &AccessRule,
    yes: bool,
    format: &Format,
) -> Outcome {
    let Some(id) = rule.id.as_deref() else {
        return Err(Failure::failed(
            "this access comes from a role on the collection; take the role away instead",
        ));
    };
    if !yes && let Some(granted) = ours(config, collection, id).await? {
        let AccessRow { email, path, permissions, .. } = granted;
        return Err(Failure::failed(format!(
            "beamshare itself gave {email} this access ({}) to {path}, and gives it again with the next \
             delivery for the same experiment; delete it all the same with --yes",
            word(&permissions)
        )));
    }
    account.result(account.transfer().access_rules(collection).delete(id).await)?;
    let names = account.usernames(identity(rule).as_slice()).await;
    if format.json {
        print::json(&document(rule, &names))?;
        return Ok(Exit::Done);
    }
    let (who, path) = (who(rule, &names), print::plain(&rule.path));
    print::line(format_args!("{who} may no longer {} {path}", verb(rule.permissions)));
    Ok(Exit::Done)
}

/// What the journal says about a rule that beamshare made.
async fn ours(config: &Config, collection: Uuid, rule: &str) -> Result<Option<AccessRow>, Failure> {
    let journal = match open_journal(config).await {
        Ok(journal) => journal,
        Err(failure) if failure.exit == Exit::Nothing => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let rows = journal.access_by_rule(collection, rule).await?;
    Ok(rows.into_iter().find(|row| row.ours))
}

/// The identity behind a username; who never signed in to Globus gets one where that is wanted.
async fn identity_of(account: &Account<'_>, username: &str, provision: bool) -> Result<Uuid, Failure> {
    let found =
        account.client.auth().identities().by_usernames(&[username]).provision(provision).send().await;
    let found = account.result(found)?;
    found.find(username).map(|identity| identity.id).ok_or_else(|| {
        Failure::failed(format!(
            "Globus knows nobody called {username:?}; usernames read like name@example.org"
        ))
    })
}

/// The identity that a rule is for.
fn identity(rule: &AccessRule) -> Option<Uuid> {
    match rule.principal_type {
        PrincipalType::Identity => rule.principal.parse().ok(),
        _ => None,
    }
}

/// The principal of a rule, for people.
fn who(rule: &AccessRule, names: &HashMap<Uuid, String>) -> String {
    let name = identity(rule).and_then(|id| names.get(&id));
    match (rule.principal_type, name) {
        (_, Some(name)) => print::plain(name),
        (PrincipalType::Group, _) => format!("group {}", rule.principal),
        (PrincipalType::AllAuthenticatedUsers, _) => "everyone with a Globus account".to_owned(),
        (PrincipalType::Anonymous, _) => "everyone".to_owned(),
        _ => print::plain(&rule.principal),
    }
}

fn document(rule: &AccessRule, names: &HashMap<Uuid, String>) -> Value {
    json!({
        "id": rule.id,
        "principal_type": rule.principal_type,
        "principal": rule.principal,
        "username": identity(rule).and_then(|id| names.get(&id)),
        "path": rule.path,
        "permissions": rule.permissions,
        "expiration_date": rule.expiration_date,
        "role_id": rule.role_id,
        "create_time": rule.create_time,
    })
}
