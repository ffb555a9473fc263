//! Tokens that are renewed while the program runs: one request, however many calls wait for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
#[cfg(feature = "token-store")]
use url::Url;

use super::client_credentials::ClientCredentials;
use super::sign_in::SignIn;
use super::source::{Connection, TokenSource};
#[cfg(feature = "token-store")]
use super::store::TokenStore;
use super::token::{Token, Tokens};
use crate::error::{Error, Result};
use crate::scope::Scope;
use crate::service::Service;

/// Where new tokens come from.
pub(super) enum Grant {
    Service(ClientCredentials),
    SignIn(Box<tokio::sync::Mutex<SignIn>>),
    #[cfg(feature = "token-store")]
    Stored {
        store: TokenStore,
        name: String,
    },
}

pub(super) struct Renewing {
    grant: Grant,
    held: Mutex<Held>,
    /// Locked while tokens are fetched. A call that waits for it looks at `held` again.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    tokens: Tokens,
    /// Scopes that `ConsentRequired` or a further service asked for, beyond those of the sign-in.
    consents: Vec<Scope>,
    /// Scopes with which the tokens were requested.
    requested: Vec<Scope>,
    /// The number of fetches that have ended.
    fetches: u64,
    /// The error of the last fetch. Calls that waited for it fail with it, too.
    failure: Option<Error>,
}

/// Which token is needed.
enum Need<'a> {
    Fresh,
    OtherThan(&'a Arc<Token>),
}

impl fmt::Debug for Renewing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.grant {
            Grant::Service(_) => "client credentials",
            Grant::SignIn(_) => "sign-in",
            #[cfg(feature = "token-store")]
            Grant::Stored { .. } => "stored sign-in",
        })
    }
}

impl TokenSource for Renewing {
    fn token<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
    ) -> BoxFuture<'a, Result<Arc<Token>>> {
        Box::pin(self.obtain(to, service, Need::Fresh))
    }

    fn replacement<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
        rejected: &'a Arc<Token>,
    ) -> BoxFuture<'a, Result<Option<Arc<Token>>>> {
        Box::pin(async move { self.obtain(to, service, Need::OtherThan(rejected)).await.map(Some) })
    }

    fn with_consent<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
        lacking: &'a Arc<Token>,
        scopes: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Arc<Token>>>> {
        Box::pin(async move {
            match &self.grant {
                Grant::Service(_) => self.request_consent(to, service, lacking, scopes).await,
                // Only the person can consent. Perhaps they just did, by a sign-in that is in the store by
                // now.
                Grant::SignIn(_) => Ok(None),
                #[cfg(feature = "token-store")]
                Grant::Stored { store, name } => {
                    let newer = stored(store, name, to.auth_url).await?.tokens;
                    let token =
                        newer.0.get(service.resource_server()).filter(|token| !same(token, lacking)).cloned();
                    if token.is_some() {
                        self.held().tokens = newer;
                    }
                    Ok(token)
                }
            }
        })
    }
}

impl Renewing {
    pub fn new(grant: Grant) -> Self {
        Self { grant, held: Mutex::default(), turn: tokio::sync::Mutex::new(()) }
    }

    /// Requests a token of a registered service with further scopes.
    async fn request_consent(
        &self,
        to: &Connection<'_>,
        service: &Service,
        lacking: &Arc<Token>,
        scopes: &[String],
    ) -> Result<Option<Arc<Token>>> {
        let mut wanted = Vec::new();
        for text in scopes {
            Scope::merge(&mut wanted, Scope::parse_all(text)?);
        }
        let before = {
            let mut held = self.held();
            let known = wanted.iter().all(|scope| held.requested.iter().any(|have| have.covers(scope)));
            let current = held.tokens.0.get(service.resource_server());
            // Requested already and still rejected: another token of the same kind won't help.
            if known && current.is_some_and(|current| Arc::ptr_eq(current, lacking)) {
                return Ok(None);
            }
            let before = held.consents.clone();
            Scope::merge(&mut held.consents, wanted);
            before
        };
        let outcome = self.obtain(to, service, Need::OtherThan(lacking)).await;
        if outcome.is_err() {
            // Scopes that Auth rejects must not be requested again with every later token.
            self.held().consents = before;
        }
        outcome.map(Some)
    }

    async fn obtain(&self, to: &Connection<'_>, service: &Service, need: Need<'_>) -> Result<Arc<Token>> {
        let seen = match self.find(service, &need) {
            Ok(token) => return Ok(token),
            Err(fetches) => fetches,
        };
        let _turn = self.turn.lock().await;
        let before = match self.find(service, &need) {
            Ok(token) => return Ok(token),
            Err(fetches) => fetches,
        };
        if before != seen
            && let Some(failure) = self.held().failure.clone()
        {
            return Err(failure);
        }
        let outcome = self.fetch(to, service, &need).await;
        let mut held = self.held();
        held.fetches += 1;
        match outcome {
            Ok((tokens, requested)) => {
                held.failure = None;
                held.requested = requested;
                held.tokens.replace_with(tokens);
                let token = held.tokens.0.get(service.resource_server()).cloned();
                token.ok_or_else(|| no_token(service))
            }
            Err(error) => {
                held.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The token that is held, if it meets the need; otherwise the number of fetches so far.
    fn find(&self, service: &Service, need: &Need<'_>) -> Result<Arc<Token>, u64> {
        let held = self.held();
        let token = held.tokens.0.get(service.resource_server()).filter(|token| token.is_fresh());
        match (token, need) {
            (Some(token), Need::Fresh) => Ok(token.clone()),
            (Some(token), Need::OtherThan(old)) if !Arc::ptr_eq(token, old) => Ok(token.clone()),
            _ => Err(held.fetches),
        }
    }

    /// Fetches tokens, and returns them with the scopes that were requested.
    async fn fetch(
        &self,
        to: &Connection<'_>,
        service: &Service,
        need: &Need<'_>,
    ) -> Result<(Tokens, Vec<Scope>)> {
        match &self.grant {
            Grant::Service(credentials) => {
                let mut scopes = credentials.scopes.clone();
                let further =
                    service.scopes().iter().filter(|scope| !scopes.iter().any(|have| have.covers(scope)));
                let further: Vec<Scope> = further.cloned().collect();
                {
                    let mut held = self.held();
                    Scope::merge(&mut held.consents, further);
                    Scope::merge(&mut scopes, held.consents.clone());
                }
                let tokens = credentials.fetch(to.transport, to.auth_url, &scopes).await?;
                Ok((tokens, scopes))
            }
            Grant::SignIn(sign_in) => {
                let mut sign_in = sign_in.lock().await;
                renew(&mut sign_in, to, service, need).await?;
                Ok((sign_in.tokens.clone(), Vec::new()))
            }
            #[cfg(feature = "token-store")]
            Grant::Stored { store, name } => {
                let renewal = Renewal {
                    transport: to.transport.clone(),
                    auth_url: to.auth_url.clone(),
                    store: store.clone(),
                    name: name.clone(),
                    service: service.clone(),
                    rejected: match need {
                        Need::Fresh => None,
                        Need::OtherThan(old) => Some(Arc::clone(old)),
                    },
                };
                // A task of its own: a caller that stops waiting must not lose the new token between service
                // and file.
                let tokens = match tokio::spawn(renewal.run()).await {
                    Ok(outcome) => outcome?,
                    Err(error) => return Err(store.unusable(error.to_string())),
                };
                Ok((tokens, Vec::new()))
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // No operation under this lock leaves it half-changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews the token of a service unless it is usable. Returns whether it was renewed.
async fn renew(
    sign_in: &mut SignIn,
    to: &Connection<'_>,
    service: &Service,
    need: &Need<'_>,
) -> Result<bool> {
    let token = sign_in.tokens.0.get(service.resource_server()).ok_or_else(|| no_token(service))?;
    let is_usable = token.is_fresh()
        && match need {
            Need::Fresh => true,
            Need::OtherThan(rejected) => !same(token, rejected),
        };
    if !is_usable {
        sign_in.refresh(to.transport, service.resource_server()).await?;
    }
    Ok(!is_usable)
}

/// The person hasn't consented to this service yet; a sign-in with its scopes helps.
fn no_token(service: &Service) -> Error {
    let scopes = service.scopes().iter().map(ToString::to_string).collect();
    Error::consent_required(format!("use {}", service.resource_server()), scopes)
}

/// The renewal of a stored sign-in.
#[cfg(feature = "token-store")]
struct Renewal {
    transport: Arc<crate::http::Transport>,
    auth_url: Url,
    store: TokenStore,
    name: String,
    service: Service,
    rejected: Option<Arc<Token>>,
}

#[cfg(feature = "token-store")]
impl Renewal {
    async fn run(self) -> Result<Tokens> {
        let locked = self.store.lock().await?;
        let mut sign_in = signed_in(&self.name, &self.store, locked.get(&self.name).await?, &self.auth_url)?;
        // Another process, or a new sign-in, may have stored a valid token while this one waited.
        let to = Connection { transport: &self.transport, auth_url: &self.auth_url };
        let need = self.rejected.as_ref().map_or(Need::Fresh, Need::OtherThan);
        if renew(&mut sign_in, &to, &self.service, &need).await? {
            locked.put(&self.name, &sign_in).await?;
        }
        Ok(sign_in.tokens)
    }
}

#[cfg(feature = "token-store")]
async fn stored(store: &TokenStore, name: &str, auth_url: &Url) -> Result<SignIn> {
    signed_in(name, store, store.get(name).await?, auth_url)
}

/// A sign-in is used only with the service that issued it: its tokens must not be sent to another one.
#[cfg(feature = "token-store")]
fn signed_in(name: &str, store: &TokenStore, found: Option<SignIn>, auth_url: &Url) -> Result<SignIn> {
    let missing =
        || Error::not_signed_in(format!("there is no sign-in '{name}' in {}", store.path().display()));
    let sign_in = found.ok_or_else(missing)?;
    if sign_in.auth_url != *auth_url {
        let why = format!("the sign-in '{name}' is of {}, not of {auth_url}", sign_in.auth_url);
        return Err(Error::not_signed_in(why));
    }
    Ok(sign_in)
}

fn same(one: &Token, other: &Token) -> bool {
    use secrecy::ExposeSecret;
    one.access.expose_secret() == other.access.expose_secret()
}
