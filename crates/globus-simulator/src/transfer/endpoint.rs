//! Collections: their document, changing and deleting them, guest collections, their servers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, body, caller, collection, collection_mut, text};
use crate::reply::{TransferError, result};
use crate::sandbox::Virtual;
use crate::seed::Kind;
use crate::state::{Collection, State, World, time};

/// The endpoint document, as one caller sees it.
pub(crate) fn document(world: &World, state: &State, caller: &Caller, of: &Collection) -> Value {
    let host = of.host.and_then(|id| state.collections.get(&id));
    let guest = of.kind == Kind::Guest;
    let keywords = (!of.keywords.is_empty()).then(|| of.keywords.join(","));
    let owner = state.username(of.owner);
    let name = format!("u_{}", &of.owner.simple().to_string()[..26]);
    json!({
        "DATA_TYPE": "endpoint",
        "DATA": [server(of)],
        "id": of.id,
        "display_name": of.name,
        "name": of.id,
        "canonical_name": format!("{name}#{}", of.id),
        "username": name,
        "owner_id": of.owner,
        "owner_string": owner,
        "organization": of.organization,
        "department": of.department,
        "description": of.description,
        "keywords": keywords,
        "contact_email": of.contact_email,
        "contact_info": of.contact_info,
        "info_link": of.info_link,
        "user_message": null,
        "user_message_link": null,
        "public": of.public,
        "entity_type": if guest { "GCSv5_guest_collection" } else { "GCSv5_mapped_collection" },
        "subscription_id": of.subscription,
        "subscription_admin_verified": false,
        "french_english_bilingual": false,
        "default_directory": of.default_directory,
        "guest_collection_activity_notification_policy": null,
        "force_encryption": of.force_encryption,
        "force_verify": of.force_verify,
        "disable_verify": of.disable_verify,
        "disable_anonymous_writes": false,
        "mfa_required": false,
        "activated": true,
        "expires_in": -1,
        "expire_time": null,
        "myproxy_server": null,
        "myproxy_dn": null,
        "oauth_server": null,
        "requester_pays": false,
        "is_globus_connect": false,
        "gcs_version": "5.4.80",
        "gcs_manager_url": format!("{}/gcs/{}", world.base, of.host.unwrap_or(of.id)),
        "globus_connect_setup_key": null,
        "host_endpoint": null,
        "host_endpoint_id": of.host,
        "host_endpoint_display_name": host.map(|host| host.name.clone()),
        "host_path": of.host_path,
        "mapped_collection_id": of.host,
        "mapped_collection_display_name": host.map(|host| host.name.clone()),
        "s3_url": null,
        "s3_owner_activated": false,
        "acl_available": guest,
        "acl_editable": guest && caller.manages_access(state, of),
        "acl_max_expiration_period_mins": null,
        "in_use": state.tasks.values().any(|task| task.active() && task.uses(of.id)),
        "my_effective_roles": caller.roles(state, of),
        "gcp_connected": null,
        "gcp_paused": null,
        "network_use": "normal",
        "location": "Automatic",
        "max_concurrency": 4,
        "preferred_concurrency": 2,
        "max_parallelism": 8,
        "preferred_parallelism": 4,
        "local_user_info_available": !guest,
        "https_server": null,
        "tlsftp_server": null,
        "high_assurance": false,
        "authentication_timeout_mins": null,
        "authentication_assurance_timeout": null,
        "authentication_policy_id": null,
        "auto_delete_timeout": null,
        "skip_auto_delete": null,
        "last_accessed_time": of.last_accessed.map(time),
        "non_functional": false,
        "non_functional_endpoint_id": null,
        "non_functional_endpoint_display_name": null,
        "shareable": !guest,
        "sharing_target_endpoint": null,
        "sharing_target_root_path": null,
        "storage_type": "posix",
        "restrict_transfers_to_high_assurance": null,
        "associated_flow_policy": null,
        "preserve_modtime": null,
    })
}

/// The one data server of a simulated collection. It is named, not run: data moves on this machine's disk.
fn server(of: &Collection) -> Value {
    json!({
        "DATA_TYPE": "server",
        "id": 1,
        "hostname": "127.0.0.1",
        "port": 443,
        "scheme": "gsiftp",
        "uri": "gsiftp://127.0.0.1:443",
        "subject": null,
        "incoming_data_port_start": null,
        "incoming_data_port_end": null,
        "outgoing_data_port_start": null,
        "outgoing_data_port_end": null,
        "is_connected": of.directory.is_dir(),
        "is_paused": false,
    })
}

/// `GET /endpoint/{id}`
pub(crate) async fn get(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let caller = caller(&state, &headers)?;
    let found = collection(&state, &caller, &id)?;
    Ok(Json(document(&world, &state, &caller, found)))
}

/// `PUT /endpoint/{id}`: the fields that are given, by an administrator.
pub(crate) async fn update(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "endpoint")?;
    let mut state = world.state();
    let caller = caller(&state, &headers)?;
    administered(&state, &caller, &id)?;
    let found = collection_mut(&mut state, &caller, &id)?;
    let optional = |field: &str| given[field].as_str().map(str::to_owned);
    if let Some(name) = given.get("display_name") {
        match name.as_str().filter(|name| !name.is_empty()) {
            Some(name) => found.name = name.to_owned(),
            None => return Err(TransferError::bad_request("display_name must not be empty")),
        }
    }
    for (field, place) in [
        ("description", &mut found.description),
        ("organization", &mut found.organization),
        ("department", &mut found.department),
        ("contact_email", &mut found.contact_email),
        ("contact_info", &mut found.contact_info),
        ("info_link", &mut found.info_link),
        ("default_directory", &mut found.default_directory),
    ] {
        if given.get(field).is_some() {
            *place = optional(field);
        }
    }
    if let Some(keywords) = given["keywords"].as_str() {
        found.keywords = keywords.split(',').map(|word| word.trim().to_owned()).collect();
    }
    for (field, place) in [
        ("public", &mut found.public),
        ("force_encryption", &mut found.force_encryption),
        ("force_verify", &mut found.force_verify),
        ("disable_verify", &mut found.disable_verify),
    ] {
        if let Some(value) = given[field].as_bool() {
            *place = value;
        }
    }
    Ok(result(StatusCode::OK, "result", "Updated", "Endpoint updated successfully", json!({})))
}

fn administered(state: &State, caller: &Caller, id: &str) -> Result<(), TransferError> {
    let found = collection(state, caller, id)?;
    if caller.administers(state, found) {
        Ok(())
    } else {
        Err(TransferError::permission_denied(format!("You do not have the administrator role on endpoint '{id}'")))
    }
}

/// `DELETE /endpoint/{id}`: the collection goes, its files stay.
pub(crate) async fn delete(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    let caller = caller(&state, &headers)?;
    administered(&state, &caller, &id)?;
    let found = collection(&state, &caller, &id)?.id;
    if state.collections.values().any(|other| other.host == Some(found)) {
        return Err(TransferError::conflict(
            "Conflict",
            format!("Endpoint '{id}' has guest collections, which must be deleted first"),
        ));
    }
    state.collections.remove(&found);
    state.bookmarks.retain(|bookmark| bookmark.endpoint != found);
    Ok(result(StatusCode::OK, "result", "Deleted", "Endpoint deleted successfully", json!({})))
}

/// `POST /shared_endpoint`: a guest collection on a directory of a mapped one, owned by the caller.
pub(crate) async fn share(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "shared_endpoint")?;
    let mut state = world.state();
    let caller = caller(&state, &headers)?;
    let id = create_guest(
        &mut state,
        &caller,
        text(&given, "host_endpoint")?,
        text(&given, "host_path")?,
        text(&given, "display_name")?,
        &given,
    )?;
    Ok(result(
        StatusCode::CREATED,
        "endpoint_create_result",
        "Created",
        "Shared endpoint created",
        json!({"id": id, "globus_connect_setup_key": null}),
    ))
}

/// Makes a guest collection; the directory must exist.
pub(crate) fn create_guest(
    state: &mut State,
    caller: &Caller,
    host_id: &str,
    host_path: &str,
    name: &str,
    more: &Value,
) -> Result<Uuid, TransferError> {
    let host = collection(state, caller, host_id)?;
    if host.kind == Kind::Guest {
        return Err(TransferError::conflict(
            "NotSupported",
            format!("Endpoint '{host_id}' is a guest collection, which can't be shared again"),
        ));
    }
    caller.may_enter(state, host, "Sharing")?;
    if name.is_empty() {
        return Err(TransferError::bad_request("display_name must not be empty"));
    }
    let path = Virtual::parse(host_path, host.default_directory.as_deref().unwrap_or("/"))
        .ok_or_else(|| TransferError::invalid_path(format!("Invalid path '{host_path}'")))?;
    if crate::sandbox::Sandbox::open(&host.directory, Some(path.as_str())).is_err() {
        return Err(TransferError::not_found(
            "ClientError.NotFound",
            format!("Directory '{host_path}' not found on endpoint '{host_id}'"),
        ));
    }
    let id = Uuid::new_v4();
    let field = |name: &str| more[name].as_str().map(str::to_owned);
    let guest = Collection {
        id,
        name: name.to_owned(),
        kind: Kind::Guest,
        host_path: Some(path.as_directory()),
        host: Some(host.id),
        owner: caller.identity,
        roles: Vec::new(),
        rules: Vec::new(),
        users: None,
        data_access: false,
        public: more["public"].as_bool().unwrap_or(true),
        default_directory: field("default_directory"),
        description: field("description"),
        organization: field("organization"),
        department: field("department"),
        contact_email: field("contact_email"),
        contact_info: field("contact_info"),
        info_link: field("info_link"),
        keywords: Vec::new(),
        subscription: None,
        last_accessed: None,
        used_by: Vec::new(),
        ..host.clone()
    };
    state.collections.insert(id, guest);
    Ok(id)
}

/// `GET /endpoint/{id}/server_list`
pub(crate) async fn servers(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let caller = caller(&state, &headers)?;
    let found = collection(&state, &caller, &id)?;
    Ok(Json(json!({
        "DATA_TYPE": "endpoint_server_list",
        "endpoint": id,
        "DATA": [server(found)],
    })))
}

/// `GET /endpoint/{id}/my_effective_pause_rule_list`: nothing is ever paused by a rule here.
pub(crate) async fn pause_rules(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let caller = caller(&state, &headers)?;
    collection(&state, &caller, &id)?;
    Ok(Json(json!({"DATA_TYPE": "pause_rule_limited_list", "endpoint": id, "DATA": []})))
}
