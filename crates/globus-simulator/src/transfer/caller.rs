//! What a caller may do: roles, access rules, consents.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::auth::scope;
use crate::reply::TransferError;
use crate::sandbox::Virtual;
use crate::seed::Kind;
use crate::state::{Caller, Collection, Role, Rule, State};

/// What an access rule allows, in ascending order.
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
                .is_some_and(|group| self.set.iter().any(|id| group.has(id))),
            _ => Uuid::parse_str(principal).is_ok_and(|id| self.set.contains(&id)),
        }
    }

    /// Whether a role is the caller's, or that of a group of theirs.
    pub fn holds(&self, state: &State, role: &Role) -> bool {
        self.is(state, &role.principal_type, &role.principal.to_string())
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
                || collection.roles.iter().any(|given| given.role == role && self.holds(state, given));
            if has {
                for name in std::iter::once(role).chain(beneath.iter().copied()) {
                    if !roles.contains(&name) {
                        roles.push(name);
                    }
                }
            }
        }
        let host = collection.host.and_then(|host| state.collections.get(&host));
        if roles.first() != Some(&"administrator") && host.is_some_and(|host| self.administers(state, host)) {
            roles.push("restricted_administrator");
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
    pub fn rules<'a>(
        &'a self,
        state: &'a State,
        collection: &'a Collection,
    ) -> impl Iterator<Item = &'a Rule> {
        let now = Timestamp::now();
        collection
            .rules
            .iter()
            .filter(move |rule| rule.live(now) && self.is(state, &rule.principal_type, &rule.principal))
    }

    /// Whether the caller may know that the collection exists.
    pub fn sees(&self, state: &State, collection: &Collection) -> bool {
        collection.public
            || !self.roles(state, collection).is_empty()
            || self.rules(state, collection).next().is_some()
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

    /// Whether the caller can log in at all: the `data_access` consent, an allowed identity, an account
    /// there.
    ///
    /// `operation` is the name in the error code, such as `DirListing` or `Mkdir`.
    pub fn may_enter(
        &self,
        state: &State,
        collection: &Collection,
        operation: &str,
    ) -> Result<(), TransferError> {
        self.consent(state, collection)?;
        match self.missing_domains(state, collection) {
            Some(domains) => Err(login_failed(state, self, collection, operation, &domains)),
            None => Ok(()),
        }
    }

    /// The domains of which an identity is missing for a login; none when the caller may log in.
    pub fn missing_domains(&self, state: &State, collection: &Collection) -> Option<Vec<String>> {
        if collection.kind == Kind::Guest || self.set.contains(&collection.owner) {
            return None;
        }
        let domain = |id: &Uuid| state.username(*id).rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let mine: Vec<String> = self.set.iter().filter_map(domain).collect();
        if !collection.domains.is_empty() && !mine.iter().any(|domain| collection.domains.contains(domain)) {
            return Some(collection.domains.clone());
        }
        let users = collection.users.as_ref()?;
        if self.set.iter().any(|id| users.contains(id)) {
            return None;
        }
        let mut domains: Vec<String> = users.iter().filter_map(domain).collect();
        domains.sort();
        domains.dedup();
        Some(domains)
    }

    /// The consent that a mapped collection asks for beneath Transfer's own.
    pub fn consent(&self, state: &State, collection: &Collection) -> Result<(), TransferError> {
        if !collection.data_access {
            return Ok(());
        }
        let mut path = self.through.clone();
        path.extend([scope::TRANSFER_ALL.to_owned(), scope::data_access(collection.id)]);
        // A token given by the seed has no app behind it, so no consent that could be missing.
        if self.client.is_none() || state.consented(self.client, self.identity, &path) {
            return Ok(());
        }
        let message = "Missing required data_access consent";
        let scopes = json!([nested(&path)]);
        Err(TransferError::new(StatusCode::FORBIDDEN, "ConsentRequired", message)
            .with("required_scopes", scopes.clone())
            .with("authorization_parameters", json!({"session_message": message, "required_scopes": scopes})))
    }
}

/// `a[b[*c]]`: the last one is optional, as collections ask for it.
fn nested(path: &[String]) -> String {
    match path {
        [] => String::new(),
        [last] => format!("*{last}"),
        [first, rest @ ..] => format!("{first}[{}]", nested(rest)),
    }
}

/// The refusal of a data server, with what a session lacks in both places where the service puts it.
fn login_failed(
    state: &State,
    caller: &Caller,
    collection: &Collection,
    operation: &str,
    domains: &[String],
) -> TransferError {
    let reason = "None of your authenticated identities are from domains allowed by resource policies";
    let parameters = json!({"session_required_single_domain": domains});
    let result = json!({
        "DATA_TYPE": "result#1.1.0",
        "authorization_parameters": parameters,
        "code": "permission_denied",
        "detail": {"DATA_TYPE": "not_from_allowed_domain#1.0.0", "allowed_domains": domains},
        "has_next_page": false,
        "http_response_code": 403,
        "message": reason,
    });
    tracing::debug!(account = state.username(caller.identity), "login refused");
    TransferError::new(
        StatusCode::BAD_GATEWAY,
        &format!("ExternalError.{operation}Failed.LoginFailed"),
        format!(
            "Command Failed: Error (login)\nEndpoint: {} ({})\nServer: 127.0.0.1:443\n\
             Message: Login Failed\n---\nDetails: 530-Login incorrect. : GlobusError: v=1 \
             c=LOGIN_DENIED\\r\\n\
             530-GridFTP-Message: {reason}\\r\\n530-GridFTP-JSON-Result: {result}\\r\\n530 End.\\r\\n\n",
            collection.name, collection.id,
        ),
    )
    .with("authorization_parameters", parameters)
}
