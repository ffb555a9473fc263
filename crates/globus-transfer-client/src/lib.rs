#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod auth;
mod client;
mod core;
mod error;
pub mod gcs;
pub mod groups;
mod http;
mod lenient;
mod paging;
pub mod path;
mod request;
mod scope;
mod service;
mod signin;
pub mod timers;
mod transcript;
pub mod transfer;

pub use client::{GlobusClient, GlobusClientBuilder};
pub use error::{AuthorizationParameters, Error, ErrorKind, Result};
pub use http::{Response, RetryPolicy};
pub use request::Request;
pub use scope::Scope;
pub use service::{AUTH_URL, GROUPS_URL, Service, TIMERS_URL, TRANSFER_URL};
pub use signin::{Authorizer, Connection, Token, TokenSource, Tokens};

#[cfg(feature = "token-store")]
pub use signin::TokenStore;
#[cfg(feature = "oauth")]
pub use signin::{ClientCredentials, ConfidentialApp, LoopbackSignIn, NativeApp, PendingSignIn, SignIn};

pub use transcript::Transcript;

pub use auth::{Identities, Identity};
pub use transfer::{
    ACCESS_RULE_LIMIT, AccessRule, AccessRules, Bookmark, Collection, CreatedDirectory, Creation, DeleteTask,
    Event, FatalError, FileEntry, FilterMethod, FilterType, ITEM_LIMIT, Listing, Permissions, PrincipalType,
    Role, SearchScope, SkippedError, Submitted, SuccessfulTransfer, Symlinks, SyncLevel, Task, TaskStatus,
    TransferTask, TreeEntry,
};

// Types of other crates in this crate's interface.
pub use futures::future::BoxFuture;
pub use futures::stream::BoxStream;
pub use jiff::Timestamp;
pub use reqwest::header::HeaderMap;
pub use reqwest::{Method, StatusCode};
pub use secrecy::SecretString;
pub use url::Url;
pub use uuid::Uuid;
