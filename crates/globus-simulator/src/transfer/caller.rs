//! What a caller may do: roles, access rules, consents.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::auth::scope;
use crate::reply::TransferError;
use crate::sandbox::Virtual;
use crate::seed::Kind;
use crate::state::{Collection, Rule, State};

/// Who calls, with all linked identities.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub identity: Uuid,
    pub set: BTreeSet<Uuid>,
    pub client: Option<Uuid>,
}

/// What an access rule allows, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Permission {
    None,
    Read,
    Write,
}

impl Caller {
    fn is(&self, state: &State, principal_type: &str, principal: &str) -> bool {
        match principal_type {
            "all_authenticated_users" | "anonymous" => true,
            "group" => Uuid::parse_str(principal)
                .ok()
                .and_then(|group| state.groups.get(&group))
                .is_some_and(|members| self.set.iter().any(|id| members.contains(id))),
            _ => Uuid::parse_str(principal).is_ok_and(|id| self.set.contains(&id)),
        }
    }

    /// The roles that the caller has on a collection, the owner's included.
    pub fn roles(&self, state: &State, collection: &Collection) -> Vec<&'static str> {
        let mut roles: Vec<&'static str> = Vec::new();
        for (role, beneath) in [
            ("administrator", &["access_manager", "activity_manager", "activity_monitor"][..]),
            ("access_manager", &[][..]),
            ("activity_manager", &["activity_monitor"][..]),
            ("activity_monitor", &[][..]),
        ] {
            let has = (role == "administrator" && self.set.contains(&collection.owner))
                || collection.roles.iter().any(|given| {
                    given.role == role && self.is(state, &given.principal_type, &given.principal.to_string())
                });
            if has {
                for name in std::iter::once(role).chain(beneath.iter().copied()) {
                    if !roles.contains(&name) {
                        roles.push(name);
                    }
                }
            }
        }
        roles
    }

    pub fn administers(&self, state: &State, collection: &Collection) -> bool {
        self.roles(state, collection).contains(&"administrator")
    }

    pub fn manages_access(&self, state: &State, collection: &Collection) -> bool {
        self.roles(state, collection).contains(&"access_manager")
    }

    /// The live access rules that count for the caller.
    pub fn rules<'a>(&'a self, state: &'a State, collection: &'a Collection) -> impl Iterator<Item = &'a Rule> {
        let now = Timestamp::now();
        collection
            .rules
            .iter()
            .filter(move |rule| rule.live(now) && self.is(state, &rule.principal_type, &rule.principal))
    }

    /// Whether the caller may know that the collection exists.
    pub fn sees(&self, state: &State, collection: &Collection) -> bool {
        collection.public || !self.roles(state, collection).is_empty() || self.rules(state, collection).next().is_some()
    }

    /// What the caller may do with a path. On a mapped collection the file system decides, not rules.
    pub fn permission(&self, state: &State, collection: &Collection, path: &Virtual) -> Permission {
        if collection.kind == Kind::Mapped || self.manages_access(state, collection) {
            return Permission::Write;
        }
        let path = path.as_directory();
        self.rules(state, collection)
            .filter(|rule| path.starts_with(&rule.path))
            .map(|rule| match rule.permissions.as_str() {
                "rw" => Permission::Write,
                _ => Permission::Read,
            })
            .max()
            .unwrap_or(Permission::None)
    }

    /// Whether the caller can come in at all: an account on a mapped collection, the `data_access` consent.
    ///
    /// `operation` is the name in the error code, such as `DirListing` or `Mkdir`.
    pub fn may_enter(&self, state: &State, collection: &Collection, operation: &str) -> Result<(), TransferError> {
        self.consent(state, collection)?;
        let unmapped = collection.kind == Kind::Mapped
            && !self.set.contains(&collection.owner)
            && collection.users.as_ref().is_some_and(|users| self.set.iter().all(|id| !users.contains(id)));
        if unmapped {
            return Err(TransferError::new(
                StatusCode::BAD_GATEWAY,
                &format!("ExternalError.{operation}Failed.LoginFailed"),
                format!(
                    "Login Failed, Error (login)\nEndpoint: {} ({})\nServer: 127.0.0.1:443\n\
                     Message: Login Failed\n---\nDetails: 530-Login incorrect. : GlobusError: v=1 c=LOGIN_DENIED\\r\\n\
                     530-GridFTP-Message: None of your identities ({}) are from domains allowed by resource policies\\r\\n\
                     530 End.\\r\\n\\n",
                    collection.name,
                    collection.id,
                    state.username(self.identity)
                ),
            ));
        }
        Ok(())
    }

    /// The consent that a mapped collection asks for beneath Transfer's own.
    pub fn consent(&self, state: &State, collection: &Collection) -> Result<(), TransferError> {
        if !collection.data_access {
            return Ok(());
        }
        let path = [scope::TRANSFER_ALL.to_owned(), scope::data_access(collection.id)];
        // A token given by the seed has no app behind it, so no consent that could be missing.
        if self.client.is_none() || state.consented(self.client, self.identity, &path) {
            return Ok(());
        }
        Err(TransferError::new(StatusCode::FORBIDDEN, "ConsentRequired", "Missing required data_access consent")
            .with("required_scopes", json!([format!("{}[*{}]", path[0], path[1])])))
    }
}
