//! Finding collections: by text and scope, and the guest collections of one.

use axum::Json;
use axum::extract::{Path, RawQuery};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, Session, administered, collection, endpoint_document, number, page_range};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::reply::TransferError;
use crate::seed::Kind;
use crate::state::{Collection, State};
use crate::time::time;

/// Results of one page, and of all pages together, as the service limits them.
const PAGE: usize = 100;
const MOST: usize = 1000;

/// `GET /endpoint_search`
pub(crate) async fn search(
    Session { world, caller }: Session,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let query = pairs(query.as_deref());
    let state = world.state();
    let scope = field(&query, "filter_scope").unwrap_or("all");
    let words: Vec<String> = field(&query, "filter_fulltext")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    if scope == "all" && words.is_empty() && field(&query, "filter_owner_id").is_none() {
        return Err(TransferError::bad_request("filter_fulltext is required when filter_scope is 'all'"));
    }
    let mut found: Vec<&Collection> = Vec::new();
    for of in state.collections.values() {
        if caller.sees(&state, of)
            && in_scope(&state, &caller, of, scope)?
            && words.iter().all(|word| texts(&state, of).contains(word))
            && filtered(&state, of, &query)?
        {
            found.push(of);
        }
    }
    if scope == "recently-used" {
        found.sort_by_key(|of| std::cmp::Reverse(of.last_accessed));
    } else {
        found.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    }
    let (limit, offset) = page_range(&query, PAGE, PAGE)?;
    if offset + limit > MOST {
        return Err(TransferError::bad_request(format!("offset and limit must not exceed {MOST} together")));
    }
    let page: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|of| {
            let mut document = endpoint_document::document(&state, &caller, of);
            // Search leaves the servers out and adds how well a result fits.
            if let Some(fields) = document.as_object_mut() {
                fields.remove("DATA");
                fields.insert("_rank".to_owned(), json!(1.0));
            }
            document
        })
        .collect();
    Ok(Json(json!({
        "DATA_TYPE": "endpoint_list",
        "limit": limit,
        "offset": offset,
        "has_next_page": offset + page.len() < found.len().min(MOST),
        "DATA": page,
    })))
}

/// Everything that the full text search looks into.
fn texts(state: &State, of: &Collection) -> String {
    let mut texts = vec![of.name.clone(), of.id.to_string(), state.username(of.owner)];
    texts.extend(of.description.clone());
    texts.extend(of.organization.clone());
    texts.extend(of.department.clone());
    texts.extend(of.keywords.iter().cloned());
    texts.join(" ").to_lowercase()
}

fn in_scope(state: &State, caller: &Caller, of: &Collection, scope: &str) -> Result<bool, TransferError> {
    let owned = caller.set.contains(&of.owner);
    Ok(match scope {
        "all" => true,
        "my-endpoints" => owned,
        "my-gcp-endpoints" => owned && of.server.is_none(),
        "shared-by-me" => owned && of.kind == Kind::Guest,
        "shared-with-me" => !owned && shared_with(state, caller, of),
        "recently-used" => of.used_by.iter().any(|id| caller.set.contains(id)),
        "in-use" => state
            .tasks
            .values()
            .any(|task| task.active() && task.uses(of.id) && caller.set.contains(&task.owner)),
        "administered-by-me" => caller.administers(state, of),
        "hide-no-permissions" => {
            of.kind == Kind::Mapped
                || !caller.roles(state, of).is_empty()
                || caller.rules(state, of).next().is_some()
        }
        other => {
            return Err(TransferError::bad_request(format!("Unknown filter_scope '{other}'")));
        }
    })
}

/// Shared with the caller or a group of theirs, not with everybody.
fn shared_with(state: &State, caller: &Caller, of: &Collection) -> bool {
    of.kind == Kind::Guest
        && caller.rules(state, of).any(|rule| matches!(rule.principal_type.as_str(), "identity" | "group"))
}

fn filtered(state: &State, of: &Collection, query: &[(String, String)]) -> Result<bool, TransferError> {
    let id = |name: &str| -> Result<Option<Uuid>, TransferError> {
        field(query, name)
            .map(|text| {
                state
                    .resolve(text)
                    .ok_or_else(|| TransferError::bad_request(format!("{name} '{text}' is not an id")))
            })
            .transpose()
    };
    let owner = id("filter_owner_id")?.is_none_or(|owner| owner == of.owner);
    let host = id("filter_host_endpoint")?.is_none_or(|host| Some(host) == of.host);
    let entity =
        field(query, "filter_entity_type").is_none_or(|wanted| wanted == endpoint_document::entity_type(of));
    // Every simulated collection works.
    let works = !matches!(field(query, "filter_non_functional"), Some("1" | "true" | "True"));
    Ok(owner && host && entity && works)
}

/// `GET /endpoint/{id}/my_shared_endpoint_list`
pub(crate) async fn my_guests(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let host = collection(&state, &caller, &id)?.id;
    let documents: Vec<Value> = state
        .collections
        .values()
        .filter(|of| of.host == Some(host) && caller.set.contains(&of.owner))
        .map(|of| endpoint_document::document(&state, &caller, of))
        .collect();
    Ok(Json(json!({
        "DATA_TYPE": "endpoint_list",
        "length": documents.len(),
        "DATA": documents,
    })))
}

/// `GET /endpoint/{id}/shared_endpoint_list`: all guest collections, for an administrator, in pages by
/// `next_token`.
pub(crate) async fn guests(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let query = pairs(query.as_deref());
    let state = world.state();
    let host = administered(&state, &caller, &id)?.id;
    let most = number(&query, "max_results", MOST)?.clamp(1, MOST);
    let after = match field(&query, "next_token") {
        None => None,
        Some(text) => Some(
            Uuid::parse_str(text)
                .map_err(|_| TransferError::bad_request(format!("Invalid next_token '{text}'")))?,
        ),
    };
    let mut left = state
        .collections
        .values()
        .filter(|of| of.host == Some(host) && after.is_none_or(|after| of.id > after));
    let page: Vec<&Collection> = left.by_ref().take(most).collect();
    let next = if left.next().is_some() { page.last().map(|of| of.id.to_string()) } else { None };
    let documents: Vec<Value> = page
        .into_iter()
        .map(|of| {
            json!({
                "id": of.id,
                "display_name": of.name,
                "host_endpoint_id": of.host,
                "owner_id": of.owner,
                "owner_string": state.username(of.owner),
                "host_path": of.host_path,
                "last_accessed_time": of.last_accessed.map(time),
            })
        })
        .collect();
    Ok(Json(json!({"shared_endpoints": documents, "next_token": next})))
}
