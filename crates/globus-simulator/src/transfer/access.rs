//! Access rules of guest collections: list, get, create, update, delete.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, Session, body, collection, collection_mut, text};
use crate::reply::{TransferError, result};
use crate::seed::Kind;
use crate::state::{Collection, Notification, Rule, State};
use crate::time::{parse_time, time};

pub(crate) fn document(rule: &Rule) -> Value {
    json!({
        "DATA_TYPE": "access",
        "id": rule.id,
        "principal_type": rule.principal_type,
        "principal": rule.principal,
        "path": rule.path,
        "permissions": rule.permissions,
        "create_time": time(rule.created),
        "expiration_date": rule.expires.map(time),
        "role_id": null,
        "role_type": null,
    })
}

/// The documents of the stored rules that have not expired.
pub(crate) fn stored(of: &Collection) -> Vec<Value> {
    let now = Timestamp::now();
    of.rules.iter().filter(|rule| rule.live(now)).map(document).collect()
}

/// The rules that are stored and live, then those that roles imply, as the service lists them.
pub(crate) fn documents(of: &Collection) -> Vec<Value> {
    let now = Timestamp::now();
    let implied = |principal_type: &str, principal: Uuid, role: Value, role_type: &str| {
        json!({
            "DATA_TYPE": "access",
            "id": null,
            "principal_type": principal_type,
            "principal": principal,
            "path": "/",
            "permissions": "rw",
            "create_time": null,
            "expiration_date": null,
            "role_id": role,
            "role_type": role_type,
        })
    };
    let owner = Uuid::new_v5(&of.id, b"owner");
    of.rules
        .iter()
        .filter(|rule| rule.live(now))
        .map(document)
        .chain(std::iter::once(implied("identity", of.owner, json!(owner), "administrator")))
        .chain(
            of.roles
                .iter()
                .filter(|role| matches!(role.role.as_str(), "administrator" | "access_manager"))
                .map(|role| implied(&role.principal_type, role.principal, json!(role.id), &role.role)),
        )
        .collect()
}

fn managed<'a>(state: &'a State, caller: &Caller, id: &str) -> Result<&'a Collection, TransferError> {
    let found = collection(state, caller, id)?;
    if found.kind == Kind::Mapped {
        return Err(TransferError::conflict(
            "NotSupported",
            format!("Endpoint '{id}' is not a guest collection and has no access rules"),
        ));
    }
    if caller.manages_access(state, found) {
        Ok(found)
    } else {
        Err(TransferError::permission_denied(format!(
            "You do not have the access_manager or administrator role on endpoint '{id}'"
        )))
    }
}

fn no_rule(id: &str) -> TransferError {
    TransferError::not_found("AccessRuleNotFound", format!("No such access rule '{id}'"))
}

/// `GET /endpoint/{id}/access_list`
pub(crate) async fn list(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let documents = documents(managed(&state, &caller, &id)?);
    Ok(Json(json!({
        "DATA_TYPE": "access_list",
        "endpoint": id,
        "length": documents.len(),
        "DATA": documents,
    })))
}

/// `GET /endpoint/{id}/access/{rule}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path((id, rule)): Path<(String, String)>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let now = Timestamp::now();
    managed(&state, &caller, &id)?
        .rules
        .iter()
        .find(|found| found.live(now) && found.id.to_string() == rule)
        .map(|found| Json(document(found)))
        .ok_or_else(|| no_rule(&rule))
}

/// Permissions: read, or read and write.
fn permissions(given: &Value) -> Result<String, TransferError> {
    match text(given, "permissions")? {
        permissions @ ("r" | "rw") => Ok(permissions.to_owned()),
        other => Err(TransferError::bad_request(format!("permissions must be 'r' or 'rw', not '{other}'"))),
    }
}

/// A time in the future, or none.
fn expiration(given: &Value) -> Result<Option<Timestamp>, TransferError> {
    let value = &given["expiration_date"];
    if value.is_null() {
        return Ok(None);
    }
    let at = value.as_str().and_then(parse_time).ok_or_else(|| {
        TransferError::bad_request(format!("expiration_date {value} is not an ISO 8601 time"))
    })?;
    if at <= Timestamp::now() {
        return Err(TransferError::bad_request("expiration_date must be in the future"));
    }
    Ok(Some(at))
}

/// The path of a rule starts and ends with a slash and has no `.` or `..` in it.
fn path(given: &Value) -> Result<String, TransferError> {
    let path = text(given, "path")?;
    let whole = path.starts_with('/')
        && path.ends_with('/')
        && !path.contains("//")
        && !path.contains("\r\n")
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "." | ".." | "~"));
    if whole {
        Ok(path.to_owned())
    } else {
        Err(TransferError::invalid_path(format!(
            "Invalid path '{path}': the path of an access rule is absolute, starts and ends with '/'"
        )))
    }
}

fn principal(state: &State, given: &Value) -> Result<(String, String), TransferError> {
    let kind = text(given, "principal_type")?;
    let principal = given["principal"].as_str().unwrap_or_default();
    let unknown =
        |what: &str| TransferError::bad_request(format!("Invalid principal '{principal}': no such {what}"));
    match kind {
        "identity" => Uuid::parse_str(principal)
            .ok()
            .filter(|id| state.identities.contains_key(id))
            .map(|id| (kind.to_owned(), id.to_string()))
            .ok_or_else(|| unknown("identity")),
        "group" => Uuid::parse_str(principal)
            .ok()
            .filter(|id| state.groups.contains_key(id))
            .map(|id| (kind.to_owned(), id.to_string()))
            .ok_or_else(|| unknown("group")),
        "all_authenticated_users" | "anonymous" if principal.is_empty() => {
            Ok((kind.to_owned(), String::new()))
        }
        "all_authenticated_users" | "anonymous" => {
            Err(TransferError::bad_request(format!("principal must be empty for principal_type '{kind}'")))
        }
        other => Err(TransferError::bad_request(format!("Unknown principal_type '{other}'"))),
    }
}

/// `POST /endpoint/{id}/access`
pub(crate) async fn create(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "access")?;
    let mut state = world.state();
    let (found, name) = {
        let found = managed(&state, &caller, &id)?;
        (found.id, found.name.clone())
    };
    let (principal_type, principal) = principal(&state, &given)?;
    let now = Timestamp::now();
    let rule = Rule {
        id: Uuid::new_v4(),
        principal_type,
        principal,
        path: path(&given)?,
        permissions: permissions(&given)?,
        created: now,
        expires: expiration(&given)?,
    };
    let most = state.limits.rules;
    let collection =
        state.collections.get_mut(&found).ok_or_else(|| TransferError::endpoint_not_found(&id))?;
    collection.rules.retain(|rule| rule.live(now));
    let twin = collection.rules.iter().any(|other| {
        other.path == rule.path
            && other.principal == rule.principal
            && other.principal_type == rule.principal_type
    });
    if twin {
        return Err(TransferError::conflict(
            "Exists",
            format!("This {} already has an access rule on path '{}'", rule.principal_type, rule.path),
        ));
    }
    if collection.rules.len() >= most {
        return Err(TransferError::conflict(
            "LimitExceeded",
            format!("Endpoint '{id}' already has the maximum of {most} access rules"),
        ));
    }
    let access_id = rule.id;
    if let Some(email) = given["notify_email"].as_str() {
        let message = given["notify_message"].as_str().unwrap_or_default();
        let text = format!("{name}: {}\n\n{message}", rule.path);
        let from = state.username(caller.identity);
        state.notifications.push(Notification {
            to: email.to_owned(),
            subject: format!("Globus: {from} shared the folder \"{}\" on \"{name}\" with you", rule.path),
            text,
        });
    }
    if let Some(collection) = state.collections.get_mut(&found) {
        collection.rules.push(rule);
    }
    Ok(result(
        StatusCode::CREATED,
        "access_create_result",
        "Created",
        "Access rule created successfully.",
        json!({"access_id": access_id}),
    ))
}

/// `PUT /endpoint/{id}/access/{rule}`: permissions and expiry; whom and where can't change.
pub(crate) async fn update(
    Session { world, caller }: Session,
    Path((id, rule)): Path<(String, String)>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "access")?;
    let mut state = world.state();
    managed(&state, &caller, &id)?;
    let collection = collection_mut(&mut state, &caller, &id)?;
    let now = Timestamp::now();
    let found = collection
        .rules
        .iter_mut()
        .find(|found| found.live(now) && found.id.to_string() == rule)
        .ok_or_else(|| no_rule(&rule))?;
    for (field, current) in
        [("path", &found.path), ("principal", &found.principal), ("principal_type", &found.principal_type)]
    {
        if given[field].as_str().is_some_and(|value| value != current) {
            return Err(TransferError::bad_request(format!("{field} of an access rule can't be changed")));
        }
    }
    let expires = given.get("expiration_date").map(|_| expiration(&given)).transpose()?;
    if given.get("permissions").is_some_and(|value| !value.is_null()) {
        found.permissions = permissions(&given)?;
    }
    if let Some(expires) = expires {
        found.expires = expires;
    }
    Ok(result(
        StatusCode::OK,
        "result",
        "Updated",
        format!("Access rule '{rule}' updated successfully"),
        json!({}),
    ))
}

/// `DELETE /endpoint/{id}/access/{rule}`
pub(crate) async fn delete(
    Session { world, caller }: Session,
    Path((id, rule)): Path<(String, String)>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    managed(&state, &caller, &id)?;
    let collection = collection_mut(&mut state, &caller, &id)?;
    let now = Timestamp::now();
    collection.rules.retain(|rule| rule.live(now));
    let before = collection.rules.len();
    collection.rules.retain(|found| found.id.to_string() != rule);
    if collection.rules.len() == before {
        return Err(no_rule(&rule));
    }
    Ok(result(
        StatusCode::OK,
        "result",
        "Deleted",
        format!("Access rule '{rule}' deleted successfully"),
        json!({}),
    ))
}
