//! The token store: one file that only its owner can read, replaced as a whole, changed by one process at a
//! time.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::fs::Metadata;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind as IoKind, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::sign_in::SignIn;
use super::token::{Token, Tokens};
use crate::error::{Error, ErrorKind, Result};

/// Longer than a renewal takes with all its retries: a process that holds the lock for longer hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(90);
/// The interval of attempts to take the lock.
const LOCK_POLL: Duration = Duration::from_millis(5);
/// The largest file that is read, in bytes: one sign-in has a few kilobytes.
const FILE_LIMIT: u64 = 4 << 20;
const VERSION: u32 = 1;

/// A file that keeps sign-ins, several side by side under names.
///
/// The file is replaced as a whole, and locked while it is changed (with `<file>.lock` beside it), so that
/// processes can share it and renew its tokens at the same time. On Unix it is created with mode 0600 and
/// rejected when other accounts can open it; on Windows it inherits the access list of its directory, which
/// should be in the account's profile.
///
/// ```no_run
/// # async fn example() -> Result<(), globus_transfer_client::Error> {
/// use globus_transfer_client::{Authorizer, GlobusClient, TokenStore};
///
/// let store = TokenStore::at("/var/lib/mytool/globus.json");
/// println!("{:?}", store.names().await?);
/// let client = GlobusClient::builder().authorizer(Authorizer::stored(store, "default")).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TokenStore {
    path: PathBuf,
}

impl TokenStore {
    /// The store in this file, which is created with the first sign-in.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let store = TokenStore::at("/var/lib/mytool/globus.json");
    /// ```
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the file.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let store = TokenStore::at("globus.json");
    /// assert_eq!(store.path(), std::path::Path::new("globus.json"));
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the sign-ins in it.
    ///
    /// # Errors
    /// [`ErrorKind::TokenStore`] when the file can't be read, can be opened by other accounts, or isn't a
    /// token store.
    ///
    /// ```no_run
    /// # async fn example(store: globus_transfer_client::TokenStore) -> Result<(), globus_transfer_client::Error> {
    /// for name in store.names().await? {
    ///     println!("{name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn names(&self) -> Result<Vec<String>> {
        Ok(self.read().await?.sign_ins.into_keys().collect())
    }

    /// The sign-in of this name.
    ///
    /// # Errors
    /// As [`TokenStore::names`].
    ///
    /// ```no_run
    /// # async fn example(store: globus_transfer_client::TokenStore) -> Result<(), globus_transfer_client::Error> {
    /// if let Some(sign_in) = store.get("default").await? {
    ///     println!("signed in through the application {}", sign_in.client_id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, name: &str) -> Result<Option<SignIn>> {
        Ok(self.read().await?.sign_ins.remove(name).map(SignIn::from))
    }

    /// Stores a sign-in under this name, and replaces an earlier one.
    ///
    /// # Errors
    /// As [`TokenStore::names`], and when the file can't be written.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, store: globus_transfer_client::TokenStore)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// use globus_transfer_client::NativeApp;
    ///
    /// let app = NativeApp::new("4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?);
    /// let pending = client.auth().sign_in(&app)?;
    /// println!("open {} and paste the code", pending.url());
    /// let mut code = String::new();
    /// std::io::stdin().read_line(&mut code)?;
    /// store.put("default", &pending.finish(&code).await?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn put(&self, name: &str, sign_in: &SignIn) -> Result<()> {
        let locked = self.lock().await?;
        let mut document = locked.read().await?;
        document.sign_ins.insert(name.to_owned(), StoredSignIn::from(sign_in));
        locked.write(document).await
    }

    /// Removes the sign-in of this name and returns it, so that its tokens can be revoked.
    ///
    /// # Errors
    /// As [`TokenStore::put`].
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
    pub async fn remove(&self, name: &str) -> Result<Option<SignIn>> {
        let locked = self.lock().await?;
        let mut document = locked.read().await?;
        let removed = document.sign_ins.remove(name);
        if removed.is_some() {
            locked.write(document).await?;
        }
        Ok(removed.map(SignIn::from))
    }

    async fn read(&self) -> Result<Document> {
        let store = self.clone();
        on_disk(move || store.read_file()).await
    }

    /// Waits until no other process changes the store. Dropping the result, or the end of the process,
    /// unlocks it.
    pub(super) async fn lock(&self) -> Result<LockedStore> {
        let store = self.clone();
        let file = on_disk(move || store.open_lock()).await?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LockedStore { store: self.clone(), _lock: file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_TIMEOUT => {
                    tokio::time::sleep(LOCK_POLL).await
                }
                Err(TryLockError::WouldBlock) => {
                    let why = format!("another process has locked it for {} s", LOCK_TIMEOUT.as_secs());
                    return Err(self.unusable(why));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(self.unusable(format!("it can't be locked: {error}")));
                }
            }
        }
    }

    fn open_lock(&self) -> Result<File> {
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            builder.mode(0o700);
            builder
                .create(directory)
                .map_err(|error| self.unusable(format!("its directory can't be created: {error}")))?;
        }
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // A planted link at the lock's name must not be followed.
        #[cfg(unix)]
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.open(&name).map_err(|error| {
            self.unusable(format!("{} can't be opened: {error}", Path::new(&name).display()))
        })
    }

    fn read_file(&self) -> Result<Document> {
        let mut options = OpenOptions::new();
        options.read(true);
        // A pipe at the store's name must not keep the caller waiting.
        #[cfg(unix)]
        options.custom_flags(libc::O_NONBLOCK);
        let file = match options.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Document::default()),
            Err(error) => return Err(self.unusable(error.to_string())),
        };
        let broken = |why: String| self.unusable(format!("{why}: move the file away and sign in again"));
        let metadata = file.metadata().map_err(|error| self.unusable(error.to_string()))?;
        if !metadata.is_file() || metadata.len() > FILE_LIMIT {
            return Err(broken("it isn't a token store".to_owned()));
        }
        #[cfg(unix)]
        self.check_mode(&metadata)?;
        let mut text = String::new();
        file.take(FILE_LIMIT).read_to_string(&mut text).map_err(|error| self.unusable(error.to_string()))?;
        // The error names line and column only: a quoted part of the file could be a token.
        let document: Document = serde_json::from_str(&text).map_err(|error| {
            broken(format!("it isn't a token store (line {}, column {})", error.line(), error.column()))
        })?;
        if document.version != VERSION {
            return Err(broken(format!(
                "it has version {}, and this program supports {VERSION}",
                document.version
            )));
        }
        Ok(document)
    }

    /// Rejects a file that other accounts can open. Checks the open file, so that what is checked is what is
    /// read.
    #[cfg(unix)]
    fn check_mode(&self, metadata: &Metadata) -> Result<()> {
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            return Ok(());
        }
        Err(self.unusable(format!(
            "other accounts can open it (mode {mode:04o}): run chmod 600 '{}', and sign in again if it may \
             have been read",
            self.path.display()
        )))
    }

    fn write_file(&self, document: &Document) -> Result<()> {
        // Resolved, so that a link stays and the file that it points to is replaced.
        let target = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let directory = match target.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        let failed = |error: std::io::Error| self.unusable(format!("it can't be written: {error}"));
        let text = serde_json::to_vec_pretty(document).map_err(|error| failed(error.into()))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tokens-");
        // Before the first byte is written.
        #[cfg(unix)]
        builder.permissions(std::fs::Permissions::from_mode(0o600));
        let mut file = builder.tempfile_in(directory).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&target).map_err(|error| failed(error.error))?;
        // The new name must survive a power failure, too: a refresh token may be valid only once.
        #[cfg(unix)]
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        Ok(())
    }

    pub(super) fn unusable(&self, why: String) -> Error {
        Error::local(ErrorKind::TokenStore, format!("use the token store {}", self.path.display()), why)
    }
}

/// The store while it is locked against other processes.
#[derive(Debug)]
pub(super) struct LockedStore {
    store: TokenStore,
    _lock: File,
}

impl LockedStore {
    pub async fn get(&self, name: &str) -> Result<Option<SignIn>> {
        Ok(self.read().await?.sign_ins.remove(name).map(SignIn::from))
    }

    pub async fn put(&self, name: &str, sign_in: &SignIn) -> Result<()> {
        let mut document = self.read().await?;
        document.sign_ins.insert(name.to_owned(), StoredSignIn::from(sign_in));
        self.write(document).await
    }

    async fn read(&self) -> Result<Document> {
        self.store.read().await
    }

    async fn write(&self, document: Document) -> Result<()> {
        let store = self.store.clone();
        on_disk(move || store.write_file(&document)).await
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::local(ErrorKind::TokenStore, "use the token store", error.to_string())),
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    sign_ins: BTreeMap<String, StoredSignIn>,
}

impl Default for Document {
    fn default() -> Self {
        Self { version: VERSION, sign_ins: BTreeMap::new() }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredSignIn {
    client_id: String,
    #[serde(default, serialize_with = "expose_some", skip_serializing_if = "Option::is_none")]
    client_secret: Option<SecretString>,
    auth_url: Url,
    tokens: BTreeMap<String, StoredToken>,
}

#[derive(Serialize, Deserialize)]
struct StoredToken {
    #[serde(serialize_with = "expose")]
    access_token: SecretString,
    #[serde(default, serialize_with = "expose_some", skip_serializing_if = "Option::is_none")]
    refresh_token: Option<SecretString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    scopes: Vec<String>,
}

fn expose<S: serde::Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

fn expose_some<S: serde::Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => to.serialize_some(secret.expose_secret()),
        None => to.serialize_none(),
    }
}

impl From<StoredSignIn> for SignIn {
    fn from(stored: StoredSignIn) -> Self {
        let tokens = stored.tokens.into_iter().map(|(server, token)| {
            let token = Token {
                access: token.access_token,
                refresh: token.refresh_token,
                expires_at: token.expires_at,
                scopes: token.scopes,
            };
            (server, Arc::new(token))
        });
        Self {
            client_id: stored.client_id,
            secret: stored.client_secret,
            auth_url: stored.auth_url,
            tokens: Tokens(tokens.collect()),
        }
    }
}

impl From<&SignIn> for StoredSignIn {
    fn from(sign_in: &SignIn) -> Self {
        let tokens = sign_in.tokens.0.iter().map(|(server, token)| {
            let token = StoredToken {
                access_token: token.access.clone(),
                refresh_token: token.refresh.clone(),
                expires_at: token.expires_at,
                scopes: token.scopes.clone(),
            };
            (server.clone(), token)
        });
        Self {
            client_id: sign_in.client_id.clone(),
            client_secret: sign_in.secret.clone(),
            auth_url: sign_in.auth_url.clone(),
            tokens: tokens.collect(),
        }
    }
}
