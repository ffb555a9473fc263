//! Confidential applications: web servers through which people sign in.

use std::sync::Arc;

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::authorization_code::{CodeFlow, sign_in_options};
use super::sign_in::PendingSignIn;
use crate::error::{AuthorizationParameters, Result};
use crate::http::Transport;
use crate::scope::Scope;
use crate::service::Service;

/// A registered confidential application (a web portal) through which people sign in: it has a secret, and
/// the browser returns to a page of its own.
///
/// ```no_run
/// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
/// use globus_transfer_client::ConfidentialApp;
///
/// let portal = ConfidentialApp::new(
///     "4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?,
///     "the secret",
///     "https://portal.example.org/signed-in".parse()?,
/// );
/// let pending = client.auth().sign_in_to_portal(&portal)?;
/// // Redirect the browser to pending.url(). It comes back with a query that finishes the sign-in:
/// let returned = "https://portal.example.org/signed-in?code=abc&state=xyz";
/// let sign_in = pending.finish(returned).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConfidentialApp {
    flow: CodeFlow,
}

impl ConfidentialApp {
    /// An application by its client id and secret, and its registered page to return to.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let page = "https://portal.example.org/signed-in".parse().unwrap();
    /// let app = ConfidentialApp::new(uuid::Uuid::from_u128(1), "the secret", page);
    /// ```
    pub fn new(client_id: Uuid, secret: impl Into<SecretString>, redirect: Url) -> Self {
        let mut flow = CodeFlow::new(client_id, Some(secret.into()));
        flow.redirect = Some(redirect);
        Self { flow }
    }

    sign_in_options!(
        "ConfidentialApp::new(uuid::Uuid::from_u128(1), \"s\", \"https://portal.example.org/\".parse().unwrap())"
    );

    pub(crate) fn start(&self, transport: &Arc<Transport>, auth_url: &Url) -> Result<PendingSignIn> {
        self.flow.start(transport, auth_url)
    }
}
