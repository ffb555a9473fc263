//! The sign-in of a person: a page in the browser, a code to paste, and tokens that renew themselves.

use oauth2::{AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use reqwest::Url;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::oauth::{OauthClient, TokenEndpoint, failed, oauth_client, tokens_of};
use super::scope::Scope;
use super::token::Tokens;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Call, Credentials, Repeat, Transport, endpoint};

/// A registered native ("thick client") application, by which people sign in.
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
    client_id: String,
    scopes: Vec<Scope>,
    redirect: Option<Url>,
    label: Option<String>,
    refresh_tokens: bool,
    again: bool,
}

impl NativeApp {
    /// An application by its client id. It asks for all of Transfer, for looking up identities and for who signs in,
    /// with tokens that renew themselves.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// ```
    pub fn new(client_id: Uuid) -> Self {
        Self {
            client_id: client_id.to_string(),
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
            again: false,
        }
    }

    /// Asks for another scope too, such as one that `ConsentRequired` names.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.scope(Scope::email());
    /// ```
    pub fn scope(mut self, scope: Scope) -> Self {
        Scope::merge(&mut self.scopes, [scope]);
        self
    }

    /// Asks for access to the data of a mapped collection.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.data_access(uuid::Uuid::from_u128(2));
    /// ```
    pub fn data_access(self, collection: Uuid) -> Self {
        self.scope(Scope::transfer_all().with(Scope::data_access(collection)))
    }

    /// The page to return to; by default Globus's own, which shows the code to paste.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.redirect("http://localhost:8000/".parse().unwrap());
    /// ```
    pub fn redirect(mut self, page: Url) -> Self {
        self.redirect = Some(page);
        self
    }

    /// Names this machine or use on the consent page, so that the person can tell their consents apart.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.label("beamline computer");
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Whether the tokens renew themselves (the default), or end after two days.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.refresh_tokens(false);
    /// ```
    pub fn refresh_tokens(mut self, wanted: bool) -> Self {
        self.refresh_tokens = wanted;
        self
    }

    /// Asks the person to sign in again even when the browser remembers them.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # let app = NativeApp::new(uuid::Uuid::from_u128(1));
    /// let app = app.ask_again();
    /// ```
    pub fn ask_again(mut self) -> Self {
        self.again = true;
        self
    }

    pub(crate) fn start<'a>(&self, transport: &'a Transport, auth_url: &Url) -> Result<PendingSignIn<'a>> {
        let page = match &self.redirect {
            Some(page) => page.clone(),
            None => endpoint(auth_url, &["v2", "web", "auth-code"])?,
        };
        let client = oauth_client(auth_url, &self.client_id)?.set_redirect_uri(RedirectUrl::from_url(page));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            // The code is pasted by the person who asked for it; PKCE ties it to this process.
            .authorize_url(|| CsrfToken::new("_default".to_owned()))
            .add_scopes(self.scopes.iter().map(|scope| oauth2::Scope::new(scope.to_string())))
            .set_pkce_challenge(challenge)
            .add_extra_param("access_type", if self.refresh_tokens { "offline" } else { "online" });
        if let Some(label) = &self.label {
            request = request.add_extra_param("prefill_named_grant", label);
        }
        if self.again {
            request = request.add_extra_param("prompt", "login");
        }
        let (url, _state) = request.url();
        Ok(PendingSignIn {
            transport,
            client,
            client_id: self.client_id.clone(),
            auth_url: auth_url.clone(),
            url,
            verifier,
        })
    }
}

/// A sign-in that waits for the person; see [`AuthHandler::sign_in`](crate::auth::AuthHandler::sign_in).
pub struct PendingSignIn<'a> {
    transport: &'a Transport,
    client: OauthClient,
    client_id: String,
    auth_url: Url,
    url: Url,
    verifier: PkceCodeVerifier,
}

impl PendingSignIn<'_> {
    /// The page that the person opens.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(pending: PendingSignIn<'_>) -> Result<()> {
    /// println!("open {}", pending.url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Turns the code that the page showed (or the address that it led to) into tokens.
    ///
    /// # Errors
    /// [`ErrorKind::AuthenticationFailed`] when the code is wrong, too old or of another sign-in.
    ///
    /// ```no_run
    /// # async fn example(pending: globus_transfer_client::PendingSignIn<'_>) -> Result<(), globus_transfer_client::Error> {
    /// println!("open {}", pending.url());
    /// let sign_in = pending.finish("the code").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(self, code: &str) -> Result<SignIn> {
        let tried = format!("sign in at {}", self.auth_url);
        let http = TokenEndpoint {
            transport: self.transport,
            tried: &tried,
            // A code is good once: a second time its answer would hide how the first one went.
            repeat: Repeat::OnlyIfNotDone,
            basic: None,
        };
        let response = self
            .client
            .exchange_code(AuthorizationCode::new(pasted_code(&tried, code)?))
            .set_pkce_verifier(self.verifier)
            .request_async(&http)
            .await
            .map_err(|error| match failed(&tried, error) {
                error if *error.kind() == ErrorKind::AuthenticationFailed => {
                    error.advise("start again and paste the new code: a code is good once, for a few minutes")
                }
                error => error,
            })?;
        Ok(SignIn { client_id: self.client_id, auth_url: self.auth_url, tokens: tokens_of(&tried, &response)? })
    }
}

/// People paste the code with spaces around it, or the whole address that the page led to.
fn pasted_code(tried: &str, pasted: &str) -> Result<String> {
    let pasted = pasted.trim();
    let from_address = || {
        let url: Url = pasted.parse().ok()?;
        url.query_pairs().find(|(key, _)| key == "code").map(|(_, code)| code.into_owned())
    };
    let code = if pasted.contains("://") { from_address() } else { Some(pasted.to_owned()) };
    code.filter(|code| !code.is_empty())
        .ok_or_else(|| Error::local(ErrorKind::InvalidRequest, tried, "there is no code in what was pasted"))
}

/// A person's sign-in: the application that it was made with, and its tokens. Its `Debug` form doesn't show them.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub(super) client_id: String,
    pub(super) auth_url: Url,
    pub(super) tokens: Tokens,
}

impl SignIn {
    /// The client id of the application.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(sign_in: SignIn) {
    /// println!("{}", sign_in.client_id());
    /// # }
    /// ```
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The Auth service that it is of.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(sign_in: SignIn) {
    /// println!("{}", sign_in.auth_url());
    /// # }
    /// ```
    pub fn auth_url(&self) -> &Url {
        &self.auth_url
    }

    /// The tokens, by service.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(sign_in: SignIn) {
    /// for (service, token) in sign_in.tokens().iter() {
    ///     println!("{service} until {:?}", token.expires_at());
    /// }
    /// # }
    /// ```
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Gets a new access token for a service by its refresh token.
    pub(super) async fn refresh(&mut self, transport: &Transport, server: &str) -> Result<()> {
        let tried = format!("renew the sign-in at {}", self.auth_url);
        let token = self.tokens.0.get(server).and_then(|token| token.refresh.clone()).ok_or_else(|| {
            let why = format!("the token for {server} has ended, and there is none to renew it with");
            Error::local(ErrorKind::AuthenticationFailed, tried.as_str(), why)
        })?;
        let http = TokenEndpoint { transport, tried: &tried, repeat: Repeat::Harmless, basic: None };
        let response = oauth_client(&self.auth_url, &self.client_id)?
            .exchange_refresh_token(&oauth2::RefreshToken::new(token.expose_secret().to_owned()))
            .request_async(&http)
            .await
            .map_err(|error| match failed(&tried, error) {
                error if *error.kind() == ErrorKind::AuthenticationFailed => error.advise("sign in again"),
                error => error,
            })?;
        self.tokens.replace_with(tokens_of(&tried, &response)?);
        Ok(())
    }

    /// Makes all its tokens invalid.
    pub(crate) async fn revoke(&self, transport: &Transport) -> Result<()> {
        let url = endpoint(&self.auth_url, &["v2", "oauth2", "token", "revoke"])?;
        for token in self.tokens.0.values() {
            // The access token first: revoking the refresh token ends those that were made with it.
            for secret in [Some(&token.access), token.refresh.as_ref()].into_iter().flatten() {
                let fields = [("token", secret.expose_secret()), ("client_id", self.client_id.as_str())];
                let call = Call::post_form(url.clone(), format!("sign out at {}", self.auth_url), &fields);
                transport.send(&call, Credentials::None).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_as_people_paste_them() {
        let code = |text| pasted_code("x", text).ok();
        assert_eq!(code("  aBc123\n").as_deref(), Some("aBc123"));
        assert_eq!(
            code("https://auth.globus.org/v2/web/auth-code?code=aBc%2B1&state=_default").as_deref(),
            Some("aBc+1")
        );
        assert_eq!(code("https://auth.globus.org/v2/web/auth-code?error=access_denied"), None);
        assert_eq!(code(" "), None);
    }
}
