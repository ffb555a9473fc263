//! Globus as the settings of a beamline name it: the client, the remedies for its errors, and the names of
//! its directories in the journal.

use crate::config::{self, SignIn, read_secret};
use crate::domain::{Retry, StepError};
use globus_transfer_client::{
    AuthorizationParameters, Authorizer, ClientCredentials, Error, ErrorKind, GlobusClient, RetryPolicy,
    TokenStore, Transcript,
};
use uuid::Uuid;

/// The name in the token store under which `beamshare login` keeps the sign-in.
pub const SIGN_IN: &str = "beamshare";

/// The name of a directory on a collection in the journal's claims. Paths below different tops are in
/// different places.
pub fn place_name(collection: Uuid, top: &str) -> String {
    match top.trim_matches('/') {
        "" => format!("globus:{collection}"),
        top => format!("globus:{collection}/{top}"),
    }
}

/// The client of `[globus]`, without retries of its own: beamshare's steps retry, and say so on the screen.
/// An error names the file with the secret.
pub fn client(settings: &config::Globus) -> Result<GlobusClient, StepError> {
    recorded_client(settings, None)
}

/// Like [`client`], with each request and response written to a transcript.
pub fn recorded_client(
    settings: &config::Globus,
    transcript: Option<&Transcript>,
) -> Result<GlobusClient, StepError> {
    let secret = |file| {
        read_secret(file).map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })
    };
    let authorizer = match &settings.sign_in {
        SignIn::Service { client_id, client_secret_file } => {
            let secret = secret(client_secret_file).map_err(|mut error| {
                if !client_secret_file.exists() {
                    error.message.push_str(", or run: beamshare login --service");
                }
                error
            })?;
            Authorizer::client_credentials(ClientCredentials::new(*client_id, secret))
        }
        SignIn::AccessTokenFile { file } => Authorizer::access_token(secret(file)?),
        SignIn::TokenStore { file, .. } => {
            // Whoever can write there could put a link in the place of the store or of its lock.
            let folder = file.parent().filter(|folder| folder.exists());
            let checked = folder.map_or(Ok(()), crate::files::check_own_folder);
            checked.map_err(|error| StepError {
                message: format!("the token store {} {error}", file.display()),
                retry: Retry::Never,
            })?;
            Authorizer::stored(TokenStore::at(file), SIGN_IN)
        }
    };
    let mut builder = GlobusClient::builder()
        .auth_url(settings.auth_url.clone())
        .transfer_url(settings.transfer_url.clone())
        .authorizer(authorizer)
        .request_timeout(settings.timeout)
        .retry(RetryPolicy::none())
        .user_agent(concat!("beamshare/", env!("CARGO_PKG_VERSION")));
    if let Some(transcript) = transcript {
        builder = builder.transcript(transcript.clone());
    }
    builder.build().map_err(|error| step_error(&error, settings))
}

/// The command that signs in with these settings.
pub fn login_command(settings: &config::Globus) -> String {
    // The service's working directory is not the person's.
    let file = settings.file.canonicalize().unwrap_or_else(|_| settings.file.clone());
    format!("beamshare --config {} login", quoted(&file.display().to_string()))
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// An error of Globus with its remedy: the command of this program that helps, or the client's hint.
pub fn explain(error: &Error, settings: &config::Globus) -> String {
    remedy(error, settings).map_or_else(|| error.to_string(), |remedy| format!("{error}; {remedy}"))
}

fn remedy(error: &Error, settings: &config::Globus) -> Option<String> {
    let login = login_command(settings);
    let is_sign_in = matches!(
        error.kind(),
        ErrorKind::NotSignedIn | ErrorKind::AuthenticationFailed | ErrorKind::SessionRequired
    );
    match (error.kind(), &settings.sign_in) {
        (ErrorKind::ConsentRequired { required_scopes }, _) => {
            Some(format!("consent to it by running: {login} --scope {}", quoted(&required_scopes.join(" "))))
        }
        (ErrorKind::SessionRequired, SignIn::TokenStore { .. }) => {
            Some(format!("run: {login}{}", session_options(error.authorization_parameters())))
        }
        (_, SignIn::TokenStore { .. }) if is_sign_in => Some(format!("run: {login}")),
        (_, SignIn::Service { .. }) if is_sign_in => Some(format!("run: {login} --service --replace")),
        (_, SignIn::AccessTokenFile { file }) if is_sign_in => {
            Some(format!("put a valid token into {}", file.display()))
        }
        (kind, _) => kind.hint().map(str::to_owned),
    }
}

/// The options of `beamshare login` that ask for what the session lacks.
fn session_options(required: Option<&AuthorizationParameters>) -> String {
    let Some(required) = required else { return String::new() };
    let mut options = String::new();
    for (option, values) in [
        ("--session-identity", &required.session_required_identities),
        ("--session-domain", &required.session_required_single_domain),
        ("--session-policy", &required.session_required_policies),
    ] {
        values.iter().for_each(|value| options += &format!(" {option} {}", quoted(value)));
    }
    if required.session_required_mfa == Some(true) {
        options += " --session-mfa";
    }
    options
}

/// The error of a step for an error of Globus: whether the step is retried, and the message with its remedy.
pub fn step_error(error: &Error, settings: &config::Globus) -> StepError {
    let retry = match error.retry_after() {
        Some(wait) if error.is_transient() => Retry::After(wait),
        None if error.is_transient() => Retry::Backoff,
        _ => Retry::Never,
    };
    StepError { message: explain(error, settings), retry }
}
