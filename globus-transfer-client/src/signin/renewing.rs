//! Tokens that are replaced while the program runs: one request, however many calls wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use super::scope::Scope;
use super::service::ClientCredentials;
use super::token::{Service, Token, Tokens};
use super::{Connection, not_signed_in};
use crate::error::{Error, Result};

/// How new tokens are got.
pub(super) enum Grant {
    Service(ClientCredentials),
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
        Self {
            grant,
            held: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    pub fn name(&self) -> &'static str {
        match self.grant {
            Grant::Service(_) => "Authorizer(client credentials)",
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
        let mut wanted = Vec::new();
        for text in scopes {
            Scope::merge(&mut wanted, Scope::parse_all(text)?);
        }
        {
            let mut held = self.held();
            let known = wanted
                .iter()
                .all(|scope| held.asked.iter().any(|have| have.covers(scope)));
            let current = held.tokens.0.get(service.resource_server());
            // Asked for already, and still refused: another token of the same kind won't help.
            if known && current.is_some_and(|current| Arc::ptr_eq(current, lacking)) {
                return Ok(None);
            }
            Scope::merge(&mut held.consents, wanted);
        }
        self.obtain(to, service, Wanted::OtherThan(lacking))
            .await
            .map(Some)
    }

    async fn obtain(
        &self,
        to: &Connection<'_>,
        service: Service,
        wanted: Wanted<'_>,
    ) -> Result<Arc<Token>> {
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
        let outcome = self.fetch(to).await;
        let mut held = self.held();
        held.fetches += 1;
        match outcome {
            Ok((tokens, asked)) => {
                held.failure = None;
                held.asked = asked;
                held.tokens.replace_with(tokens);
                held.tokens
                    .0
                    .get(service.resource_server())
                    .cloned()
                    .ok_or_else(|| {
                        not_signed_in(&format!(
                            "the sign-in has no token for {}",
                            service.resource_server()
                        ))
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
        let token = held
            .tokens
            .0
            .get(service.resource_server())
            .filter(|token| token.is_fresh());
        match (token, wanted) {
            (Some(token), Wanted::Fresh) => Ok(token.clone()),
            (Some(token), Wanted::OtherThan(old)) if !Arc::ptr_eq(token, old) => Ok(token.clone()),
            _ => Err(held.fetches),
        }
    }

    /// Fetches tokens, and says for which scopes.
    async fn fetch(&self, to: &Connection<'_>) -> Result<(Tokens, Vec<Scope>)> {
        match &self.grant {
            Grant::Service(credentials) => {
                let mut scopes = credentials.scopes.clone();
                Scope::merge(&mut scopes, self.held().consents.clone());
                let tokens = credentials
                    .fetch(to.transport, to.auth_url, &scopes)
                    .await?;
                Ok((tokens, scopes))
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // Nothing is left half-done under this lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
