//! A person's sign-in, from the page in the browser to its end.

use std::sync::Arc;

use oauth2::{AuthorizationCode, CsrfToken, PkceCodeVerifier};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::oauth::{OauthClient, TokenEndpoint, failed, oauth_client, tokens_of};
use super::token::Tokens;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Call, Credentials, Repeat, Transport, endpoint};

/// A sign-in that waits for the person; see [`AuthHandler::sign_in`](crate::auth::AuthHandler::sign_in).
pub struct PendingSignIn {
    pub(super) transport: Arc<Transport>,
    pub(super) client: OauthClient,
    pub(super) client_id: String,
    pub(super) secret: Option<SecretString>,
    pub(super) auth_url: Url,
    pub(super) url: Url,
    pub(super) state: CsrfToken,
    pub(super) verifier: PkceCodeVerifier,
}

impl std::fmt::Debug for PendingSignIn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PendingSignIn").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl PendingSignIn {
    /// The page that the person opens.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(pending: PendingSignIn) -> Result<()> {
    /// println!("open {}", pending.url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Exchanges the code for tokens: the code that the page shows, or the whole address that the browser
    /// returned to, whose `state` must be that of this sign-in.
    ///
    /// # Errors
    /// [`ErrorKind::AuthenticationFailed`] when the code is wrong, expired or of another sign-in, or when the
    /// person declined; [`ErrorKind::InvalidRequest`] when the text contains no code.
    ///
    /// ```no_run
    /// # async fn example(pending: globus_transfer_client::PendingSignIn) -> Result<(),
    /// globus_transfer_client::Error> { println!("open {}", pending.url()); let sign_in = pending.finish("the
    /// code").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(self, code: &str) -> Result<SignIn> {
        let operation = format!("sign in at {}", self.auth_url);
        let code = code_of(&operation, code, self.state.secret())?;
        let http = TokenEndpoint {
            transport: &self.transport,
            operation: &operation,
            // A code is valid once: the response to a second attempt would hide how the first one ended.
            repeat: Repeat::OnlyIfNotDone,
            basic: self.secret.as_ref().map(|secret| (self.client_id.as_str(), secret)),
        };
        let response = self
            .client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(self.verifier)
            .request_async(&http)
            .await
            .map_err(|error| failed(&operation, error))?;
        let tokens = tokens_of(&operation, &response)?;
        Ok(SignIn { client_id: self.client_id, secret: self.secret, auth_url: self.auth_url, tokens })
    }
}

/// The code in what a person pasted or a browser brought back: the code itself, or an address with it in its
/// query.
fn code_of(operation: &str, pasted: &str, state: &str) -> Result<String> {
    let pasted = pasted.trim();
    let missing = || Error::local(ErrorKind::InvalidRequest, operation, "the text contains no code");
    if !pasted.contains("://") {
        return Some(pasted.to_owned()).filter(|code| !code.is_empty()).ok_or_else(missing);
    }
    let url: Url = pasted.parse().map_err(|_| missing())?;
    let field =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let rejected = |why: String| Error::local(ErrorKind::AuthenticationFailed, operation, why);
    // Anybody can make an address without it, or with another one.
    if field("state").as_deref() != Some(state) {
        return Err(rejected("the address is of another sign-in".to_owned()));
    }
    if let Some(error) = field("error") {
        return Err(rejected(match field("error_description") {
            Some(words) => format!("{error}: {words}"),
            None => error,
        }));
    }
    field("code").filter(|code| !code.is_empty()).ok_or_else(missing)
}

/// A person's sign-in: the application that it was made with, and its tokens. Its `Debug` form shows no
/// secret.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub(super) client_id: String,
    /// Of a confidential application.
    pub(super) secret: Option<SecretString>,
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

    /// The Auth service that issued it.
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

    /// The tokens, by resource server.
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
        let operation = format!("renew the sign-in at {}", self.auth_url);
        let token = self.tokens.0.get(server).and_then(|token| token.refresh.clone()).ok_or_else(|| {
            let why = format!("the token for {server} has expired and can't be renewed");
            Error::local(ErrorKind::AuthenticationFailed, operation.as_str(), why)
        })?;
        let http = TokenEndpoint {
            transport,
            operation: &operation,
            repeat: Repeat::Idempotent,
            basic: self.secret.as_ref().map(|secret| (self.client_id.as_str(), secret)),
        };
        let response = oauth_client(&self.auth_url, &self.client_id)?
            .exchange_refresh_token(&oauth2::RefreshToken::new(token.expose_secret().to_owned()))
            .request_async(&http)
            .await
            .map_err(|error| failed(&operation, error))?;
        self.tokens.replace_with(tokens_of(&operation, &response)?);
        Ok(())
    }

    /// Revokes all its tokens.
    pub(crate) async fn revoke(&self, transport: &Transport) -> Result<()> {
        let url = endpoint(&self.auth_url, &["v2", "oauth2", "token", "revoke"])?;
        let credentials = match &self.secret {
            Some(secret) => Credentials::Basic { id: &self.client_id, secret },
            None => Credentials::None,
        };
        for token in self.tokens.0.values() {
            // The access token first: revoking the refresh token ends those that were made with it.
            for secret in [Some(&token.access), token.refresh.as_ref()].into_iter().flatten() {
                let fields = [("token", secret.expose_secret()), ("client_id", self.client_id.as_str())];
                let call = Call::post_form(url.clone(), format!("sign out at {}", self.auth_url), &fields);
                transport.send(&call, credentials).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_paste_them() {
        let code = |text| code_of("x", text, "s1");
        assert_eq!(code("  aBc123\n").unwrap(), "aBc123");
        assert_eq!(code("https://auth.globus.org/v2/web/auth-code?code=aBc%2B1&state=s1").unwrap(), "aBc+1");
        assert_eq!(code(" ").unwrap_err().kind(), &ErrorKind::InvalidRequest);
        for (rejected, why) in [
            ("https://x.example/?error=access_denied&state=s1", "access_denied"),
            ("https://x.example/?error=access_denied&state=other", "another sign-in"),
            ("https://x.example/?code=a&state=other", "another sign-in"),
            ("https://x.example/?code=a&state=", "another sign-in"),
            ("https://x.example/?code=a", "another sign-in"),
        ] {
            let error = code(rejected).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::AuthenticationFailed, "{rejected}");
            assert!(error.to_string().contains(why), "{rejected}: {error}");
        }
    }
}
