//! Policies and membership fields of groups, preferences of identities, subscriptions.

use axum::Json;
use axum::extract::Path;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{GroupsSession, Rank, body, not_found, unprocessable};
use crate::reply::AuthError;

/// `GET /v2/groups/{id}/policies`
pub(super) async fn policies(
    session: GroupsSession,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let state = session.world.state();
    Ok(Json(json!(session.group(&state, &id)?.policies)))
}

/// `PUT /v2/groups/{id}/policies`: the whole document.
pub(super) async fn set_policies(
    session: GroupsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, AuthError> {
    let given = body(&given)?;
    let text = |name: &str, choices: [&str; 2]| match given.get(name).and_then(Value::as_str) {
        Some(value) if choices.contains(&value) => Ok(()),
        other => Err(unprocessable(format!("{name} must be one of {}, not {other:?}", choices.join(", ")))),
    };
    text("group_visibility", ["authenticated", "private"])?;
    text("group_members_visibility", ["members", "managers"])?;
    for name in ["is_high_assurance", "join_requests"] {
        if !given.get(name).is_some_and(Value::is_boolean) {
            return Err(unprocessable(format!("Missing or invalid field {name}")));
        }
    }
    if !given.get("signup_fields").is_some_and(Value::is_array) {
        return Err(unprocessable("Missing or invalid field signup_fields"));
    }
    let mut state = session.world.state();
    let group = session.group_mut(&mut state, &id, Rank::Admin)?;
    group.policies.extend(given);
    Ok(Json(json!(group.policies)))
}

/// The identity's own fields, by the identity.
fn mine(session: &GroupsSession, fields: &std::collections::BTreeMap<Uuid, Value>) -> Value {
    let mine = session.caller.set.iter().filter_map(|id| Some((id.to_string(), fields.get(id)?.clone())));
    Value::Object(mine.collect())
}

/// `GET /v2/groups/{id}/membership_fields`: what the caller's identities filled in.
pub(super) async fn fields(session: GroupsSession, Path(id): Path<String>) -> Result<Json<Value>, AuthError> {
    let state = session.world.state();
    Ok(Json(mine(&session, &session.group(&state, &id)?.fields)))
}

/// What is given for each of the caller's identities.
fn own(session: &GroupsSession, given: Map<String, Value>) -> Result<Vec<(Uuid, Value)>, AuthError> {
    given
        .into_iter()
        .map(|(id, value)| {
            Uuid::parse_str(&id)
                .ok()
                .filter(|id| session.caller.set.contains(id))
                .map(|id| (id, value))
                .ok_or_else(|| AuthError::forbidden(format!("The identity {id} is not in your identity set")))
        })
        .collect()
}

/// `PUT /v2/groups/{id}/membership_fields`
pub(super) async fn set_fields(
    session: GroupsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, AuthError> {
    let given = own(&session, body(&given)?)?;
    let mut state = session.world.state();
    let group = session.group_mut(&mut state, &id, Rank::None)?;
    group.fields.extend(given);
    Ok(Json(mine(&session, &group.fields)))
}

/// `GET /v2/preferences`: of each of the caller's identities.
pub(super) async fn preferences(session: GroupsSession) -> Json<Value> {
    let state = session.world.state();
    let document = |id: &Uuid| {
        let found = state.preferences.get(id).cloned();
        (id.to_string(), found.unwrap_or_else(|| json!({"allow_add": true})))
    };
    Json(Value::Object(session.caller.set.iter().map(document).collect()))
}

/// `PUT /v2/preferences`
pub(super) async fn set_preferences(session: GroupsSession, given: String) -> Result<Json<Value>, AuthError> {
    let given = own(&session, body(&given)?)?;
    let mut state = session.world.state();
    state.preferences.extend(given.iter().cloned());
    Ok(Json(given.into_iter().map(|(id, value)| (id.to_string(), value)).collect()))
}

/// `PUT /v2/groups/{id}/subscription_admin_verified`
pub(super) async fn set_subscription_admin_verified(
    session: GroupsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, AuthError> {
    let given = body(&given)?;
    let verified = match given.get("subscription_admin_verified_id") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(value.as_str().and_then(|text| Uuid::parse_str(text).ok()).ok_or_else(|| {
                unprocessable(format!("subscription_admin_verified_id is no UUID: {value}"))
            })?)
        }
    };
    let mut state = session.world.state();
    let group = session.group_mut(&mut state, &id, Rank::Admin)?;
    group.subscription_admin_verified = verified;
    Ok(Json(json!({"group_id": group.id, "subscription_admin_verified_id": verified})))
}

/// `GET /v2/subscription_info/{id}`: the group that has the subscription.
pub(super) async fn by_subscription(
    session: GroupsSession,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let state = session.world.state();
    let found =
        state.groups.values().find(|group| group.subscription.is_some_and(|one| one.to_string() == id));
    let group = found.ok_or_else(|| not_found(&id))?;
    Ok(Json(json!({
        "group_id": group.id,
        "subscription_id": group.subscription,
        "subscription_info": {"is_high_assurance": false, "is_baa": false, "connectors": {}},
    })))
}
