//! Tokens that are replaced while the program runs: one request, however many calls wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use secrecy::ExposeSecret;

use super::native::SignIn;
use super::scope::Scope;
use super::service::ClientCredentials;
use super::store::TokenStore;
use super::token::{Service, Token, Tokens};
use super::{Connection, not_signed_in};
use crate::error::{Error, Result};
use crate::http::Transport;

/// How new tokens are got.
pub(super) enum Grant {
    Service(ClientCredentials),
    Stored { store: TokenStore, name: String },
}

pub(super) struct Renewing {
    grant: Grant,
    held: Mutex<Held>,
    /// Held while tokens are fetched; whoever waits for it looks at `held` again.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    tokens: Tokens,
    /// Scopes that were asked for by `ConsentRequired`, beyond those of the sign-in.
    consents: Vec<Scope>,
    /// Scopes that the tokens were asked for with.
    asked: Vec<Scope>,
    /// How many fetches have ended, and how the last one failed: those who waited through it share its fate.
    fetches: u64,
    failure: Option<Error>,
}

/// Why another token is wanted.
enum Wanted<'a> {
    Fresh,
    OtherThan(&'a Arc<Token>),
}

impl Renewing {
    pub fn new(grant: Grant) -> Self {
        Self { grant, held: Mutex::default(), turn: tokio::sync::Mutex::new(()) }
    }

    pub fn name(&self) -> &'static str {
        match self.grant {
            Grant::Service(_) => "Authorizer(client credentials)",
            Grant::Stored { .. } => "Authorizer(stored sign-in)",
        }
    }

    pub async fn token(&self, to: &Connection<'_>, service: Service) -> Result<Arc<Token>> {
        self.obtain(to, service, Wanted::Fresh).await
    }

    pub async fn after_refusal(
        &self,
        to: &Connection<'_>,
        service: Service,
        refused: &Arc<Token>,
    ) -> Result<Arc<Token>> {
        self.obtain(to, service, Wanted::OtherThan(refused)).await
    }

    pub async fn with_consent(
        &self,
        to: &Connection<'_>,
        service: Service,
        lacking: &Arc<Token>,
        scopes: &[String],
    ) -> Result<Option<Arc<Token>>> {
        if let Grant::Stored { store, name } = &self.grant {
            // Only the person can consent; perhaps they just did, by a sign-in that is in the store by now.
            let newer = stored(store, name, to).await?.tokens;
            let Some(token) = newer.0.get(service.resource_server()) else {
                return Ok(None);
            };
            if same(token, lacking) {
                return Ok(None);
            }
            let token = token.clone();
            self.held().tokens = newer;
            return Ok(Some(token));
        }
        let mut wanted = Vec::new();
        for text in scopes {
            Scope::merge(&mut wanted, Scope::parse_all(text)?);
        }
        let before = {
            let mut held = self.held();
            let known = wanted.iter().all(|scope| held.asked.iter().any(|have| have.covers(scope)));
            let current = held.tokens.0.get(service.resource_server());
            // Asked for already, and still refused: another token of the same kind won't help.
            if known && current.is_some_and(|current| Arc::ptr_eq(current, lacking)) {
                return Ok(None);
            }
            let before = held.consents.clone();
            Scope::merge(&mut held.consents, wanted);
            before
        };
        let outcome = self.obtain(to, service, Wanted::OtherThan(lacking)).await;
        if outcome.is_err() {
            // What Auth refuses must not be asked for again with every later token.
            self.held().consents = before;
        }
        outcome.map(Some)
    }

    async fn obtain(&self, to: &Connection<'_>, service: Service, wanted: Wanted<'_>) -> Result<Arc<Token>> {
        let seen = match self.look(service, &wanted) {
            Ok(token) => return Ok(token),
            Err(fetches) => fetches,
        };
        let _turn = self.turn.lock().await;
        let before = match self.look(service, &wanted) {
            Ok(token) => return Ok(token),
            Err(fetches) => fetches,
        };
        if before != seen
            && let Some(failure) = self.held().failure.clone()
        {
            return Err(failure);
        }
        let outcome = self.fetch(to, service, &wanted).await;
        let mut held = self.held();
        held.fetches += 1;
        match outcome {
            Ok((tokens, asked)) => {
                held.failure = None;
                held.asked = asked;
                held.tokens.replace_with(tokens);
                held.tokens.0.get(service.resource_server()).cloned().ok_or_else(|| {
                    not_signed_in(&format!("the sign-in has no token for {}", service.resource_server()))
                })
            }
            Err(error) => {
                held.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The token if it will do, or else how many fetches have ended so far.
    fn look(&self, service: Service, wanted: &Wanted<'_>) -> Result<Arc<Token>, u64> {
        let held = self.held();
        let token = held.tokens.0.get(service.resource_server()).filter(|token| token.is_fresh());
        match (token, wanted) {
            (Some(token), Wanted::Fresh) => Ok(token.clone()),
            (Some(token), Wanted::OtherThan(old)) if !Arc::ptr_eq(token, old) => Ok(token.clone()),
            _ => Err(held.fetches),
        }
    }

    /// Fetches tokens, and says for which scopes.
    async fn fetch(&self, to: &Connection<'_>, service: Service, wanted: &Wanted<'_>) -> Result<(Tokens, Vec<Scope>)> {
        match &self.grant {
            Grant::Service(credentials) => {
                let mut scopes = credentials.scopes.clone();
                Scope::merge(&mut scopes, self.held().consents.clone());
                let tokens = credentials.fetch(to.transport, to.auth_url, &scopes).await?;
                Ok((tokens, scopes))
            }
            Grant::Stored { store, name } => {
                let renewal = Renewal {
                    transport: to.transport.clone(),
                    auth_url: to.auth_url.clone(),
                    store: store.clone(),
                    name: name.clone(),
                    server: service.resource_server(),
                    refused: match wanted {
                        Wanted::Fresh => None,
                        Wanted::OtherThan(old) => Some(Arc::clone(old)),
                    },
                };
                // On its own: a caller that gives up waiting must not lose the new token between service and file.
                let tokens = match tokio::spawn(renewal.run()).await {
                    Ok(outcome) => outcome?,
                    Err(error) => return Err(store.unusable(error.to_string())),
                };
                Ok((tokens, Vec::new()))
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // Nothing is left half-done under this lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The renewal of a stored sign-in.
struct Renewal {
    transport: Arc<Transport>,
    auth_url: Url,
    store: TokenStore,
    name: String,
    server: &'static str,
    refused: Option<Arc<Token>>,
}

impl Renewal {
    async fn run(self) -> Result<Tokens> {
        let locked = self.store.lock().await?;
        let mut sign_in = signed_in(&self.name, &self.store, locked.get(&self.name).await?, &self.auth_url)?;
        // Another process, or a new sign-in, may have put a good token there while this one waited.
        let usable =
            sign_in.tokens.0.get(self.server).is_some_and(|token| {
                token.is_fresh() && self.refused.as_ref().is_none_or(|refused| !same(token, refused))
            });
        if !usable {
            sign_in.refresh(&self.transport, self.server).await?;
            locked.put(&self.name, &sign_in).await?;
        }
        Ok(sign_in.tokens)
    }
}

async fn stored(store: &TokenStore, name: &str, to: &Connection<'_>) -> Result<SignIn> {
    signed_in(name, store, store.get(name).await?, to.auth_url)
}

/// A sign-in is used only with the service that it is of: its tokens are nobody else's business.
fn signed_in(name: &str, store: &TokenStore, found: Option<SignIn>, auth_url: &Url) -> Result<SignIn> {
    let sign_in =
        found.ok_or_else(|| not_signed_in(&format!("there is no sign-in '{name}' in {}", store.path().display())))?;
    if sign_in.auth_url != *auth_url {
        let why = format!("the sign-in '{name}' is of {}, not of {auth_url}", sign_in.auth_url);
        return Err(not_signed_in(&why));
    }
    Ok(sign_in)
}

fn same(one: &Token, other: &Token) -> bool {
    one.access.expose_secret() == other.access.expose_secret()
}
