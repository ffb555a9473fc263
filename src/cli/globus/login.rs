use super::super::failure::{Exit, Failure};
use super::super::{Outcome, print};
use super::{Account, failure, pasted, settings};
use beamshare::config::{self, Config, SecretFileError, SignIn, read_secret, write_secret};
use beamshare::globus::{SIGN_IN, client};
use clap::Args;
use globus_transfer_client as globus;
use globus_transfer_client::{
    AuthorizationParameters, Authorizer, ErrorKind, GlobusClient, NativeApp, Scope, TokenStore,
};
use secrecy::SecretString;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a person may take in the browser.
const BROWSER_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Sign in to Globus, for the service and all commands that use Globus
///
/// Prints a link to open in any browser, and reads the code that the page displays from standard input. With
/// --local-server, the browser on this machine returns the code by itself. The sign-in is saved in the file
/// of [globus.sign_in.token_store] and is renewed automatically. Run it as the account that runs the service.
#[derive(Args)]
pub struct Login {
    /// For a registered service: read its secret, test it, and save it in client_secret_file
    #[arg(long, conflicts_with = "scope")]
    service: bool,

    /// With --service: replace a secret that still works
    #[arg(long, requires = "service")]
    replace: bool,

    /// Consent to additional scopes, as named by an error message
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    scope: Option<Scopes>,

    /// Let the browser on this machine return the code, instead of pasting it
    #[arg(long, conflicts_with = "service")]
    local_server: bool,

    #[command(flatten)]
    session: Session,
}

/// What Globus can ask of a sign-in, as an error message names it.
#[derive(Args)]
struct Session {
    /// Sign in with this identity (id or username); may be repeated
    #[arg(long, value_name = "IDENTITY", conflicts_with = "service")]
    session_identity: Vec<String>,

    /// Sign in with an identity of this domain; may be repeated
    #[arg(long, value_name = "DOMAIN", conflicts_with = "service")]
    session_domain: Vec<String>,

    /// Satisfy this policy of Globus Auth; may be repeated
    #[arg(long, value_name = "ID", conflicts_with = "service")]
    session_policy: Vec<String>,

    /// Sign in with multi-factor authentication
    #[arg(long, conflicts_with = "service")]
    session_mfa: bool,
}

impl From<Session> for AuthorizationParameters {
    fn from(session: Session) -> AuthorizationParameters {
        let mut required = AuthorizationParameters::default();
        required.session_required_identities = session.session_identity;
        required.session_required_single_domain = session.session_domain;
        required.session_required_policies = session.session_policy;
        required.session_required_mfa = session.session_mfa.then_some(true);
        required
    }
}

/// Scopes as Globus Auth writes them, separated by blanks.
#[derive(Clone)]
struct Scopes(Vec<Scope>);

fn scopes(text: &str) -> Result<Scopes, String> {
    Scope::parse_all(text).map(Scopes).map_err(|error| error.to_string())
}

impl Login {
    pub async fn act(self, config: &Config) -> Outcome {
        let settings = settings(config)?;
        match &settings.sign_in {
            SignIn::Service { client_secret_file, .. } if self.service => {
                let outcome = service(settings, client_secret_file, self.replace).await?;
                hand_over(config, client_secret_file)?;
                Ok(outcome)
            }
            SignIn::TokenStore { client_id, file } if !self.service => {
                let mut app = NativeApp::new(*client_id).label(label(config));
                for scope in self.scope.into_iter().flat_map(|scopes| scopes.0) {
                    app = app.scope(scope);
                }
                let app = app.satisfying(&self.session.into()).map_err(Failure::usage)?;
                person(config, app, self.local_server, &TokenStore::at(file)).await
            }
            SignIn::Service { .. } => Err(Failure::usage(
                "the settings have [globus.sign_in.service]: for its secret, run beamshare login --service; \
                 to sign in as yourself, put [globus.sign_in.token_store] in its place",
            )),
            SignIn::TokenStore { .. } => Err(Failure::usage(
                "the settings have [globus.sign_in.token_store], a person's sign-in: run beamshare login; \
                 for a registered service, put [globus.sign_in.service] in its place",
            )),
            SignIn::AccessTokenFile { file } => Err(Failure::usage(format!(
                "the settings have [globus.sign_in.access_token_file]: the token in {} is used as it is, \
                 and there is nothing to sign in to",
                file.display()
            ))),
        }
    }
}

/// The name under which the person finds this consent in the list of app.globus.org.
fn label(config: &Config) -> String {
    format!("beamshare for {}", config.beamline.name)
}

/// A person signs in: once, and a second time where the collection turns out to ask for a consent of its own.
async fn person(config: &Config, app: NativeApp, local_server: bool, store: &TokenStore) -> Outcome {
    let account = Account::of(config)?;
    // A store that can't be used is reported before a page is opened.
    let before = match account.result(store.get(SIGN_IN).await)? {
        Some(sign_in) => account.client.auth().userinfo().await.ok().map(|who| (sign_in, who.sub)),
        None => None,
    };
    sign_in(&account, &app, local_server, store).await?;
    // Another client: the first one may hold the tokens of the sign-in before.
    let mut account = Account::of(config)?;
    let me = account.result(account.client.auth().userinfo().await)?;
    if let Some((before, who)) = before
        && who != me.sub
        // Another account's sign-in is in no file any more, and nobody could revoke it later. One of the same
        // account is left to expire: to revoke it could take the new one with it.
        && let Err(error) = account.client.auth().sign_out(&before).await
    {
        print::warn(format_args!("the sign-in before this one could not be revoked: {error}"));
    }
    let collection = account.settings.collection;
    if needs_consent(&account).await {
        print::line(format_args!("Collection {collection} asks for your consent to access its data."));
        sign_in(&account, &app.data_access(collection), local_server, store).await?;
        account = Account::of(config)?;
    }
    let me = account.result(account.client.auth().userinfo().await)?;
    let name = me.preferred_username.unwrap_or_else(|| me.sub.to_string());
    print::line(format_args!("Signed in as {}; kept in {}", print::plain(&name), store.path().display()));
    hand_over(config, store.path())?;
    Ok(Exit::Done)
}

/// Whether the collection requires a consent that the account has not given. Globus says so only to a signed-in
/// account, and a sign-in fails if it asks for a consent that the collection does not have.
async fn needs_consent(account: &Account<'_>) -> bool {
    let collection = account.settings.collection;
    match account.transfer().collection(collection).get().await {
        Ok(found) if found.needs_data_access() => account
            .transfer()
            .ls(collection, account.settings.top.as_str())
            .limit(1)
            .send()
            .await
            .is_err_and(wants),
        Ok(_) => false,
        Err(error) => {
            print::warn(format_args!("signed in, but {}", failure(&error, account.settings).message));
            false
        }
    }
}

/// Whether a consent is what is missing.
fn wants(error: globus::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConsentRequired { .. })
}

async fn sign_in(
    account: &Account<'_>,
    app: &NativeApp,
    local_server: bool,
    store: &TokenStore,
) -> Result<(), Failure> {
    let sign_in = if local_server {
        let pending = account.result(account.client.auth().sign_in_on_loopback(app).await)?;
        print::lines(format_args!(
            "Open this page in a browser on this machine, and sign in:\n\n{}\n",
            pending.url()
        ));
        tokio::select! {
            finished = pending.finish() => finished,
            () = tokio::time::sleep(BROWSER_LIMIT) => {
                let minutes = BROWSER_LIMIT.as_secs() / 60;
                return Err(Failure::failed(format!("the browser did not return within {minutes} minutes")));
            }
        }
    } else {
        let pending = account.result(account.client.auth().sign_in(app))?;
        print::lines(format_args!(
            "Open this page, sign in, and copy the code that it shows:\n\n{}\n",
            pending.url()
        ));
        let code =
            pasted("code")?.ok_or_else(|| Failure::failed("no code was given, so nobody is signed in"))?;
        pending.finish(&code).await
    };
    let sign_in = sign_in.map_err(|error| not_finished(&error))?;
    account.result(store.put(SIGN_IN, &sign_in).await)
}

/// The failure of a sign-in. Its remedy isn't that of [`failure`], since this command has just run.
fn not_finished(error: &globus::Error) -> Failure {
    if error.is_transient() {
        return Failure::away(error);
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Failure::failed(format!(
            "{error}; start again and paste the new code: a code is valid once, for a few minutes"
        )),
        _ => Failure::failed(error),
    }
}

/// Run as root, gives the file (and the lock beside it) to the account of the service, which could not read
/// it otherwise: the one that owns the journal's folder.
fn hand_over(config: &Config, file: &Path) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let folder = config.journal.path.parent().unwrap_or(Path::new("/"));
    let Some(owner) = std::fs::metadata(folder).ok().filter(|owner| owner.uid() != 0) else {
        let says = format!(
            "{} belongs to root; give it to the account of the service: chown ACCOUNT {0}",
            file.display()
        );
        print::warn(says);
        return Ok(());
    };
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    for file in [file, Path::new(&lock)].into_iter().filter(|file| file.exists()) {
        std::os::unix::fs::lchown(file, Some(owner.uid()), Some(owner.gid())).map_err(|error| {
            Failure::failed(format!("can't give {} to the account {}: {error}", file.display(), owner.uid()))
        })?;
    }
    Ok(())
}

/// A registered service needs no sign-in, only a secret that works.
async fn service(settings: &config::Globus, file: &Path, replace: bool) -> Outcome {
    if !replace {
        match read_secret(file) {
            Ok(_) => {
                let client = client(settings).map_err(|error| Failure::failed(error.message))?;
                let name = try_out(&client, settings).await?;
                print::line(format_args!("The secret in {} works: signed in as {name}", file.display()));
                return Ok(Exit::Done);
            }
            Err(SecretFileError::Missing { .. }) => {}
            Err(error) => {
                let how = "or replace it: beamshare login --service --replace";
                return Err(Failure::failed(format!("{error}; {how}")));
            }
        }
    }
    let secret = secret()?;
    let SignIn::Service { client_id, .. } = &settings.sign_in else {
        return Err(Failure::usage("the settings have no [globus.sign_in.service]"));
    };
    let credentials = globus::ClientCredentials::new(*client_id, secret.clone());
    let client = GlobusClient::builder()
        .auth_url(settings.auth_url.clone())
        .transfer_url(settings.transfer_url.clone())
        .request_timeout(settings.timeout)
        .authorizer(Authorizer::client_credentials(credentials))
        .build();
    let client = client.map_err(|error| failure(&error, settings))?;
    // Before it is kept: a secret that doesn't work must not take the place of one that does.
    let name = try_out(&client, settings).await?;
    write_secret(file, &secret).map_err(Failure::failed)?;
    print::line(format_args!("Signed in as {name}; the secret is kept in {}", file.display()));
    Ok(Exit::Done)
}

/// Signs in, and gives the service's username: the name that gets roles and permissions.
async fn try_out(client: &GlobusClient, settings: &config::Globus) -> Result<String, Failure> {
    let SignIn::Service { client_id, .. } = &settings.sign_in else {
        return Err(Failure::usage("the settings have no [globus.sign_in.service]"));
    };
    let found = client.auth().identities().by_ids(&[*client_id]).send().await;
    let found = found.map_err(|error| failure(&error, settings))?;
    let name = found.iter().next().map(|identity| identity.username.clone());
    Ok(name.unwrap_or_else(|| format!("{client_id}@clients.auth.globus.org")))
}

/// The secret, without an echo where somebody types it.
fn secret() -> Result<SecretString, Failure> {
    let none = || Failure::failed("no secret was given, so none is kept");
    if !std::io::stdin().is_terminal() {
        return pasted("secret")?.map(SecretString::from).ok_or_else(none);
    }
    let typed = rpassword::prompt_password("Secret (app.globus.org/settings/developers): ")
        .map_err(|error| Failure::failed(format!("can't read the secret from the terminal: {error}")))?;
    match typed.trim() {
        "" => Err(none()),
        typed => Ok(SecretString::from(typed)),
    }
}
