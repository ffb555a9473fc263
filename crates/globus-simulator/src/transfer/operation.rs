//! Operations on files that answer at once: ls, stat, mkdir, rename.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::caller::Permission;
use super::file::{self, Attempt};
use super::listing::{self, Filter};
use super::{Caller, Session, body, collection, number, text};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::reply::{TransferError, result};
use crate::sandbox::{Sandbox, Virtual};
use crate::state::{Collection, State, World};

/// Entries of one listing at most.
const MOST: usize = 100_000;

/// A collection that was entered: its document, its open directory, who entered.
struct Entered {
    caller: Caller,
    collection: Collection,
    sandbox: Sandbox,
}

fn enter(world: &World, caller: Caller, id: &str, operation: &str) -> Result<Entered, TransferError> {
    let mut state = world.state();
    let found = collection(&state, &caller, id)?.clone();
    caller.may_enter(&state, &found, operation)?;
    let sandbox = Sandbox::open(&found.directory, found.host_path.as_deref()).map_err(|error| {
        TransferError::new(
            StatusCode::BAD_GATEWAY,
            "EndpointError",
            format!(
                "Endpoint Error, the directory of '{}' ({}) can't be opened: {error}",
                found.name, found.id
            ),
        )
    })?;
    touch(&mut state, &caller, &found);
    Ok(Entered { caller, collection: found, sandbox })
}

/// Remembers the use, for `last_accessed_time` and the search scope `recently-used`.
pub(crate) fn touch(state: &mut State, caller: &Caller, of: &Collection) {
    if let Some(found) = state.collections.get_mut(&of.id) {
        found.last_accessed = Some(Timestamp::now());
        found.used_by.retain(|id| *id != caller.identity);
        found.used_by.push(caller.identity);
    }
}

impl Entered {
    fn path(&self, text: &str) -> Result<Virtual, TransferError> {
        Virtual::parse(text, self.collection.default_directory.as_deref().unwrap_or("/"))
            .ok_or_else(|| TransferError::invalid_path(format!("Invalid path '{}'", text.escape_debug())))
    }

    /// Both the path as given and where it really leads must be allowed.
    fn allow(
        &self,
        world: &World,
        path: &Virtual,
        needed: Permission,
        attempt: &Attempt<'_>,
    ) -> Result<(), TransferError> {
        let real = self.sandbox.real_or_new(path);
        let state = world.state();
        let allowed = |path: &Virtual| self.caller.permission(&state, &self.collection, path) >= needed;
        if !allowed(path) {
            return Err(attempt.denied());
        }
        match real {
            Ok(real) if allowed(&real) => Ok(()),
            Ok(_) => Err(attempt.denied()),
            Err(error) => Err(attempt.failed(&error)),
        }
    }
}

/// Work on the disk, off the threads that serve requests.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransferError> + Send + 'static,
) -> Result<T, TransferError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(TransferError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceError",
            "The operation failed inside the simulator",
        ))
    })
}

/// `GET /operation/endpoint/{id}/ls`
pub(crate) async fn ls(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    on_disk(move || list(&world, caller, &id, &pairs(query.as_deref())).map(Json)).await
}

fn list(world: &World, caller: Caller, id: &str, query: &[(String, String)]) -> Result<Value, TransferError> {
    let entered = enter(world, caller, id, "DirListing")?;
    let given = field(query, "path").unwrap_or("/~/");
    let path = entered.path(given)?;
    let attempt = Attempt {
        collection: &entered.collection,
        verb: "list",
        noun: "DirListing",
        command: "MLSC",
        path: &path,
    };
    entered.allow(world, &path, Permission::Read, &attempt)?;
    let hidden = !matches!(field(query, "show_hidden"), Some("0" | "false" | "False"));
    let mut filter = Filter::default();
    for (_, text) in query.iter().filter(|(key, _)| key == "filter") {
        filter.add(text)?;
    }
    let dir = entered.sandbox.dir.open_dir(path.relative()).map_err(|error| attempt.failed(&error))?;
    let mut files = Vec::new();
    for entry in dir.entries().map_err(|error| attempt.failed(&error))? {
        let entry = entry.map_err(|error| attempt.failed(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !hidden && name.starts_with('.') {
            continue;
        }
        // Deleted between the two looks: it is not there any more.
        let Ok(document) = file::document(&dir, std::path::Path::new(&entry.file_name()), &name) else {
            continue;
        };
        if filter.passes(&document) {
            files.push(document);
        }
    }
    listing::order(&mut files, field(query, "orderby"))?;
    let total = files.len();
    let offset = number(query, "offset", 0)?;
    let limit = number(query, "limit", MOST)?.min(MOST);
    let page: Vec<Value> = files.into_iter().skip(offset).take(limit).collect();
    Ok(json!({
        "DATA_TYPE": "file_list",
        "endpoint": id,
        "path": if given.ends_with('/') { given.to_owned() } else { format!("{given}/") },
        "absolute_path": path.as_directory(),
        "rename_supported": true,
        "symlink_supported": true,
        "length": page.len(),
        "total": total,
        "DATA": page,
    }))
}

/// `GET /operation/endpoint/{id}/stat`
pub(crate) async fn stat(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    on_disk(move || {
        let query = pairs(query.as_deref());
        let entered = enter(&world, caller, &id, "DirListing")?;
        let given =
            field(&query, "path").ok_or_else(|| TransferError::bad_request("Missing parameter 'path'"))?;
        let path = entered.path(given)?;
        let attempt = Attempt {
            collection: &entered.collection,
            verb: "list",
            noun: "DirListing",
            command: "MLST",
            path: &path,
        };
        // The service's code for a missing path differs here from that of ls.
        let renamed = |mut error: TransferError| {
            if error.code == "ClientError.NotFound" {
                error.code = "NotFound".to_owned();
            }
            error
        };
        entered.allow(&world, &path, Permission::Read, &attempt).map_err(renamed)?;
        file::document(&entered.sandbox.dir, path.relative(), path.name())
            .map(Json)
            .map_err(|error| renamed(attempt.failed(&error)))
    })
    .await
}

/// `POST /operation/endpoint/{id}/mkdir`
pub(crate) async fn mkdir(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    on_disk(move || {
        let given = body(&given, "mkdir")?;
        let entered = enter(&world, caller, &id, "Mkdir")?;
        let path = entered.path(text(&given, "path")?)?;
        let attempt = Attempt {
            collection: &entered.collection,
            verb: "mkdir",
            noun: "Mkdir",
            command: "MKD",
            path: &path,
        };
        entered.allow(&world, &path, Permission::Write, &attempt)?;
        if path.is_top() {
            return Err(attempt.exists());
        }
        entered.sandbox.dir.create_dir(path.relative()).map_err(|error| attempt.failed(&error))
    })
    .await?;
    Ok(result(
        StatusCode::ACCEPTED,
        "mkdir_result",
        "DirectoryCreated",
        "The directory was created successfully",
        json!({}),
    ))
}

/// `POST /operation/endpoint/{id}/rename`
pub(crate) async fn rename(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    on_disk(move || {
        let given = body(&given, "rename")?;
        let entered = enter(&world, caller, &id, "Rename")?;
        let old = entered.path(text(&given, "old_path")?)?;
        let new = entered.path(text(&given, "new_path")?)?;
        let attempt = |path, command| Attempt {
            collection: &entered.collection,
            verb: "rename",
            noun: "Rename",
            command,
            path,
        };
        let (from, to) = (attempt(&old, "RNFR"), attempt(&new, "RNTO"));
        entered.allow(&world, &old, Permission::Write, &from)?;
        entered.allow(&world, &new, Permission::Write, &to)?;
        if old.is_top() || new.is_top() {
            return Err(from.denied());
        }
        let dir = &entered.sandbox.dir;
        let metadata = dir.symlink_metadata(old.relative()).map_err(|error| from.failed(&error))?;
        // rename(2) replaces a file silently; data servers refuse to rename onto a directory.
        if dir.symlink_metadata(new.relative()).is_ok_and(|target| target.is_dir() || metadata.is_dir()) {
            return Err(to.exists());
        }
        dir.rename(old.relative(), dir, new.relative()).map_err(|error| to.failed(&error))
    })
    .await?;
    Ok(result(StatusCode::OK, "result", "FileRenamed", "File or directory renamed successfully", json!({})))
}
