//! What the caller's session lacks, as Globus services say it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lenient;

/// What a sign-in must satisfy before a rejected call can succeed: the `authorization_parameters` of an
/// error.
///
/// Pass it to [`NativeApp::satisfying`](crate::NativeApp::satisfying) to start the sign-in that is asked for.
/// The format is that of the "Globus Auth Requirements Errors" of the Python SDK.
///
/// ```no_run
/// # async fn example(client: globus_transfer_client::GlobusClient, app: globus_transfer_client::NativeApp,
/// # collection: uuid::Uuid) -> Result<(), globus_transfer_client::Error> {
/// if let Err(error) = client.transfer().ls(collection, "/").send().await
///     && let Some(required) = error.authorization_parameters()
/// {
///     let pending = client.auth().sign_in(&app.satisfying(required)?)?;
///     println!("open {}", pending.url());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuthorizationParameters {
    /// A message for the person.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub session_message: Option<String>,
    /// Identities (ids or usernames), one of which must sign in during this session.
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub session_required_identities: Vec<String>,
    /// Ids of policies of Globus Auth that the session must satisfy.
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub session_required_policies: Vec<String>,
    /// Domains, an identity of one of which must sign in during this session.
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub session_required_single_domain: Vec<String>,
    /// Whether the sign-in must use multi-factor authentication.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub session_required_mfa: Option<bool>,
    /// Scopes that the person must consent to, as the service spells them.
    #[serde(default, deserialize_with = "lenient::texts", skip_serializing_if = "Vec::is_empty")]
    pub required_scopes: Vec<String>,
    /// The OpenID Connect `prompt`, such as `login` when the person must authenticate again.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Parameters that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl AuthorizationParameters {
    /// Whether the session itself must change, and not only its consents.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert!(!AuthorizationParameters::default().requires_session());
    /// ```
    pub fn requires_session(&self) -> bool {
        !self.session_required_identities.is_empty()
            || !self.session_required_policies.is_empty()
            || !self.session_required_single_domain.is_empty()
            || self.session_required_mfa == Some(true)
            || self.prompt.is_some()
            || (self.session_message.is_some() && self.required_scopes.is_empty())
    }

    pub(super) fn read(value: &Value) -> Option<Self> {
        let read: Self = serde_json::from_value(value.clone()).ok()?;
        (read != Self::default()).then_some(read)
    }
}
