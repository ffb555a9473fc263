//! Groups themselves: list one's own, get, create, update, delete.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::membership::membership;
use super::{GroupsSession, Rank, body, rank, unprocessable};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::reply::AuthError;
use crate::state::State;
use crate::state::group::{Group, Membership};

fn document(session: &GroupsSession, state: &State, group: &Group, include: &[&str]) -> Value {
    let policy = |name: &str| group.policies.get(name).cloned().unwrap_or_default();
    let mut document = json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "parent_id": group.parent,
        "group_type": if group.subscription.is_some() { "plus" } else { "regular" },
        "enforce_session": policy("is_high_assurance"),
        "session_limit": policy("authentication_assurance_timeout"),
        "session_timeouts": {},
        "terms_and_conditions": group.terms,
        "subscription_id": group.subscription,
        "subscription_info": null,
        "subscription_admin_verified_id": group.subscription_admin_verified,
    });
    let mine = |id: &Uuid| session.caller.set.contains(id);
    for part in include {
        let value = match *part {
            "my_memberships" => memberships(state, group, mine),
            "memberships" if sees_members(session, group) => memberships(state, group, |_| true),
            "memberships" => memberships(state, group, mine),
            "policies" => json!(group.policies),
            "child_ids" => {
                json!(
                    state
                        .groups
                        .values()
                        .filter(|one| one.parent == Some(group.id))
                        .map(|one| one.id)
                        .collect::<Vec<_>>()
                )
            }
            "allowed_actions" => json!(allowed(session.rank(group))),
            _ => continue,
        };
        document[part] = value;
    }
    document
}

fn memberships(state: &State, group: &Group, wanted: impl Fn(&Uuid) -> bool) -> Value {
    let of = group.members.iter().filter(|(id, _)| wanted(id));
    of.map(|(id, member)| membership(state, group.id, *id, member)).collect()
}

fn sees_members(session: &GroupsSession, group: &Group) -> bool {
    let needed =
        if group.policies["group_members_visibility"] == "members" { Rank::Member } else { Rank::Manager };
    session.rank(group) >= needed
}

fn allowed(rank: Rank) -> Vec<&'static str> {
    match rank {
        Rank::None => vec![],
        Rank::Member => vec!["leave"],
        Rank::Manager => vec!["add", "approve", "invite", "leave", "reject", "remove"],
        Rank::Admin => vec!["add", "approve", "change_role", "invite", "leave", "reject", "remove"],
    }
}

/// `GET /v2/groups/my_groups`
pub(super) async fn mine(session: GroupsSession, RawQuery(query): RawQuery) -> Json<Value> {
    let query = pairs(query.as_deref());
    let statuses = field(&query, "statuses").unwrap_or("active,invited,pending");
    let statuses: Vec<&str> = statuses.split(',').collect();
    let state = session.world.state();
    let mine = state.groups.values().filter(|group| {
        session
            .caller
            .set
            .iter()
            .filter_map(|id| group.members.get(id))
            .any(|one| statuses.contains(&one.status))
    });
    Json(mine.map(|group| document(&session, &state, group, &["my_memberships", "policies"])).collect())
}

/// `GET /v2/groups/{id}?include=memberships,policies`
pub(super) async fn get(
    session: GroupsSession,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = pairs(query.as_deref());
    let mut include: Vec<&str> = field(&query, "include").unwrap_or_default().split(',').collect();
    include.extend(["my_memberships", "policies"]);
    let state = session.world.state();
    let found = session.group(&state, &id)?;
    Ok(Json(document(&session, &state, found, &include)))
}

fn name(given: &Map<String, Value>) -> Result<String, AuthError> {
    let name = given.get("name").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(unprocessable("name must have 1 to 255 characters"));
    }
    Ok(name.to_owned())
}

/// Sets the texts that are given.
fn apply(group: &mut Group, given: &Map<String, Value>) -> Result<(), AuthError> {
    if given.contains_key("name") {
        group.name = name(given)?;
    }
    for (field, place) in
        [("description", &mut group.description), ("terms_and_conditions", &mut group.terms)]
    {
        if let Some(value) = given.get(field) {
            *place = value.as_str().map(str::to_owned);
        }
    }
    Ok(())
}

/// `POST /v2/groups`: the caller is the first administrator.
pub(super) async fn create(session: GroupsSession, given: String) -> Result<Response, AuthError> {
    let given = body(&given)?;
    if session.read_only {
        return Err(AuthError::forbidden("The token is for reading only"));
    }
    let mut group = Group::new(Uuid::new_v4(), name(&given)?);
    apply(&mut group, &given)?;
    let mut state = session.world.state();
    if let Some(parent) = given.get("parent_id").and_then(Value::as_str) {
        group.parent = Some(session.group_mut(&mut state, parent, Rank::Admin)?.id);
    }
    group.members.insert(session.caller.identity, Membership { role: "admin", status: "active" });
    let answer = document(&session, &state, &group, &["my_memberships", "policies"]);
    state.groups.insert(group.id, group);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `PUT /v2/groups/{id}`: name, description, terms and conditions.
pub(super) async fn update(
    session: GroupsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, AuthError> {
    let given = body(&given)?;
    let mut state = session.world.state();
    let group = session.group_mut(&mut state, &id, rank("admin"))?;
    apply(group, &given)?;
    let group = group.clone();
    Ok(Json(document(&session, &state, &group, &["my_memberships", "policies"])))
}

/// `DELETE /v2/groups/{id}`: one without subgroups.
pub(super) async fn delete(session: GroupsSession, Path(id): Path<String>) -> Result<Json<Value>, AuthError> {
    let mut state = session.world.state();
    let group = session.group_mut(&mut state, &id, Rank::Admin)?.clone();
    if state.groups.values().any(|other| other.parent == Some(group.id)) {
        let detail = format!("The group {id} has subgroups, which must be deleted first");
        return Err(AuthError::new(StatusCode::CONFLICT, "CONFLICT", "Conflict", detail));
    }
    let answer = document(&session, &state, &group, &["my_memberships", "policies"]);
    state.groups.remove(&group.id);
    Ok(Json(answer))
}
