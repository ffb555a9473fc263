use super::super::failure::{Exit, Failure};
use super::super::history::local;
use super::super::{Format, Outcome, print};
use super::{Account, id, settings};
use beamshare::config::Config;
use clap::{Args, Subcommand, ValueEnum};
use futures::TryStreamExt;
use globus_transfer_client as globus;
use globus_transfer_client::transfer::{Collection, Ls};
use globus_transfer_client::{Creation, FileEntry, SearchScope};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// What `beamshare show` says of the PVs doesn't wait longer for the collections.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// Find Globus collections, list and create directories
#[derive(Args)]
pub struct Endpoint {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find collections by name, description, keywords, organization or owner
    Search {
        /// Search words; without them, all collections of --scope
        #[arg(required_unless_present = "scope")]
        words: Vec<String>,
        /// Limit the search
        #[arg(long, value_enum)]
        scope: Option<Among>,
        /// Maximum number of results
        #[arg(short = 'n', long, value_name = "N", default_value_t = 25)]
        number: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Show a collection, and what this account may do on it
    Show {
        /// Id; default: the collection of the settings
        #[arg(value_parser = id)]
        collection: Option<Uuid>,
        #[command(flatten)]
        format: Format,
    },
    /// List a directory
    Ls {
        /// Directory; default: [globus] top
        path: Option<String>,
        /// Id of another collection than that of the settings
        #[arg(long, value_name = "ID", value_parser = id)]
        collection: Option<Uuid>,
        /// Include names that begin with a dot
        #[arg(short, long)]
        all: bool,
        /// At most so many entries
        #[arg(short = 'n', long, value_name = "N", default_value_t = 100_000)]
        number: u64,
        #[command(flatten)]
        format: Format,
    },
    /// Create a directory
    Mkdir {
        /// Path from the root of the collection
        path: String,
        /// Id of another collection than that of the settings
        #[arg(long, value_name = "ID", value_parser = id)]
        collection: Option<Uuid>,
        /// Create missing parents; accept an existing directory
        #[arg(short, long)]
        parents: bool,
        #[command(flatten)]
        format: Format,
    },
}

/// The scopes of Transfer's search.
#[derive(Clone, Copy, ValueEnum)]
enum Among {
    /// Owned by this account
    MyEndpoints,
    /// This account's Globus Connect Personal
    MyGcpEndpoints,
    /// Guest collections of others that this account may use
    SharedWithMe,
    /// Guest collections that this account owns
    SharedByMe,
    /// Recently used
    RecentlyUsed,
    /// Used by running tasks
    InUse,
    /// Administered by this account
    AdministeredByMe,
}

impl From<Among> for SearchScope {
    fn from(among: Among) -> SearchScope {
        match among {
            Among::MyEndpoints => SearchScope::MyEndpoints,
            Among::MyGcpEndpoints => SearchScope::MyGcpEndpoints,
            Among::SharedWithMe => SearchScope::SharedWithMe,
            Among::SharedByMe => SearchScope::SharedByMe,
            Among::RecentlyUsed => SearchScope::RecentlyUsed,
            Among::InUse => SearchScope::InUse,
            Among::AdministeredByMe => SearchScope::AdministeredByMe,
        }
    }
}

impl Endpoint {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        let default = account.settings.collection;
        match self.verb {
            Verb::Search { words, scope, number, format } => {
                search(&account, &words, scope, number, &format).await
            }
            Verb::Show { collection, format } => {
                let found = account.transfer().collection(collection.unwrap_or(default)).get().await;
                let found = account.result(found)?;
                if format.json {
                    print::json(&shown(&found))?
                } else {
                    print_collection(&found)
                }
                Ok(Exit::Done)
            }
            Verb::Ls { path, collection, all, number, format } => {
                let path = path.unwrap_or_else(|| account.settings.top.clone());
                let ls = account.transfer().ls(collection.unwrap_or(default), path).show_hidden(all);
                list(config, &account, ls, number, &format).await
            }
            Verb::Mkdir { path, collection, parents, format } => {
                make(&account, collection.unwrap_or(default), &path, parents, &format).await
            }
        }
    }
}

/// Creates a directory, with `parents` its missing parents, too.
async fn make(
    account: &Account<'_>,
    collection: Uuid,
    path: &str,
    parents: bool,
    format: &Format,
) -> Outcome {
    // Paths are made plain, and `..` refused, before anything is sent.
    let path = account.result(globus::path::directory(path))?;
    let made: Vec<(String, bool)> = if parents {
        let steps = account.result(account.transfer().create_dir_all(collection, path).send().await)?;
        steps.into_iter().map(|step| (step.path, step.creation == Creation::Created)).collect()
    } else {
        account.result(account.transfer().mkdir(collection, path.as_str()).send().await)?;
        vec![(path.to_string(), true)]
    };
    if format.json {
        let directories = made.iter().map(|(path, is_new)| json!({ "path": path, "new": is_new }));
        print::json(&json!({ "collection": collection, "directories": directories.collect::<Vec<_>>() }))?;
    } else {
        for (path, is_new) in made {
            let made = if is_new { "made" } else { "there already:" };
            print::line(format_args!("{made} {}", print::plain(&path)));
        }
    }
    Ok(Exit::Done)
}

/// Lists up to `number` entries, and says how many there are when these are not all.
async fn list(config: &Config, account: &Account<'_>, ls: Ls<'_>, number: u64, format: &Format) -> Outcome {
    let mut entries = vec![];
    let mut next = Some(0);
    let mut total = None;
    while let Some(offset) = next.filter(|offset| *offset < number) {
        let page = account.result(ls.clone().offset(offset).limit(number - offset).send().await)?;
        entries.extend(page.entries);
        (next, total) = (page.next_offset, page.total);
    }
    if format.json {
        print::json(&entries.iter().map(entry).collect::<Vec<_>>())?;
    } else {
        print_entries(config, &entries);
    }
    if next.is_none() {
        return Ok(Exit::Done);
    }
    let of = total.map_or(String::new(), |total| format!(" of {total}"));
    let shown = entries.len();
    Err(Failure::failed(format!("these are the first {shown}{of} entries; see more with --number")))
}

async fn search(
    account: &Account<'_>,
    words: &[String],
    scope: Option<Among>,
    number: usize,
    format: &Format,
) -> Outcome {
    let mut search = account.transfer().search().scope(scope.map(SearchScope::from).unwrap_or_default());
    if !words.is_empty() {
        search = search.text(words.join(" "));
    }
    let mut results = search.stream();
    let mut found = vec![];
    while found.len() < number
        && let Some(collection) = account.result(results.try_next().await)?
    {
        found.push(collection);
    }
    let is_more = found.len() == number && account.result(results.try_next().await)?.is_some();
    if format.json {
        print::json(&found.iter().map(shown).collect::<Vec<_>>())?;
    } else if !found.is_empty() {
        let mut table = print::table(["NAME", "KIND", "OWNER", "ID"]);
        for collection in &found {
            table.add_row([
                text(collection.display_name.as_deref()),
                kind(collection),
                text(collection.owner_string.as_deref()),
                collection.id.to_string(),
            ]);
        }
        print::print_table(&table);
    }
    if is_more {
        print::warn(format_args!("there are more than these {number}; see more with --number"));
    }
    if found.is_empty() {
        Err(Failure::nothing("no collection was found that this account can see"))
    } else {
        Ok(Exit::Done)
    }
}

fn text(value: Option<&str>) -> String {
    value.filter(|value| !value.is_empty()).map_or("-".to_owned(), print::plain)
}

/// `GCSv5_guest_collection` as people say it.
fn kind(collection: &Collection) -> String {
    text(collection.entity_type.as_deref()).replace('_', " ")
}

fn shown(collection: &Collection) -> Value {
    json!({
        "id": collection.id,
        "display_name": collection.display_name,
        "entity_type": collection.entity_type,
        "owner_id": collection.owner_id,
        "owner_string": collection.owner_string,
        "organization": collection.organization,
        "description": collection.description,
        "public": collection.public,
        "default_directory": collection.default_directory,
        "host_endpoint_id": collection.host_endpoint_id,
        "host_path": collection.host_path,
        "acl_available": collection.acl_available,
        "acl_editable": collection.acl_editable,
        "my_effective_roles": collection.my_effective_roles,
        "gcp_connected": collection.gcp_connected,
        "gcp_paused": collection.gcp_paused,
        "high_assurance": collection.high_assurance,
    })
}

fn print_collection(collection: &Collection) {
    let roles = if collection.my_effective_roles.is_empty() {
        "none".to_owned()
    } else {
        collection.my_effective_roles.join(", ").replace('_', " ")
    };
    let rules = match (collection.is_guest(), collection.acl_editable) {
        (false, _) => "none: only guest collections have them",
        (true, true) => "this account may make them",
        (true, false) => "this account may not make them: it needs the role access manager",
    };
    let mut table = print::table(["COLLECTION", ""]);
    table.add_row(["name", &text(collection.display_name.as_deref())]);
    table.add_row(["id", &collection.id.to_string()]);
    table.add_row(["kind", &kind(collection)]);
    table.add_row(["owner", &text(collection.owner_string.as_deref())]);
    table.add_row(["organization", &text(collection.organization.as_deref())]);
    table.add_row(["description", &text(collection.description.as_deref())]);
    if let Some(host) = collection.host_endpoint_id {
        table
            .add_row(["part of", &format!("{host} {}", collection.host_path.as_deref().unwrap_or_default())]);
    }
    if let Some(connected) = collection.gcp_connected {
        let paused = collection.gcp_paused == Some(true);
        let says = if paused {
            "paused"
        } else if connected {
            "yes"
        } else {
            "no"
        };
        table.add_row(["connected", says]);
    }
    table.add_row(["your roles", &roles]);
    table.add_row(["access rules", rules]);
    print::print_table(&table);
}

fn entry(entry: &FileEntry) -> Value {
    json!({ "name": entry.name, "type": entry.kind, "size": entry.size, "last_modified": entry.last_modified,
            "permissions": entry.permissions, "user": entry.user, "group": entry.group })
}

fn print_entries(config: &Config, entries: &[FileEntry]) {
    if entries.is_empty() {
        return;
    }
    let zone = config.beamline.zone();
    let mut table = print::table(["MODE", "BYTES", "CHANGED", "NAME"]);
    for entry in entries {
        let slash = if entry.is_dir() { "/" } else { "" };
        table.add_row([
            text(entry.permissions.as_deref()),
            entry.size.to_string(),
            entry.last_modified.map_or("-".to_owned(), |at| local(at, &zone)),
            format!("{}{slash}", print::plain(&entry.name)),
        ]);
    }
    print::print_table(&table);
}

/// The part of `beamshare show` about an account: the lists of the Python tool's `globus show`.
#[derive(Serialize)]
pub struct Collections {
    owned: Vec<Named>,
    shared_with: Vec<Named>,
    shared_by: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    id: Uuid,
    name: String,
}

impl Collections {
    /// The collections of the settings' account; none without `[globus]`.
    pub async fn of(config: &Config) -> Option<Result<Collections, Failure>> {
        settings(config).ok()?;
        let listed = tokio::time::timeout(LIST_LIMIT, Collections::list(config)).await;
        Some(
            listed.unwrap_or_else(|_| {
                Err(Failure::away(format!("Globus did not answer within {LIST_LIMIT:?}")))
            }),
        )
    }

    async fn list(config: &Config) -> Result<Collections, Failure> {
        let account = Account::of(config)?;
        let list = async |scope| {
            let found: Vec<Collection> =
                account.transfer().search().scope(scope).stream().try_collect().await?;
            let named = found.into_iter().map(|collection| Named {
                id: collection.id,
                name: collection.display_name.unwrap_or_default(),
            });
            Ok(named.collect::<Vec<_>>())
        };
        let lists = tokio::try_join!(
            list(SearchScope::MyEndpoints),
            list(SearchScope::SharedWithMe),
            list(SearchScope::SharedByMe),
        );
        let (owned, shared_with, shared_by) = account.result(lists)?;
        Ok(Collections { owned, shared_with, shared_by })
    }
}

impl fmt::Display for Collections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("Collections owned by this account", &self.owned),
            ("Collections shared with this account", &self.shared_with),
            ("Collections shared by this account", &self.shared_by),
        ];
        for (number, (title, list)) in lists.into_iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{title}:{}", if list.is_empty() { " none" } else { "" })?;
            for named in list {
                write!(f, "\n  {}  {}", named.id, print::plain(&named.name))?;
            }
        }
        Ok(())
    }
}
