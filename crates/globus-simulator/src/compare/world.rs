//! The world that a transcript was recorded in, as far as its documents tell: accounts, collections, files,
//! rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::read::{Exchange, Service};
use crate::auth::{issue, scope};
use crate::sandbox::Virtual;
use crate::seed::{Account, Collection, GivenToken, Group, Kind, Seed, Server};
use crate::state::World;
use crate::{Error, world};

/// Whom the replayed requests are from, when the transcript doesn't tell.
const SOMEBODY: &str = "somebody@example.org";

/// The app that the replayed requests are from.
const APP: Uuid = Uuid::from_u128(0x5151_7000_0000_4000_8000_0000_0000_0003);

/// Gives the consents that a recorded token request asked for.
pub(super) fn consent(world: &World, text: &str) {
    let Ok(scopes) = scope::parse(text) else { return };
    let identity = world.state().tokens.get(token(Service::Transfer)).map(|token| token.identity);
    if let Some(identity) = identity {
        let grant =
            issue::Grant { client: APP, identity, scopes: &scopes, offline: false, state: None, nonce: None };
        issue::consent(&mut world.state(), &grant);
    }
}

/// A world with a token of the caller for each service.
pub(super) struct Recorded {
    pub world: Arc<World>,
    /// Ids that are the same in both.
    pub known: BTreeSet<Uuid>,
}

/// The access token of the caller for a service.
pub(super) fn token(service: Service) -> &'static str {
    match service {
        Service::Auth => "auth",
        Service::Transfer => "transfer",
        Service::Groups => "groups",
        Service::Timers => "timers",
        Service::ConnectServer => "connect-server",
    }
}

/// Builds the world, with its directories below `root`.
pub(super) fn build(exchanges: &[Exchange], root: &Path) -> Result<Recorded, Error> {
    let mut documents = Vec::new();
    for document in exchanges.iter().filter_map(Exchange::document) {
        collect(document, &mut documents);
    }
    let mut seed = Seed::default();
    let caller = accounts(&mut seed, exchanges, &documents);
    collections(&mut seed, exchanges, &documents, &caller);
    groups(&mut seed, &documents, &caller);
    tokens(&mut seed, &caller);
    for collection in &seed.collections {
        files(exchanges, collection.id, &root.join(&collection.directory))?;
    }
    let mut state = world::build(&seed, root)?;
    for server in state.servers.values_mut() {
        server.url = format!("https://connect-server.example.org/{}", server.id);
    }
    // Tokens of an app, so that consents can be missing until the transcript asks for them.
    state.tokens.values_mut().for_each(|token| token.client = Some(APP));
    let known =
        state.collections.keys().chain(state.identities.keys()).chain(state.groups.keys()).copied().collect();
    Ok(Recorded { world: World::new("https://simulator.example.org".to_owned(), state), known })
}

/// Every object of a document, itself included.
fn collect<'a>(value: &'a Value, objects: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            objects.push(value);
            fields.values().for_each(|value| collect(value, objects));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, objects)),
        _ => {}
    }
}

fn id(document: &Value, field: &str) -> Option<Uuid> {
    document[field].as_str().and_then(|text| Uuid::parse_str(text).ok())
}

fn account(id: Uuid, username: &str, document: &Value) -> Account {
    let text = |field: &str| document[field].as_str().map(str::to_owned);
    Account {
        username: username.to_owned(),
        name: text("name"),
        email: text("email"),
        id: Some(id),
        organization: text("organization"),
        linked: Vec::new(),
    }
}

/// The accounts that documents describe; returns the caller's username.
fn accounts(seed: &mut Seed, exchanges: &[Exchange], documents: &[&Value]) -> String {
    let mut known: BTreeMap<Uuid, Account> = BTreeMap::new();
    for document in documents {
        if let (Some(id), Some(username)) = (id(document, "id"), document["username"].as_str())
            && document.get("identity_provider").is_some()
        {
            known.entry(id).or_insert_with(|| account(id, username, document));
        }
    }
    let userinfo =
        exchanges.iter().filter(|one| one.path().ends_with("/userinfo")).find_map(Exchange::document);
    let caller =
        userinfo.and_then(|document| Some((id(document, "sub")?, document))).map(|(id, document)| {
            let username = document["preferred_username"].as_str().unwrap_or(SOMEBODY);
            known.entry(id).or_insert_with(|| account(id, username, document)).username.clone()
        });
    let caller = caller.unwrap_or_else(|| SOMEBODY.to_owned());
    // Two ids of one username would be two accounts with one name.
    let mut usernames = BTreeSet::new();
    seed.accounts =
        known.into_values().filter(|account| usernames.insert(account.username.to_lowercase())).collect();
    if !usernames.contains(&caller.to_lowercase()) {
        seed.accounts.push(Account::new(&caller, "Somebody"));
    }
    seed.accounts.push(Account::new("owner-of-the-rest@example.org", "Somebody else"));
    caller
}

/// The collections that documents describe, and those that requests are about.
fn collections(seed: &mut Seed, exchanges: &[Exchange], documents: &[&Value], caller: &str) {
    let mut found: BTreeMap<Uuid, Collection> = BTreeMap::new();
    for document in documents.iter().filter(|document| document["entity_type"].is_string()) {
        let Some(own) = id(document, "id") else { continue };
        let entity = document["entity_type"].as_str().unwrap_or_default();
        if entity.ends_with("_endpoint") {
            continue;
        }
        let kind = if entity.ends_with("guest_collection") { Kind::Guest } else { Kind::Mapped };
        let roles: Vec<&str> = document["my_effective_roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let owner = if roles.contains(&"administrator") { caller } else { "owner-of-the-rest@example.org" };
        let name = document["display_name"].as_str().unwrap_or("collection");
        let mut made = Collection { kind, ..Collection::mapped(own, name, own.to_string(), owner) };
        for role in
            roles.iter().filter(|role| crate::state::ROLES.contains(*role) && **role != "administrator")
        {
            made = made.role(caller, role);
        }
        made.personal = entity.starts_with("GCP");
        made.public = document["public"].as_bool().unwrap_or(true);
        made.description = document["description"].as_str().map(str::to_owned);
        made.default_directory = document["default_directory"].as_str().map(str::to_owned);
        made.host = (kind == Kind::Guest).then(|| id(document, "mapped_collection_id")).flatten();
        made.server = (!made.personal).then(|| id(document, "owner_id")).flatten();
        found.entry(own).or_insert(made);
    }
    let about = exchanges
        .iter()
        .filter(|one| one.service() == Service::Transfer && one.path().contains("/endpoint/"));
    for own in about.filter(|one| one.succeeded()).filter_map(Exchange::path_id) {
        found.entry(own).or_insert_with(|| Collection::guest(own, "collection", own.to_string(), caller));
    }
    for host in found.values().filter_map(|of| of.host).collect::<Vec<_>>() {
        found.entry(host).or_insert_with(|| {
            Collection::mapped(host, "mapped collection", host.to_string(), "owner-of-the-rest@example.org")
        });
    }
    let servers: BTreeSet<Uuid> = found.values().filter_map(|of| of.server).collect();
    for server in servers {
        // An id that is an account's is the owner's, of a service that shows no server.
        if seed.accounts.iter().any(|account| account.id == Some(server)) {
            found.values_mut().filter(|of| of.server == Some(server)).for_each(|of| of.server = None);
        } else {
            let name = "Connect Server".to_owned();
            seed.servers.push(Server { id: server, name, owner: caller.to_owned(), organization: None });
        }
    }
    for id in exchanges.iter().filter_map(Exchange::document).flat_map(missing_consents) {
        found.entry(id).and_modify(|of| of.data_access = true);
    }
    rules(&mut found, exchanges, seed);
    seed.collections = found.into_values().collect();
}

/// The collections whose consent a refusal names: `…scopes/<id>/data_access`.
fn missing_consents(refusal: &Value) -> Vec<Uuid> {
    let lists = [&refusal["required_scopes"], &refusal["authorization_parameters"]["required_scopes"]];
    let scopes = lists.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let ids = scopes.flat_map(|scope| scope.split(['/', '[', ']']).collect::<Vec<_>>());
    ids.filter_map(|part| Uuid::parse_str(part).ok()).collect()
}

/// The access rules that lists show, but for those that the transcript itself creates.
fn rules(found: &mut BTreeMap<Uuid, Collection>, exchanges: &[Exchange], seed: &Seed) {
    let created: BTreeSet<&str> =
        exchanges.iter().filter_map(|one| one.document()?["access_id"].as_str()).collect();
    for exchange in exchanges.iter().filter(|one| one.path().ends_with("/access_list")) {
        let Some(collection) = exchange.path_id().and_then(|id| found.get_mut(&id)) else { continue };
        let listed = exchange.document().and_then(|document| document["DATA"].as_array());
        for rule in listed.into_iter().flatten().filter(|rule| rule["role_id"].is_null()) {
            if rule["id"].as_str().is_none_or(|id| created.contains(id)) {
                continue;
            }
            let principal = match rule["principal_type"].as_str() {
                Some(all @ ("all_authenticated_users" | "anonymous")) => all.to_owned(),
                Some("identity") => rule["principal"].as_str().unwrap_or_default().to_owned(),
                _ => continue,
            };
            let is_known = principal.contains('_')
                || seed
                    .accounts
                    .iter()
                    .any(|account| account.id.is_some_and(|id| id.to_string() == principal));
            let (Some(path), Some(permissions)) = (rule["path"].as_str(), rule["permissions"].as_str())
            else {
                continue;
            };
            let twice =
                collection.rules.iter().any(|other| other.path == path && other.principal == principal);
            if is_known
                && !twice
                && path.starts_with('/')
                && path.ends_with('/')
                && collection.kind == Kind::Guest
            {
                *collection = collection.clone().rule(&principal, path, permissions);
            }
        }
    }
}

fn groups(seed: &mut Seed, documents: &[&Value], caller: &str) {
    let mut ids = BTreeSet::new();
    for document in documents.iter().filter(|document| document.get("my_memberships").is_some()) {
        let role = document["my_memberships"][0]["role"].as_str().unwrap_or("member");
        if let Some(id) = id(document, "id").filter(|id| ids.insert(*id)) {
            let mine = vec![caller.to_owned()];
            let (members, admins) = if role == "member" { (mine, vec![]) } else { (vec![], mine) };
            let name = document["name"].as_str().map(str::to_owned);
            seed.groups.push(Group { id, name, members, admins, subscription: None });
        }
    }
}

fn tokens(seed: &mut Seed, caller: &str) {
    seed.tokens = vec![
        GivenToken {
            scopes: [
                "openid",
                "profile",
                "email",
                "urn:globus:auth:scope:auth.globus.org:view_identities",
                "urn:globus:auth:scope:auth.globus.org:view_identity_set",
                "urn:globus:auth:scope:auth.globus.org:view_consents",
            ]
            .map(str::to_owned)
            .into(),
            ..GivenToken::auth(token(Service::Auth), caller)
        },
        GivenToken::transfer(token(Service::Transfer), caller),
        GivenToken::groups(token(Service::Groups), caller),
        GivenToken::timers(token(Service::Timers), caller),
    ];
    for server in &seed.servers {
        let mut given = GivenToken::manage_collections(token(Service::ConnectServer), caller, server.id);
        given.scopes = vec![scope::manage_collections(server.id)];
        given.token = format!("{}-{}", token(Service::ConnectServer), server.id);
        seed.tokens.push(given);
    }
}

/// What the recorded requests themselves create on a collection: directories, and destinations of transfers.
fn created(exchanges: &[Exchange], collection: Uuid) -> Vec<String> {
    let done = exchanges.iter().filter(|one| one.succeeded()).filter_map(|one| Some((one, one.sent()?)));
    let mut created = Vec::new();
    for (exchange, sent) in done {
        if exchange.path().ends_with("/mkdir") && exchange.path_id() == Some(collection) {
            created.extend(sent["path"].as_str());
        } else if sent["destination_endpoint"].as_str() == Some(&collection.to_string()) {
            let items = sent["DATA"].as_array().into_iter().flatten();
            created.extend(items.filter_map(|item| item["destination_path"].as_str()));
        }
    }
    let paths = created.into_iter().filter_map(|path| Virtual::parse(path, "/"));
    paths.filter(|path| !path.is_top()).map(|path| path.as_directory()).collect()
}

/// Makes the files and directories of a collection that the recorded requests found.
fn files(exchanges: &[Exchange], collection: Uuid, directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Directory { directory: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let created = created(exchanges, collection);
    let make = |path: &str, kind: &str, size: u64| -> std::io::Result<()> {
        let Some(path) = Virtual::parse(path, "/").filter(|path| !path.is_top()) else { return Ok(()) };
        if created.iter().any(|made| path.as_directory().starts_with(made)) {
            return Ok(());
        }
        let full = directory.join(path.relative());
        if let Some(parent) = full.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match kind {
            "dir" => std::fs::create_dir_all(&full),
            // Sparse: a recorded terabyte takes no space.
            _ if !full.exists() => std::fs::File::create(&full)?.set_len(size.min(1 << 40)),
            _ => Ok(()),
        }
    };
    for exchange in exchanges {
        let own = exchange.path_id() == Some(collection);
        let asked =
            exchange.request.query.iter().find(|(name, _)| name == "path").map(|(_, path)| path.as_str());
        let (Some(document), path) = (exchange.document(), exchange.path()) else { continue };
        let sent = |field: &str| exchange.sent().and_then(|sent| sent[field].as_str()).unwrap_or_default();
        if own && path.ends_with("/ls") && exchange.succeeded() {
            let at = asked.unwrap_or("/").trim_end_matches('/');
            make(at, "dir", 0).map_err(failed)?;
            for entry in document["DATA"].as_array().into_iter().flatten() {
                let name = entry["name"].as_str().unwrap_or_default();
                let kind = entry["type"].as_str().unwrap_or("file");
                make(&format!("{at}/{name}"), kind, entry["size"].as_u64().unwrap_or(0)).map_err(failed)?;
            }
        } else if own && path.ends_with("/stat") && exchange.succeeded() {
            let kind = document["type"].as_str().unwrap_or("file");
            make(asked.unwrap_or_default(), kind, document["size"].as_u64().unwrap_or(0)).map_err(failed)?;
        } else if own && path.ends_with("/mkdir") {
            let made = sent("path").trim_end_matches('/');
            let exists = document["code"].as_str().is_some_and(|code| code.ends_with("Exists"));
            let parent = made.rsplit_once('/').map_or("", |(parent, _)| parent);
            if exists || exchange.succeeded() {
                make(if exists { made } else { parent }, "dir", 0).map_err(failed)?;
            }
        } else if own && path.ends_with("/rename") && exchange.succeeded() {
            make(sent("old_path"), "file", 0).map_err(failed)?;
        }
    }
    Ok(())
}
