//! Globus Auth: identities, tokens, and signing in.

mod consents;
mod identities;
mod providers;
mod userinfo;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::{Call, Credentials};
use crate::service::Service;
#[cfg(feature = "oauth")]
use crate::signin::{
    ClientCredentials, ConfidentialApp, LoopbackSignIn, NativeApp, PendingSignIn, SignIn, Tokens,
    dependent_tokens,
};

pub use consents::Consent;
pub use identities::{GetIdentities, Identities, IdentitiesHandler, Identity};
pub use providers::IdentityProvider;
pub use userinfo::{Introspection, LinkedIdentity, UserInfo};

/// The calls of Globus Auth; see [`GlobusClient::auth`](crate::GlobusClient::auth).
#[derive(Clone, Copy)]
pub struct AuthHandler<'a> {
    core: &'a Core,
}

impl<'a> AuthHandler<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Looks up identities.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// println!("{} found", found.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn identities(self) -> IdentitiesHandler<'a> {
        IdentitiesHandler::new(self.core)
    }

    /// Gets the identity providers (login services) with these ids.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for provider in client.auth().identity_providers_by_ids(&[id]).await? {
    ///     println!("{}", provider.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn identity_providers_by_ids(self, ids: &[Uuid]) -> Result<Vec<IdentityProvider>> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        providers::get(self.core, "ids", &ids).await
    }

    /// Gets the identity providers of these domains, such as `anl.gov`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// let found = client.auth().identity_providers_by_domains(&["example.org"]).await?;
    /// println!("{}", if found.is_empty() { "no login of this institution" } else { "sign in with your institution" });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn identity_providers_by_domains<S: AsRef<str>>(
        self,
        domains: &[S],
    ) -> Result<Vec<IdentityProvider>> {
        let domains: Vec<String> = domains.iter().map(|domain| domain.as_ref().to_owned()).collect();
        providers::get(self.core, "domains", &domains).await
    }

    /// Lists the consents that an identity has given. Needs
    /// [`Scope::view_consents`](crate::Scope::view_consents).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, identity: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for consent in client.auth().consents(identity).await? {
    ///     println!("{}", consent.scope_name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn consents(self, identity: Uuid) -> Result<Vec<Consent>> {
        consents::list(self.core, identity).await
    }

    /// Returns the signed-in account.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when the token doesn't have the scope
    /// `openid`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.auth().userinfo().await?.sub);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn userinfo(self) -> Result<UserInfo> {
        let url = self.core.auth_endpoint(&["v2", "oauth2", "userinfo"])?;
        self.core.call(&Service::auth(), Call::get(url, "get the signed-in account")).await
    }

    /// Returns the OpenID Connect configuration of Globus Auth. It needs no token.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.auth().openid_configuration().await?["issuer"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn openid_configuration(self) -> Result<Value> {
        let url = self.core.auth_endpoint(&[".well-known", "openid-configuration"])?;
        let call = Call::get(url, "get the OpenID configuration");
        self.core.send_as(&call, Credentials::None).await?.json(&call.operation)
    }

    /// Returns the keys with which Globus Auth signs id tokens (a JSON Web Key Set). It needs no token.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.auth().signing_keys().await?["keys"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn signing_keys(self) -> Result<Value> {
        let url = self.core.auth_endpoint(&["jwk.json"])?;
        let call = Call::get(url, "get the signing keys");
        self.core.send_as(&call, Credentials::None).await?.json(&call.operation)
    }

    /// Returns what Globus Auth knows about a token, asked by the registered application that it was issued
    /// for.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?;
    /// let token = client.auth().introspect(id, &"the secret".into(), &"the token".into()).await?;
    /// println!("valid: {}", token.active);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn introspect(
        self,
        client_id: Uuid,
        secret: &SecretString,
        token: &SecretString,
    ) -> Result<Introspection> {
        let url = self.core.auth_endpoint(&["v2", "oauth2", "token", "introspect"])?;
        let call = Call::post_form(url, "look up a token", &[("token", token.expose_secret())]);
        let id = client_id.to_string();
        self.core.send_as(&call, Credentials::Basic { id: &id, secret }).await?.json(&call.operation)
    }

    /// Revokes one token of a registered application.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?;
    /// client.auth().revoke(id, Some(&"the secret".into()), &"the token".into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke(
        self,
        client_id: Uuid,
        secret: Option<&SecretString>,
        token: &SecretString,
    ) -> Result<()> {
        let url = self.core.auth_endpoint(&["v2", "oauth2", "token", "revoke"])?;
        let id = client_id.to_string();
        let fields = [("token", token.expose_secret()), ("client_id", id.as_str())];
        let call = Call::post_form(url, "revoke a token", &fields);
        let credentials = secret.map_or(Credentials::None, |secret| Credentials::Basic { id: &id, secret });
        self.core.send_as(&call, credentials).await.map(|_| ())
    }
}

#[cfg(feature = "oauth")]
impl AuthHandler<'_> {
    /// Starts the sign-in of a person who opens a page and pastes the code that it shows.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// use globus_transfer_client::NativeApp;
    ///
    /// let app = NativeApp::new("4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?);
    /// let pending = client.auth().sign_in(&app)?;
    /// println!("open {} and paste the code", pending.url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign_in(self, app: &NativeApp) -> Result<PendingSignIn> {
        app.start(&self.core.transport, &self.core.auth_url)
    }

    /// Starts the sign-in of a person whose browser runs on this machine: the code comes back by itself.
    ///
    /// # Errors
    /// [`Network`](crate::ErrorKind::Network) when no port on loopback can be opened.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, app: globus_transfer_client::NativeApp)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let pending = client.auth().sign_in_on_loopback(&app).await?;
    /// println!("open {}", pending.url());
    /// let sign_in = pending.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sign_in_on_loopback(self, app: &NativeApp) -> Result<LoopbackSignIn> {
        app.start_on_loopback(&self.core.transport, &self.core.auth_url).await
    }

    /// Starts the sign-in of a person at a web portal.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, portal: globus_transfer_client::ConfidentialApp)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let pending = client.auth().sign_in_to_portal(&portal)?;
    /// println!("redirect the browser to {}", pending.url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign_in_to_portal(self, app: &ConfidentialApp) -> Result<PendingSignIn> {
        app.start(&self.core.transport, &self.core.auth_url)
    }

    /// Revokes all tokens of a sign-in.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, store: globus_transfer_client::TokenStore)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// if let Some(sign_in) = store.remove("default").await? {
    ///     client.auth().sign_out(&sign_in).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sign_out(self, sign_in: &SignIn) -> Result<()> {
        sign_in.revoke(&self.core.transport).await
    }

    /// Exchanges a token that `service` received for tokens of the services that it depends on. Without
    /// scopes, Globus Auth issues all that the token allows.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, service: globus_transfer_client::ClientCredentials)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let received = "Ag…".into();
    /// let tokens = client.auth().dependent_tokens(&service, &received, &[], false).await?;
    /// println!("{:?}", tokens.get("transfer.api.globus.org").and_then(|token| token.expires_at()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dependent_tokens(
        self,
        service: &ClientCredentials,
        token: &SecretString,
        scopes: &[crate::Scope],
        refresh_tokens: bool,
    ) -> Result<Tokens> {
        let core = self.core;
        dependent_tokens(&core.transport, &core.auth_url, service, token, scopes, refresh_tokens).await
    }
}
