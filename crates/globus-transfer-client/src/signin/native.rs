//! Native applications: programs on a person's machine, which can keep no secret.

use std::sync::Arc;

use url::Url;
use uuid::Uuid;

use super::authorization_code::{CodeFlow, sign_in_options};
use super::loopback::LoopbackSignIn;
use super::sign_in::PendingSignIn;
use crate::error::{AuthorizationParameters, Result};
use crate::http::Transport;
use crate::scope::Scope;
use crate::service::Service;

/// A registered native ("thick client") application through which people sign in.
///
/// ```
/// use globus_transfer_client::{NativeApp, Scope};
///
/// let app = NativeApp::new("4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?)
///     .data_access("313ce13e-b597-5858-ae13-29e46fea26e6".parse()?)
///     .label("beamline computer");
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct NativeApp {
    flow: CodeFlow,
}

impl NativeApp {
    /// An application by its client id. It asks for all of Transfer, for looking up identities and for the
    /// person's profile, with tokens that renew themselves.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// ```
    pub fn new(client_id: Uuid) -> Self {
        Self { flow: CodeFlow::new(client_id, None) }
    }

    /// Sets where the browser returns; by default Globus's own page, which shows the code to paste.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.redirect("http://localhost:8000/".parse().unwrap());
    /// ```
    pub fn redirect(mut self, page: Url) -> Self {
        self.flow.redirect = Some(page);
        self
    }

    sign_in_options!("NativeApp::new(uuid::Uuid::from_u128(1))");

    pub(crate) fn start(&self, transport: &Arc<Transport>, auth_url: &Url) -> Result<PendingSignIn> {
        self.flow.start(transport, auth_url)
    }

    pub(crate) async fn start_on_loopback(
        &self,
        transport: &Arc<Transport>,
        auth_url: &Url,
    ) -> Result<LoopbackSignIn> {
        LoopbackSignIn::start(self.flow.clone(), transport, auth_url).await
    }
}
