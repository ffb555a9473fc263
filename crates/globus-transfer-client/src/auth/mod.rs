//! Globus Auth: identities, and who is signed in.

mod identities;
mod userinfo;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::client::Core;
use crate::error::Result;
use crate::http::{Call, Credentials};
use crate::signin::{NativeApp, PendingSignIn, Service, SignIn};

pub use identities::{GetIdentities, Identities, IdentitiesHandler, Identity};
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

    /// Looking up identities.
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

    /// Who is signed in.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) when the token doesn't have the scope `openid`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.auth().userinfo().await?.sub);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn userinfo(self) -> Result<UserInfo> {
        let url = self.core.auth_endpoint(&["v2", "oauth2", "userinfo"])?;
        self.core.call(Service::Auth, Call::get(url, "ask who is signed in")).await
    }

    /// What Globus Auth says about a token, asked by the registered application that it belongs to.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?;
    /// let said = client.auth().introspect(id, &"the secret".into(), &"the token".into()).await?;
    /// println!("valid: {}", said.active);
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
        let call = Call::post_form(url, "ask about a token", &[("token", token.expose_secret())]);
        let id = client_id.to_string();
        self.core.answer_with(&call, Credentials::Basic { id: &id, secret }).await?.json(&call.tried)
    }

    /// Starts the sign-in of a person: they open a page and bring back a code.
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
    pub fn sign_in(self, app: &NativeApp) -> Result<PendingSignIn<'a>> {
        app.start(self.core.transport(), self.core.auth_url())
    }

    /// Makes all tokens of a sign-in invalid.
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
        sign_in.revoke(self.core.transport()).await
    }
}
