//! Builds the state of the simulated services from a seed.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use jiff::Timestamp;
use uuid::Uuid;

use crate::Error;
use crate::auth::{identities::PROVIDER, issue, scope};
use crate::sandbox::under;
use crate::seed::{self, GivenToken, Seed};
use crate::state::gcs::Server;
use crate::state::group::{Group, Membership};
use crate::state::{App, Collection, Identity, ROLES, Role, Rule, State, Status, Token, World};

/// The client id that globus-cli is built with, public by its nature.
const COMMAND_LINE: Uuid = Uuid::from_u128(0x95fd_eba8_fac2_42bd_a357_e068_d82f_f78e);

/// Builds the state and creates the directories of the collections.
pub(crate) fn build(seed: &Seed, root: &Path) -> Result<State, Error> {
    let mut state = State { limits: seed.limits.clone(), ..State::default() };
    accounts(&mut state, seed)?;
    // The official command line is registered with the service, so it is here.
    let mut command_line = seed::App::native(COMMAND_LINE);
    command_line.name = Some("Globus CLI".to_owned());
    for app in std::iter::once(&command_line).chain(&seed.apps) {
        add_app(&mut state, app);
    }
    for group in &seed.groups {
        let made = make_group(&state, group)?;
        state.groups.insert(group.id, made);
    }
    servers(&mut state, seed)?;
    for collection in &seed.collections {
        let made = make(&state, collection, root)?;
        if state.collections.insert(made.id, made).is_some() {
            return Err(Error::Seed(format!("collections: the id {} is there twice", collection.id)));
        }
    }
    for collection in &seed.collections {
        let Some(host) = collection.host else { continue };
        let server = match state.collections.get(&host) {
            Some(host) => host.server,
            None => return Err(Error::Seed(format!("collections.host: no collection {host}"))),
        };
        if let Some(guest) = state.collections.get_mut(&collection.id) {
            (guest.server, guest.gateway) = (server, server.map(Server::default_gateway));
        }
    }
    for given in &seed.tokens {
        give_token(&mut state, given)?;
    }
    Ok(state)
}

fn principal(state: &State, text: &str, key: &str) -> Result<Uuid, Error> {
    state
        .resolve(text)
        .filter(|id| state.identities.contains_key(id) || state.groups.contains_key(id))
        .ok_or_else(|| Error::Seed(format!("{key}: no account, app or group '{text}' in the seed")))
}

fn accounts(state: &mut State, seed: &Seed) -> Result<(), Error> {
    for account in &seed.accounts {
        let username = account.username.to_lowercase();
        let id = account.id.unwrap_or_else(|| {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("globus-simulator:{username}").as_bytes())
        });
        let identity = Identity {
            id,
            name: account.name.clone(),
            email: Some(account.email.clone().unwrap_or_else(|| username.clone())),
            organization: account.organization.clone(),
            status: Status::Used,
            person: id,
            provider: PROVIDER,
            username,
        };
        if state.by_username(&identity.username).is_some() || state.identities.contains_key(&id) {
            return Err(Error::Seed(format!(
                "accounts: '{}' (or its id {id}) is there twice",
                account.username
            )));
        }
        state.identities.insert(id, identity);
    }
    for account in &seed.accounts {
        for other in &account.linked {
            let person =
                principal(state, &account.username, "accounts").map(|id| state.identities[&id].person)?;
            let other = principal(state, other, "accounts.linked")?;
            if let Some(identity) = state.identities.get_mut(&other) {
                identity.person = person;
            }
        }
    }
    Ok(())
}

fn make_group(state: &State, group: &seed::Group) -> Result<Group, Error> {
    let mut members = BTreeMap::new();
    for (names, key, role) in
        [(&group.members, "groups.members", "member"), (&group.admins, "groups.admins", "admin")]
    {
        for name in names {
            members.insert(principal(state, name, key)?, Membership { role, status: "active" });
        }
    }
    let name = group.name.clone().unwrap_or_else(|| format!("Group {}", group.id));
    Ok(Group { members, subscription: group.subscription, ..Group::new(group.id, name) })
}

/// The Connect Server of a seed that describes none.
const DEFAULT_SERVER: Uuid = Uuid::from_u128(0x5151_7000_0000_4000_8000_0000_0000_0002);

fn servers(state: &mut State, seed: &Seed) -> Result<(), Error> {
    let mut servers = seed.servers.clone();
    let mapped = seed.collections.iter().find(|of| !of.personal && of.kind == seed::Kind::Mapped);
    let owner = mapped.or(seed.collections.first()).map(|of| of.owner.clone());
    // A collection with an unknown owner is refused by itself, with its own key.
    let owner = owner.filter(|owner| principal(state, owner, "").is_ok());
    if let (true, Some(owner)) = (servers.is_empty(), owner) {
        let name = "Simulated Connect Server".to_owned();
        servers.push(seed::Server { id: DEFAULT_SERVER, name, owner, organization: None });
    }
    for server in &servers {
        let owner = principal(state, &server.owner, "servers.owner")?;
        // A server is a client of Globus Auth, so an identity too.
        let mut app = seed::App::native(server.id);
        app.name = Some(server.name.clone());
        add_app(state, &app);
        let made = Server::new(server.id, server.name.clone(), server.organization.clone(), owner);
        if state.servers.insert(server.id, made).is_some() {
            return Err(Error::Seed(format!("servers: the id {} is there twice", server.id)));
        }
    }
    Ok(())
}

/// The server that a collection is on: the one that it names, or the first one.
fn server_of(state: &State, from: &seed::Collection) -> Result<Option<Uuid>, Error> {
    match from.server {
        _ if from.personal => Ok(None),
        Some(id) if !state.servers.contains_key(&id) => {
            Err(Error::Seed(format!("collections.server: no server {id} in the seed")))
        }
        Some(id) => Ok(Some(id)),
        None => Ok(state.servers.keys().next().copied()),
    }
}

/// An app is an identity too: a service acts for itself.
fn add_app(state: &mut State, app: &seed::App) {
    let name = app.name.clone().unwrap_or_else(|| "Simulated app".to_owned());
    state.identities.insert(
        app.id,
        Identity {
            id: app.id,
            username: format!("{}@clients.auth.globus.org", app.id),
            name: Some(name.clone()),
            email: None,
            organization: None,
            status: Status::Used,
            person: app.id,
            provider: PROVIDER,
        },
    );
    state.apps.insert(app.id, App { name, secret: app.secret.clone(), parent: None });
}

fn make(state: &State, from: &seed::Collection, root: &Path) -> Result<Collection, Error> {
    let directory = under(root, &from.directory);
    std::fs::create_dir_all(&directory)
        .map_err(|source| Error::Directory { directory: directory.clone(), source })?;
    let roles = from
        .roles
        .iter()
        .map(|role| {
            let id = principal(state, &role.principal, "collections.roles.principal")?;
            if !ROLES.contains(&role.role.as_str()) {
                return Err(Error::Seed(format!(
                    "collections.roles.role: '{}' is none of {}",
                    role.role,
                    ROLES.join(", ")
                )));
            }
            Ok(Role {
                id: Uuid::new_v4(),
                principal_type: if state.groups.contains_key(&id) { "group" } else { "identity" }.to_owned(),
                principal: id,
                role: role.role.clone(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let rules = from.rules.iter().map(|rule| make_rule(state, rule)).collect::<Result<Vec<_>, Error>>()?;
    let users = from
        .users
        .as_ref()
        .map(|users| {
            users
                .iter()
                .map(|user| principal(state, user, "collections.users"))
                .collect::<Result<HashSet<_>, Error>>()
        })
        .transpose()?;
    let server = server_of(state, from)?;
    Ok(Collection {
        id: from.id,
        name: from.name.clone(),
        kind: from.kind,
        directory,
        host_path: None,
        host: from.host,
        server,
        gateway: server.map(Server::default_gateway),
        credential: None,
        allow_guests: from.allow_guest_collections,
        domains: from.domains.clone(),
        owner: principal(state, &from.owner, "collections.owner")?,
        roles,
        rules,
        users,
        data_access: from.data_access,
        public: from.public,
        default_directory: from.default_directory.clone(),
        description: from.description.clone(),
        organization: from.organization.clone(),
        department: None,
        contact_email: None,
        contact_info: None,
        info_link: None,
        user_message: None,
        user_message_link: None,
        keywords: from.keywords.clone(),
        subscription: None,
        force_encryption: false,
        force_verify: false,
        disable_verify: false,
        quota: from.quota,
        created: Timestamp::now(),
        last_accessed: None,
        used_by: Vec::new(),
    })
}

fn make_rule(state: &State, rule: &seed::Rule) -> Result<Rule, Error> {
    if !(rule.path.starts_with('/') && rule.path.ends_with('/')) {
        return Err(Error::Seed(format!(
            "collections.rules.path: '{}' must start and end with '/'",
            rule.path
        )));
    }
    if !matches!(rule.permissions.as_str(), "r" | "rw") {
        return Err(Error::Seed(format!(
            "collections.rules.permissions: '{}' must be 'r' or 'rw'",
            rule.permissions
        )));
    }
    let (principal_type, principal) = match rule.principal.as_str() {
        whole @ ("all_authenticated_users" | "anonymous") => (whole.to_owned(), String::new()),
        one => {
            let id = principal(state, one, "collections.rules.principal")?;
            let kind = if state.groups.contains_key(&id) { "group" } else { "identity" };
            (kind.to_owned(), id.to_string())
        }
    };
    Ok(Rule {
        id: Uuid::new_v4(),
        principal_type,
        principal,
        path: rule.path.clone(),
        permissions: rule.permissions.clone(),
        created: Timestamp::now(),
        expires: None,
    })
}

/// Makes a token valid.
pub(crate) fn give_token(state: &mut State, given: &GivenToken) -> Result<(), Error> {
    let identity = principal(state, &given.account, "tokens.account")?;
    let mut servers: Vec<String> = Vec::new();
    for name in &given.scopes {
        let server = scope::resource_server(name)
            .ok_or_else(|| Error::Seed(format!("tokens.scopes: unknown scope '{name}'")))?;
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let [server] = servers.as_slice() else {
        return Err(Error::Seed(format!(
            "tokens.scopes: a token is for one service, not for {}",
            servers.len()
        )));
    };
    let now = Timestamp::now();
    let seconds = given.expires_in.unwrap_or(state.limits.token_seconds);
    let token = Token {
        refresh: false,
        client: None,
        identity,
        resource_server: server.clone(),
        scopes: given.scopes.clone(),
        issued: now,
        expires: issue::after(now, seconds),
    };
    state.tokens.insert(given.token.clone(), token);
    Ok(())
}

/// Every access token is expired from now on.
pub(crate) fn expire_tokens(world: &World) {
    let now = Timestamp::now();
    for token in world.state().tokens.values_mut() {
        if !token.refresh {
            token.expires = now;
        }
    }
}
