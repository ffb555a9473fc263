#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod auth;
mod client;
mod error;
mod http;
pub mod path;
mod signin;
pub mod transfer;

pub use client::{AUTH_URL, GlobusClient, GlobusClientBuilder, TRANSFER_URL};
pub use error::{Error, ErrorKind, Result};
pub use http::RetryPolicy;
pub use signin::{Authorizer, ClientCredentials, NativeApp, PendingSignIn, Scope, SignIn, Token, TokenStore, Tokens};

pub use auth::{Identities, Identity};
pub use transfer::{
    ACCESS_RULE_LIMIT, AccessRule, AccessRules, FileEntry, Listing, Made, MadeDirectory, Permissions, PrincipalType,
};
