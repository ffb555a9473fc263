#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod auth;
mod client;
mod error;
mod http;
mod lenient;
mod paging;
pub mod path;
mod signin;
pub mod transfer;

pub use client::{AUTH_URL, GlobusClient, GlobusClientBuilder, TRANSFER_URL};
pub use error::{Error, ErrorKind, Result};
pub use http::RetryPolicy;
pub use signin::{Authorizer, ClientCredentials, NativeApp, PendingSignIn, Scope, SignIn, Token, TokenStore, Tokens};

pub use auth::{Identities, Identity};
pub use transfer::{
    ACCESS_RULE_LIMIT, AccessRule, AccessRules, Bookmark, Collection, DeleteTask, Event, FatalError, FileEntry,
    FilterMethod, FilterType, Found, ITEM_LIMIT, Listing, Made, MadeDirectory, Permissions, PrincipalType, Role,
    SearchScope, SkippedError, Submitted, SuccessfulTransfer, Symlinks, SyncLevel, Task, TaskStatus, TransferTask,
};
