//! Client credentials: an application that signs in as itself.

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::oauth::{TokenEndpoint, failed, oauth_client, tokens_of};
use super::token::Tokens;
use crate::error::Result;
use crate::http::{Repeat, Transport};
use crate::scope::Scope;

/// The sign-in of a registered service by its client id and secret ("service account" in the Globus console).
///
/// Its identity is `<client id>@clients.auth.globus.org`: give that one roles and permissions.
///
/// ```
/// use globus_transfer_client::{Authorizer, ClientCredentials};
///
/// let service = ClientCredentials::new("4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?, "the secret");
/// let authorizer = Authorizer::client_credentials(service);
/// # let _ = authorizer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    pub(super) client_id: String,
    pub(super) secret: SecretString,
    pub(super) scopes: Vec<Scope>,
}

impl ClientCredentials {
    /// A service with its secret, for all of Transfer and for looking up identities. Other services are added
    /// with the first call to them. (For `userinfo`, add [`Scope::openid`].)
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let service = ClientCredentials::new(uuid::Uuid::from_u128(1), "the secret");
    /// ```
    pub fn new(client_id: Uuid, secret: impl Into<SecretString>) -> Self {
        Self {
            client_id: client_id.to_string(),
            secret: secret.into(),
            scopes: vec![Scope::transfer_all(), Scope::view_identities()],
        }
    }

    /// Adds a scope.
    ///
    /// ```
    /// # use globus_transfer_client::{ClientCredentials, Scope};
    /// # let service = ClientCredentials::new(uuid::Uuid::nil(), "the secret");
    /// let service = service.scope(Scope::email());
    /// ```
    pub fn scope(mut self, scope: Scope) -> Self {
        Scope::merge(&mut self.scopes, [scope]);
        self
    }

    /// Asks for access to the data of a mapped collection from the start, which saves the first rejected
    /// call.
    ///
    /// ```
    /// # use globus_transfer_client::ClientCredentials;
    /// # let service = ClientCredentials::new(uuid::Uuid::nil(), "the secret");
    /// let service = service.data_access("313ce13e-b597-5858-ae13-29e46fea26e6".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn data_access(self, collection: Uuid) -> Self {
        self.scope(Scope::transfer_all().with(Scope::data_access(collection)))
    }

    /// Fetches tokens for these scopes, all in one request.
    pub(super) async fn fetch(
        &self,
        transport: &Transport,
        auth_url: &Url,
        scopes: &[Scope],
    ) -> Result<Tokens> {
        let operation = format!("sign in at {auth_url} as the service {}", self.client_id);
        let client = oauth_client(auth_url, &self.client_id)?;
        let http = TokenEndpoint {
            transport,
            operation: &operation,
            repeat: Repeat::Idempotent,
            basic: Some((&self.client_id, &self.secret)),
        };
        let response = client
            .exchange_client_credentials()
            .add_scopes(scopes.iter().map(|scope| oauth2::Scope::new(scope.to_string())))
            .request_async(&http)
            .await
            .map_err(|error| failed(&operation, error))?;
        tokens_of(&operation, &response)
    }
}
