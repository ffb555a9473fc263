//! Issues tokens, one for each requested service, and records the consents.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::scope::{self, Scope};
use crate::state::{Consent, State, Token, World};

/// The account, the app and the scopes of tokens to issue.
pub(crate) struct Grant<'a> {
    pub client: Uuid,
    pub identity: Uuid,
    pub scopes: &'a [Scope],
    /// With refresh tokens.
    pub offline: bool,
    pub state: Option<String>,
    pub nonce: Option<String>,
}

/// Two random ids long: not to be guessed, and plainly not a real one.
pub(crate) fn secret(prefix: &str) -> String {
    format!("{prefix}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Names of top scopes, a service each, in the order of their first mention.
pub(crate) fn by_server(scopes: &[Scope]) -> Vec<(String, Vec<String>)> {
    let mut servers: Vec<(String, Vec<String>)> = Vec::new();
    for scope in scopes {
        let Some(server) = scope::resource_server(&scope.name) else {
            continue;
        };
        match servers.iter_mut().find(|(name, _)| *name == server) {
            Some((_, names)) => {
                if !names.contains(&scope.name) {
                    names.push(scope.name.clone());
                }
            }
            None => servers.push((server, vec![scope.name.clone()])),
        }
    }
    servers
}

/// Issues the tokens and returns the token response of OAuth 2 with Globus's `other_tokens`.
pub(crate) fn tokens(world: &World, grant: &Grant<'_>) -> Value {
    let mut documents = Vec::new();
    {
        let mut state = world.state();
        consent(&mut state, grant);
        if let Some(identity) = state.identities.get_mut(&grant.identity) {
            identity.status = crate::state::Status::Used;
        }
        for (server, names) in by_server(grant.scopes) {
            documents.push(one(&mut state, grant, &server, names));
        }
    }
    let id_token = grant
        .scopes
        .iter()
        .any(|scope| scope.name == "openid")
        .then(|| world.key.sign(&claims(world, grant)))
        .flatten();
    let mut documents = documents.into_iter();
    let mut first = documents.next().unwrap_or_else(|| json!({}));
    first["other_tokens"] = Value::Array(documents.collect());
    if let Some(id_token) = id_token {
        first["id_token"] = id_token.into();
    }
    if let Some(text) = &grant.state {
        first["state"] = text.clone().into();
    }
    first
}

fn one(state: &mut State, grant: &Grant<'_>, server: &str, names: Vec<String>) -> Value {
    let now = Timestamp::now();
    let seconds = state.limits.token_seconds;
    let token = Token {
        refresh: false,
        client: Some(grant.client),
        identity: grant.identity,
        resource_server: server.to_owned(),
        scopes: names.clone(),
        issued: now,
        expires: after(now, seconds),
    };
    let access = secret("AgSimulated");
    let mut document = json!({
        "access_token": access,
        "scope": names.join(" "),
        "expires_in": seconds,
        "token_type": "Bearer",
        "resource_server": server,
    });
    if grant.offline {
        let refresh = secret("AgSimulatedRefresh");
        document["refresh_token"] = refresh.clone().into();
        let token = Token { refresh: true, expires: after(now, 180 * 24 * 3600), ..token.clone() };
        state.tokens.insert(refresh, token);
    }
    state.tokens.insert(access, token);
    document
}

pub(crate) fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Records the consents that the account gives the app by this grant.
pub(crate) fn consent(state: &mut State, grant: &Grant<'_>) {
    fn walk(state: &mut State, grant: &Grant<'_>, scopes: &[Scope], path: &[String], ids: &[u64]) {
        for scope in scopes {
            let mut path = path.to_vec();
            path.push(scope.name.clone());
            let known = state.consents.iter().find(|consent| {
                consent.client == grant.client && consent.identity == grant.identity && consent.path == path
            });
            let ids = match known {
                Some(consent) => consent.dependency_path.clone(),
                None => {
                    let id = 1 + state.consents.iter().map(|c| c.id).max().unwrap_or(1000);
                    let mut ids = ids.to_vec();
                    ids.push(id);
                    state.consents.push(Consent {
                        id,
                        client: grant.client,
                        identity: grant.identity,
                        path: path.clone(),
                        dependency_path: ids.clone(),
                        offline: grant.offline,
                        created: Timestamp::now(),
                    });
                    ids
                }
            };
            walk(state, grant, &scope.beneath, &path, &ids);
        }
    }
    walk(state, grant, grant.scopes, &[], &[]);
}

fn claims(world: &World, grant: &Grant<'_>) -> Value {
    let now = Timestamp::now().as_second();
    let state = world.state();
    let mut claims = super::userinfo::claims(
        &state,
        grant.identity,
        &grant.scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(),
    );
    claims["iss"] = world.base.clone().into();
    claims["aud"] = grant.client.to_string().into();
    claims["iat"] = now.into();
    claims["exp"] = (now + i64::try_from(state.limits.token_seconds).unwrap_or(3600)).into();
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = nonce.clone().into();
    }
    claims
}
