//! The authorization code flow with PKCE, which native and confidential applications share.

use std::sync::Arc;

use oauth2::{CsrfToken, PkceCodeChallenge, RedirectUrl};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::oauth::oauth_client;
use super::sign_in::PendingSignIn;
use crate::error::{AuthorizationParameters, Result};
use crate::http::{Transport, endpoint};
use crate::scope::Scope;

/// What a person is asked for.
#[derive(Debug, Clone)]
pub(super) struct CodeFlow {
    pub client_id: String,
    pub secret: Option<SecretString>,
    pub scopes: Vec<Scope>,
    /// Where the browser returns; by default Globus's own page, which shows the code to paste.
    pub redirect: Option<Url>,
    pub label: Option<String>,
    pub refresh_tokens: bool,
    pub prompt: Option<String>,
    pub session: AuthorizationParameters,
}

impl CodeFlow {
    /// All of Transfer, looking up identities, and the profile of the person, with tokens that renew
    /// themselves.
    pub fn new(client_id: Uuid, secret: Option<SecretString>) -> Self {
        Self {
            client_id: client_id.to_string(),
            secret,
            scopes: vec![
                Scope::openid(),
                Scope::profile(),
                Scope::email(),
                Scope::view_identities(),
                Scope::view_identity_set(),
                Scope::transfer_all(),
            ],
            redirect: None,
            label: None,
            refresh_tokens: true,
            prompt: None,
            session: AuthorizationParameters::default(),
        }
    }

    /// Adds what an error says that the sign-in must satisfy.
    pub fn satisfy(&mut self, required: &AuthorizationParameters) -> Result<()> {
        for text in &required.required_scopes {
            Scope::merge(&mut self.scopes, Scope::parse_all(text)?);
        }
        if let Some(prompt) = &required.prompt {
            self.prompt = Some(prompt.clone());
        }
        self.session = required.clone();
        Ok(())
    }

    /// Makes the URL that the person opens, and what finishes the sign-in.
    pub fn start(&self, transport: &Arc<Transport>, auth_url: &Url) -> Result<PendingSignIn> {
        let page = match &self.redirect {
            Some(page) => page.clone(),
            None => endpoint(auth_url, &["v2", "web", "auth-code"])?,
        };
        let client = oauth_client(auth_url, &self.client_id)?.set_redirect_uri(RedirectUrl::from_url(page));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(self.scopes.iter().map(|scope| oauth2::Scope::new(scope.to_string())))
            .set_pkce_challenge(challenge)
            .add_extra_param("access_type", if self.refresh_tokens { "offline" } else { "online" });
        for (name, value) in self.parameters() {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(PendingSignIn {
            transport: transport.clone(),
            client,
            client_id: self.client_id.clone(),
            secret: self.secret.clone(),
            auth_url: auth_url.clone(),
            url,
            state,
            verifier,
        })
    }

    /// The parameters that Globus Auth adds to OAuth, as the Python SDK writes them.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let session = &self.session;
        let joined = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
        [
            ("prefill_named_grant", self.label.clone()),
            ("prompt", self.prompt.clone()),
            ("session_message", session.session_message.clone()),
            ("session_required_identities", joined(&session.session_required_identities)),
            ("session_required_policies", joined(&session.session_required_policies)),
            ("session_required_single_domain", joined(&session.session_required_single_domain)),
            ("session_required_mfa", (session.session_required_mfa == Some(true)).then(|| "True".to_owned())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// The options of a sign-in, the same for every kind of application. `$app` is an expression for the
/// examples.
macro_rules! sign_in_options {
    ($app:literal) => {
        /// Adds a scope, such as one that `ConsentRequired` names.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.scope(Scope::groups_all());
        /// ```
        pub fn scope(mut self, scope: Scope) -> Self {
            Scope::merge(&mut self.flow.scopes, [scope]);
            self
        }

        /// Adds the scopes of a service.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.service(&Service::timers());
        /// ```
        pub fn service(mut self, service: &Service) -> Self {
            Scope::merge(&mut self.flow.scopes, service.scopes().iter().cloned());
            self
        }

        /// Asks for access to the data of a mapped collection.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.data_access(uuid::Uuid::from_u128(2));
        /// ```
        pub fn data_access(self, collection: Uuid) -> Self {
            self.scope(Scope::transfer_all().with(Scope::data_access(collection)))
        }

        /// Asks for everything that an error says the session lacks: identities, policies, multi-factor
        /// authentication, scopes.
        ///
        /// # Errors
        /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) when a required scope can't be
        /// parsed.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# fn example(error: Error) -> Result<()> { let app = ", $app, ";")]
        /// if let Some(required) = error.authorization_parameters() {
        ///     let app = app.satisfying(required)?;
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub fn satisfying(mut self, required: &AuthorizationParameters) -> Result<Self> {
            self.flow.satisfy(required)?;
            Ok(self)
        }

        /// Names this machine or use on the consent page, so that the person can tell their consents apart.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.label("beamline computer");
        /// ```
        pub fn label(mut self, label: impl Into<String>) -> Self {
            self.flow.label = Some(label.into());
            self
        }

        /// Sets whether the tokens renew themselves (the default) or expire after two days.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.refresh_tokens(false);
        /// ```
        pub fn refresh_tokens(mut self, wanted: bool) -> Self {
            self.flow.refresh_tokens = wanted;
            self
        }

        /// Makes the person authenticate even when the browser has a session.
        ///
        /// ```
        /// # use globus_transfer_client::*;
        #[doc = concat!("# let app = ", $app, ";")]
        /// let app = app.prompt_login();
        /// ```
        pub fn prompt_login(mut self) -> Self {
            self.flow.prompt = Some("login".to_owned());
            self
        }
    };
}
pub(super) use sign_in_options;
