//! Changes of memberships: several actions on several identities in one call.

use axum::Json;
use axum::extract::Path;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{GroupsSession, Rank, body, rank, unprocessable};
use crate::reply::AuthError;
use crate::state::State;
use crate::state::group::{Group, Membership};

pub(super) fn membership(state: &State, group: Uuid, identity: Uuid, member: &Membership) -> Value {
    json!({
        "group_id": group,
        "identity_id": identity,
        "username": state.username(identity),
        "role": member.role,
        "status": member.status,
        "membership_fields": {},
    })
}

/// Why an action on one identity is refused: a code and a sentence.
type Refusal = (&'static str, String);

/// The role as a group keeps it.
fn role(item: &Value) -> Result<&'static str, Refusal> {
    match item["role"].as_str() {
        None | Some("member") => Ok("member"),
        Some("manager") => Ok("manager"),
        Some("admin") => Ok("admin"),
        Some(other) => Err(("INVALID_ROLE", format!("There is no role '{other}'"))),
    }
}

/// The status that an action needs of a member; none for any but `active`.
fn status_before(action: &str) -> Option<&'static str> {
    match action {
        "accept" | "decline" => Some("invited"),
        "approve" | "reject" => Some("pending"),
        "change_role" | "leave" | "remove" => Some("active"),
        _ => None,
    }
}

/// Carries one action out on one identity.
fn apply(
    session: &GroupsSession,
    group: &mut Group,
    action: &str,
    identity: Uuid,
    item: &Value,
) -> Result<Membership, Refusal> {
    let mine = session.caller.set.contains(&identity);
    let caller = session.rank(group);
    let allowed = match action {
        "accept" | "decline" | "leave" => mine,
        "join" => mine && group.policies["join_requests"] != true,
        "request_join" => mine && group.policies["join_requests"] == true,
        "change_role" => caller >= Rank::Admin,
        _ => caller >= Rank::Manager,
    };
    if !allowed || (action == "add" && rank(role(item)?) > caller) {
        return Err(("FORBIDDEN", format!("You are not allowed to {} {identity}", action.replace('_', " "))));
    }
    let current = group.members.get(&identity).cloned();
    let status = current.as_ref().map_or("none", |member| member.status);
    match status_before(action) {
        Some(needed) if status != needed => {
            return Err((
                "INVALID_STATUS",
                format!("The membership of {identity} is {status}, not {needed}"),
            ));
        }
        None if status == "active" => {
            return Err(("ALREADY_ACTIVE", format!("{identity} is already a member of the group")));
        }
        _ => {}
    }
    let role_now = current.as_ref().map_or("member", |member| member.role);
    let last_admin = role_now == "admin"
        && group
            .members
            .values()
            .filter(|member| member.role == "admin" && member.status == "active")
            .count()
            == 1;
    let gives_up =
        matches!(action, "leave" | "remove") || (action == "change_role" && role(item)? != "admin");
    if status == "active" && last_admin && gives_up {
        return Err(("LAST_ADMIN", format!("{identity} is the last administrator of the group")));
    }
    let after = match action {
        "accept" | "approve" => Membership { role: role_now, status: "active" },
        "add" => Membership { role: role(item)?, status: "active" },
        "change_role" => Membership { role: role(item)?, status: "active" },
        "decline" => Membership { role: role_now, status: "declined" },
        "invite" => Membership { role: role(item)?, status: "invited" },
        "join" => Membership { role: "member", status: "active" },
        "leave" => Membership { role: role_now, status: "left" },
        "reject" => Membership { role: role_now, status: "rejected" },
        "remove" => Membership { role: role_now, status: "removed" },
        _ => Membership { role: "member", status: "pending" },
    };
    group.members.insert(identity, after.clone());
    Ok(after)
}

const ACTIONS: [&str; 11] = [
    "accept",
    "add",
    "approve",
    "change_role",
    "decline",
    "invite",
    "join",
    "leave",
    "reject",
    "remove",
    "request_join",
];

/// `POST /v2/groups/{id}`: every action by itself; what is refused is listed below `errors`.
pub(super) async fn act(
    session: GroupsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, AuthError> {
    let given = body(&given)?;
    if let Some(unknown) = given.keys().find(|action| !ACTIONS.contains(&action.as_str())) {
        return Err(unprocessable(format!("There is no action '{unknown}'")));
    }
    let mut state = session.world.state();
    let mut group = session.group_mut(&mut state, &id, Rank::None)?.clone();
    let (mut done, mut errors) = (Map::new(), Map::new());
    for (action, items) in &given {
        let (mut changed, mut refused) = (Vec::new(), Vec::new());
        for item in items.as_array().map(Vec::as_slice).unwrap_or_default() {
            let identity = item["identity_id"].as_str().and_then(|text| Uuid::parse_str(text).ok());
            let Some(identity) = identity.filter(|id| state.identities.contains_key(id)) else {
                refused.push(json!({
                    "code": "IDENTITY_NOT_FOUND",
                    "identity_id": item["identity_id"],
                    "detail": format!("No identity {}", item["identity_id"]),
                }));
                continue;
            };
            match apply(&session, &mut group, action, identity, item) {
                Ok(member) => changed.push(membership(&state, group.id, identity, &member)),
                Err((code, detail)) => {
                    refused.push(json!({"code": code, "identity_id": identity, "detail": detail}));
                }
            }
        }
        if !changed.is_empty() {
            done.insert(action.clone(), json!(changed));
        }
        if !refused.is_empty() {
            errors.insert(action.clone(), json!(refused));
        }
    }
    if !errors.is_empty() {
        done.insert("errors".to_owned(), Value::Object(errors));
    }
    state.groups.insert(group.id, group);
    Ok(Json(Value::Object(done)))
}
