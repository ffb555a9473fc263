//! Every route of the simulated services, with the name that the request log and faults know it by.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, patch, post, put};
use uuid::Uuid;

use crate::server::{named, unknown, wrong_method};
use crate::state::World;
use crate::transfer::{access, bookmark, bookmark_v2, endpoint, operation, role, search, submit, tasks};
use crate::{admin, auth, gcs, groups, timers};

/// A submission of 100,000 items, each with two long paths, fits in.
const LARGEST_BODY: usize = 256 << 20;

pub(crate) fn router(world: &Arc<World>) -> Router {
    let transfer = Router::new().merge(collections(world)).merge(files(world)).merge(task_routes(world));
    let servers: Vec<Uuid> = world.state().servers.keys().copied().collect();
    let managers = servers
        .into_iter()
        .fold(Router::new(), |all, id| all.nest(&format!("/gcs/{id}"), gcs::router(world, id)));
    finished(
        world,
        Router::new()
            .merge(auth(world))
            .nest("/v0.10", transfer)
            .merge(version_2(world))
            .merge(groups::router(world))
            .merge(timers::router(world))
            .merge(managers)
            .nest("/_simulator", admin::router()),
    )
}

/// The manager API of one server at the root, for a listener of its own.
pub(crate) fn manager(world: &Arc<World>, server: Uuid) -> Router {
    finished(world, gcs::router(world, server))
}

fn finished(world: &Arc<World>, routes: Router<Arc<World>>) -> Router {
    routes
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(world.clone())
}

fn auth(world: &Arc<World>) -> Router<Arc<World>> {
    use auth::{apps, identities, sign_in, token, userinfo};
    let named = |name, route| named(world, name, route);
    Router::new()
        .route(
            "/v2/oauth2/authorize",
            named("authorize", get(sign_in::ask)).merge(named("authorize_decide", post(sign_in::decide))),
        )
        .route("/v2/web/auth-code", named("auth_code_page", get(sign_in::show_code)))
        .route("/v2/oauth2/token", named("token", post(token::token)))
        .route("/v2/oauth2/token/revoke", named("token_revoke", post(token::revoke)))
        .route("/v2/oauth2/token/introspect", named("token_introspect", post(token::introspect)))
        .route("/v2/oauth2/token/validate", named("token_validate", post(token::validate)))
        .route("/v2/oauth2/userinfo", named("userinfo", get(userinfo::get)))
        .route("/v2/api/identities", named("identities", get(identities::list)))
        .route("/v2/api/identities/{id}", named("identity", get(identities::get)))
        .route("/v2/api/identities/{id}/consents", named("consents", get(identities::consents)))
        .route("/v2/api/identity_providers", named("identity_providers", get(identities::providers)))
        .route("/v2/api/clients", named("client_create", post(apps::create)))
        .route(
            "/v2/api/clients/{id}",
            named("client_get", get(apps::get)).merge(named("client_delete", delete(apps::delete))),
        )
        .route(
            "/.well-known/openid-configuration",
            named("openid_configuration", get(apps::openid_configuration)),
        )
        .route("/jwk.json", named("jwk", get(apps::jwk)))
}

fn collections(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route("/endpoint_search", named("endpoint_search", get(search::search)))
        .route(
            "/endpoint/{id}",
            named("endpoint_get", get(endpoint::get))
                .merge(named("endpoint_update", put(endpoint::update)))
                .merge(named("endpoint_delete", delete(endpoint::delete))),
        )
        .route("/shared_endpoint", named("shared_endpoint_create", post(endpoint::share)))
        .route("/endpoint/{id}/server_list", named("server_list", get(endpoint::servers)))
        .route(
            "/endpoint/{id}/my_effective_pause_rule_list",
            named("pause_rule_list", get(endpoint::pause_rules)),
        )
        .route(
            "/endpoint/{id}/my_shared_endpoint_list",
            named("my_shared_endpoint_list", get(search::my_guests)),
        )
        .route("/endpoint/{id}/shared_endpoint_list", named("shared_endpoint_list", get(search::guests)))
        .route("/endpoint/{id}/role_list", named("role_list", get(role::list)))
        .route("/endpoint/{id}/role", named("role_create", post(role::create)))
        .route(
            "/endpoint/{id}/role/{role}",
            named("role_get", get(role::get)).merge(named("role_delete", delete(role::delete))),
        )
        .route("/endpoint/{id}/access_list", named("access_list", get(access::list)))
        .route("/endpoint/{id}/access", named("access_create", post(access::create)))
        .route(
            "/endpoint/{id}/access/{rule}",
            named("access_get", get(access::get))
                .merge(named("access_update", put(access::update)))
                .merge(named("access_delete", delete(access::delete))),
        )
        .route("/bookmark_list", named("bookmark_list", get(bookmark::list)))
        .route("/bookmark", named("bookmark_create", post(bookmark::create)))
        .route(
            "/bookmark/{id}",
            named("bookmark_get", get(bookmark::get))
                .merge(named("bookmark_update", put(bookmark::update)))
                .merge(named("bookmark_delete", delete(bookmark::delete))),
        )
}

/// Transfer's version 2, of which there are bookmarks.
fn version_2(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route(
            "/v2/bookmarks",
            named("bookmark_list", get(bookmark_v2::list))
                .merge(named("bookmark_create", post(bookmark_v2::create))),
        )
        .route(
            "/v2/bookmarks/{id}",
            named("bookmark_get", get(bookmark_v2::get))
                .merge(named("bookmark_update", patch(bookmark_v2::update)))
                .merge(named("bookmark_delete", delete(bookmark_v2::delete))),
        )
}

fn files(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route("/operation/endpoint/{id}/ls", named("ls", get(operation::ls)))
        .route("/operation/endpoint/{id}/stat", named("stat", get(operation::stat)))
        .route("/operation/endpoint/{id}/mkdir", named("mkdir", post(operation::mkdir)))
        .route("/operation/endpoint/{id}/rename", named("rename", post(operation::rename)))
}

fn task_routes(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route("/submission_id", named("submission_id", get(submit::submission_id)))
        .route("/transfer", named("transfer", post(submit::transfer)))
        .route("/delete", named("delete", post(submit::delete)))
        .route("/task_list", named("task_list", get(tasks::list)))
        .route(
            "/task/{id}",
            named("task_get", get(tasks::get)).merge(named("task_update", put(tasks::update))),
        )
        .route("/task/{id}/cancel", named("task_cancel", post(tasks::cancel)))
        .route("/task/{id}/event_list", named("task_events", get(tasks::events)))
        .route("/task/{id}/pause_info", named("task_pause_info", get(tasks::pause_info)))
        .route(
            "/task/{id}/successful_transfers",
            named("task_successful_transfers", get(tasks::successful_transfers)),
        )
        .route("/task/{id}/skipped_errors", named("task_skipped_errors", get(tasks::skipped_errors)))
}
