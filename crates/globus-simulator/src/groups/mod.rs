//! Globus Groups, version 2: groups, their policies and members.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{delete, get, post, put};
use serde_json::{Map, Value};
use uuid::Uuid;

mod api;
mod membership;
mod settings;

use crate::auth::{access_token, scope};
use crate::reply::AuthError;
use crate::server::named;
use crate::state::group::Group;
use crate::state::{Caller, State, World};

/// Every route of Groups.
pub(crate) fn router(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route("/v2/groups", named("group_create", post(api::create)))
        .route("/v2/groups/my_groups", named("my_groups", get(api::mine)))
        .route(
            "/v2/groups/{id}",
            named("group_get", get(api::get))
                .merge(named("group_update", put(api::update)))
                .merge(named("group_delete", delete(api::delete)))
                .merge(named("group_membership", post(membership::act))),
        )
        .route(
            "/v2/groups/{id}/policies",
            named("group_policies_get", get(settings::policies))
                .merge(named("group_policies_set", put(settings::set_policies))),
        )
        .route(
            "/v2/groups/{id}/membership_fields",
            named("group_fields_get", get(settings::fields))
                .merge(named("group_fields_set", put(settings::set_fields))),
        )
        .route(
            "/v2/groups/{id}/subscription_admin_verified",
            named("group_subscription_verified", put(settings::set_subscription_admin_verified)),
        )
        .route(
            "/v2/preferences",
            named("group_preferences_get", get(settings::preferences))
                .merge(named("group_preferences_set", put(settings::set_preferences))),
        )
        .route("/v2/subscription_info/{id}", named("group_by_subscription", get(settings::by_subscription)))
}

/// A call to Groups with a good token: what every handler starts from.
struct GroupsSession {
    world: Arc<World>,
    caller: Caller,
    /// Whether the token is for reading one's own groups only.
    read_only: bool,
}

impl FromRequestParts<Arc<World>> for GroupsSession {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, AuthError> {
        let state = world.state();
        let token = access_token(&state, &parts.headers).map_err(|_| AuthError::unauthorized())?;
        let has = |wanted: &str| token.scopes.iter().any(|name| name == wanted);
        if !has(scope::GROUPS_ALL) && !has(scope::GROUPS_VIEW) {
            return Err(AuthError::forbidden(format!(
                "The token does not have the scope {}",
                scope::GROUPS_ALL
            )));
        }
        let (caller, read_only) = (state.caller(&token), !has(scope::GROUPS_ALL));
        drop(state);
        Ok(Self { world: world.clone(), caller, read_only })
    }
}

/// What a member may do, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    None,
    Member,
    Manager,
    Admin,
}

fn rank(role: &str) -> Rank {
    match role {
        "admin" => Rank::Admin,
        "manager" => Rank::Manager,
        "member" => Rank::Member,
        _ => Rank::None,
    }
}

impl GroupsSession {
    /// The caller's highest rank in a group, by any linked identity.
    fn rank(&self, group: &Group) -> Rank {
        let mine = self.caller.set.iter().filter(|id| group.has(id));
        mine.filter_map(|id| group.members.get(id))
            .map(|member| rank(member.role))
            .max()
            .unwrap_or(Rank::None)
    }

    /// The group with this id, if the caller may know of it: a member in any state, or everybody for a
    /// visible one.
    fn group<'a>(&self, state: &'a State, id: &str) -> Result<&'a Group, AuthError> {
        Uuid::parse_str(id)
            .ok()
            .and_then(|id| state.groups.get(&id))
            .filter(|group| {
                group.policies["group_visibility"] == "authenticated"
                    || self.caller.set.iter().any(|id| group.members.contains_key(id))
            })
            .ok_or_else(|| not_found(id))
    }

    /// Like [`Self::group`], to change it, for those of a rank.
    fn group_mut<'a>(
        &self,
        state: &'a mut State,
        id: &str,
        needed: Rank,
    ) -> Result<&'a mut Group, AuthError> {
        let found = self.group(state, id)?;
        if self.read_only || self.rank(found) < needed {
            return Err(AuthError::forbidden(format!("You are not allowed to change the group {id}")));
        }
        let found = found.id;
        state.groups.get_mut(&found).ok_or_else(|| not_found(id))
    }
}

fn not_found(id: &str) -> AuthError {
    AuthError::new(StatusCode::NOT_FOUND, "GROUP_NOT_FOUND", "Not Found", format!("No group {id}"))
}

/// The JSON object of a request.
fn body(text: &str) -> Result<Map<String, Value>, AuthError> {
    serde_json::from_str(text).map_err(|error| unprocessable(format!("The body is no JSON object: {error}")))
}

fn unprocessable(detail: impl Into<String>) -> AuthError {
    AuthError::new(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", "Unprocessable Entity", detail)
}
