//! The collection document of the manager API.

use serde_json::{Map, Value, json};

use super::GcsError;
use crate::seed::Kind;
use crate::state::gcs::POSIX;
use crate::state::{Collection, Server};
use crate::time::time;

/// The document of a collection; its paths and policies are for those who administer it.
pub(super) fn document(server: &Server, of: &Collection, private: bool) -> Value {
    let guest = of.kind == Kind::Guest;
    let mut document = json!({
        "DATA_TYPE": "collection#1.14.0",
        "acl_expiration_mins": null,
        "associated_flow_policy": null,
        "authentication_assurance_timeout": 15840,
        "authentication_timeout_mins": 15840,
        "collection_type": if guest { "guest" } else { "mapped" },
        "connector_id": POSIX,
        "contact_email": of.contact_email,
        "contact_info": of.contact_info,
        "created_at": of.created.strftime("%Y-%m-%d").to_string(),
        "default_directory": of.default_directory.as_deref().unwrap_or("/"),
        "delete_protected": false,
        "department": of.department,
        "description": of.description,
        "disable_anonymous_writes": false,
        "disable_verify": of.disable_verify,
        "display_name": of.name,
        "domain_name": server.hostname(),
        "enable_https": false,
        "force_encryption": of.force_encryption,
        "force_verify": of.force_verify,
        "high_assurance": false,
        "https_url": null,
        "id": of.id,
        "identity_id": of.owner,
        "info_link": of.info_link,
        "keywords": of.keywords,
        "last_access": of.last_accessed.map(time),
        "manager_url": server.url,
        "organization": of.organization,
        "policies": null,
        "public": of.public,
        "require_high_assurance": false,
        "require_mfa": false,
        "restrict_transfers_to_high_assurance": null,
        "storage_gateway_id": of.gateway,
        "subscription_id": of.subscription,
        "tlsftp_url": null,
        "user_message": of.user_message,
        "user_message_link": of.user_message_link,
    });
    let own = if guest {
        json!({
            "mapped_collection_id": of.host,
            "user_credential_id": of.credential,
            "skip_auto_delete": false,
            "activity_notification_policy": null,
        })
    } else {
        json!({
            "allow_guest_collections": of.allow_guests,
            "auto_delete_timeout": null,
            "guest_auth_policy_id": null,
            "sharing_restrict_paths": null,
            "sharing_users_allow": null,
            "sharing_users_deny": null,
        })
    };
    if let (Some(fields), Value::Object(own)) = (document.as_object_mut(), own) {
        fields.extend(own);
        if private {
            fields.insert("collection_base_path".to_owned(), json!(of.host_path.as_deref().unwrap_or("/")));
            fields.insert("root_path".to_owned(), json!(of.directory));
        }
    }
    document
}

/// Sets the fields that are given; read-only ones and unknown ones are left.
pub(super) fn apply(of: &mut Collection, given: &Map<String, Value>) -> Result<(), GcsError> {
    if let Some(name) = given.get("display_name") {
        match name.as_str().filter(|name| !name.is_empty()) {
            Some(name) => name.clone_into(&mut of.name),
            None => return Err(GcsError::unprocessable("display_name must not be empty")),
        }
    }
    for (field, place) in [
        ("contact_email", &mut of.contact_email),
        ("contact_info", &mut of.contact_info),
        ("default_directory", &mut of.default_directory),
        ("department", &mut of.department),
        ("description", &mut of.description),
        ("info_link", &mut of.info_link),
        ("organization", &mut of.organization),
        ("user_message", &mut of.user_message),
        ("user_message_link", &mut of.user_message_link),
    ] {
        match given.get(field) {
            None => {}
            Some(Value::Null) => *place = None,
            Some(Value::String(text)) => *place = Some(text.clone()),
            Some(other) => {
                return Err(GcsError::unprocessable(format!("{field} must be a text, not {other}")));
            }
        }
    }
    for (field, place) in [
        ("disable_verify", &mut of.disable_verify),
        ("force_encryption", &mut of.force_encryption),
        ("force_verify", &mut of.force_verify),
        ("public", &mut of.public),
        ("allow_guest_collections", &mut of.allow_guests),
    ] {
        match given.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Bool(value)) => *place = *value,
            Some(other) => {
                return Err(GcsError::unprocessable(format!("{field} must be true or false, not {other}")));
            }
        }
    }
    if let Some(keywords) = given.get("keywords").and_then(Value::as_array) {
        of.keywords = keywords.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    }
    Ok(())
}
