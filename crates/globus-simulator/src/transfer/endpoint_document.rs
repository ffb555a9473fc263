//! The endpoint document of collections and of Connect Servers, as one caller sees it.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::seed::Kind;
use crate::state::{Caller, Collection, Server, State};
use crate::time::time;

/// The entity type of a collection, such as `GCSv5_guest_collection`.
pub(crate) fn entity_type(of: &Collection) -> &'static str {
    match (of.server.is_some(), of.kind) {
        (true, Kind::Mapped) => "GCSv5_mapped_collection",
        (true, Kind::Guest) => "GCSv5_guest_collection",
        (false, Kind::Mapped) => "GCP_mapped_collection",
        (false, Kind::Guest) => "GCP_guest_collection",
    }
}

/// The account that owns the endpoint record: on a Connect Server, the server itself.
pub(crate) fn record_owner(of: &Collection) -> Uuid {
    of.server.unwrap_or(of.owner)
}

/// The old-style name of an account: `u_` and 26 letters and digits.
pub(crate) fn owner_name(owner: Uuid) -> String {
    format!("u_{}", &owner.simple().to_string()[..26])
}

/// `u_…#<id>`, the old-style name of a collection.
pub(crate) fn canonical_name(of: &Collection) -> String {
    format!("{}#{}", owner_name(record_owner(of)), of.id)
}

/// The endpoint document of a collection.
pub(crate) fn document(state: &State, caller: &Caller, of: &Collection) -> Value {
    let host = of.host.and_then(|id| state.collections.get(&id));
    let server = of.server.and_then(|id| state.servers.get(&id));
    let (guest, personal) = (of.kind == Kind::Guest, of.server.is_none());
    let mut document = common(&canonical_name(of), record_owner(of), of.id);
    let own = json!({
        "DATA": [data_server(of, server)],
        "display_name": of.name,
        "owner_string": state.username(of.owner),
        "organization": of.organization,
        "department": of.department,
        "description": of.description,
        "keywords": (!of.keywords.is_empty()).then(|| of.keywords.join(",")),
        "contact_email": of.contact_email,
        "contact_info": of.contact_info,
        "info_link": of.info_link,
        "user_message": of.user_message,
        "user_message_link": of.user_message_link,
        "public": of.public,
        "entity_type": entity_type(of),
        "subscription_id": of.subscription,
        "default_directory": of.default_directory,
        "force_encryption": of.force_encryption,
        "force_verify": of.force_verify,
        "disable_verify": of.disable_verify,
        "is_globus_connect": personal,
        "gcs_version": server.map(|_| VERSION),
        "gcs_manager_url": server.map(|server| server.url.clone()),
        "host_endpoint_id": of.host,
        "host_endpoint_display_name": host.map(|host| host.name.clone()),
        "host_path": of.host_path,
        "mapped_collection_id": of.host,
        "mapped_collection_display_name": host.map(|host| host.name.clone()),
        "acl_available": guest,
        "acl_editable": guest && caller.manages_access(state, of),
        "in_use": state.tasks.values().any(|task| task.active() && task.uses(of.id)),
        "my_effective_roles": caller.roles(state, of),
        "gcp_connected": personal.then_some(true),
        "gcp_paused": personal.then_some(false),
        "local_user_info_available": !guest,
        "last_accessed_time": of.last_accessed.map(time),
        "shareable": !guest,
    });
    merge(&mut document, own);
    Value::Object(document)
}

/// The version of Globus Connect Server that the simulator stands for.
pub(crate) const VERSION: &str = "5.4.80";

/// The endpoint document of a Connect Server itself.
pub(crate) fn server_document(state: &State, caller: &Caller, of: &Server) -> Value {
    let name = owner_name(of.id);
    let mut document = common(&format!("{name}#{}", of.id), of.id, of.id);
    let own = json!({
        "DATA": [],
        "display_name": of.name,
        "owner_string": state.username(of.owner),
        "organization": of.organization,
        "public": true,
        "entity_type": "GCSv5_endpoint",
        "gcs_version": VERSION,
        "gcs_manager_url": of.url,
        "my_effective_roles": if caller.set.contains(&of.owner) { vec!["administrator"] } else { Vec::new() },
    });
    merge(&mut document, own);
    Value::Object(document)
}

fn merge(document: &mut Map<String, Value>, own: Value) {
    if let Value::Object(own) = own {
        document.extend(own);
    }
}

/// The fields that every endpoint has, with the values of one that uses none of them.
fn common(canonical_name: &str, owner: Uuid, id: Uuid) -> Map<String, Value> {
    const NULL: [&str; 42] = [
        "organization",
        "department",
        "description",
        "keywords",
        "contact_email",
        "contact_info",
        "info_link",
        "user_message",
        "user_message_link",
        "subscription_id",
        "default_directory",
        "guest_collection_activity_notification_policy",
        "expire_time",
        "myproxy_server",
        "myproxy_dn",
        "oauth_server",
        "globus_connect_setup_key",
        "host_endpoint",
        "host_endpoint_id",
        "host_endpoint_display_name",
        "host_path",
        "mapped_collection_id",
        "mapped_collection_display_name",
        "s3_url",
        "acl_max_expiration_period_mins",
        "gcp_connected",
        "gcp_paused",
        "https_server",
        "tlsftp_server",
        "authentication_timeout_mins",
        "authentication_assurance_timeout",
        "authentication_policy_id",
        "auto_delete_timeout",
        "skip_auto_delete",
        "last_accessed_time",
        "non_functional_endpoint_id",
        "non_functional_endpoint_display_name",
        "sharing_target_endpoint",
        "sharing_target_root_path",
        "restrict_transfers_to_high_assurance",
        "associated_flow_policy",
        "preserve_modtime",
    ];
    const FALSE: [&str; 16] = [
        "subscription_admin_verified",
        "french_english_bilingual",
        "force_encryption",
        "force_verify",
        "disable_verify",
        "disable_anonymous_writes",
        "mfa_required",
        "requester_pays",
        "is_globus_connect",
        "is_go_storage",
        "s3_owner_activated",
        "acl_available",
        "acl_editable",
        "in_use",
        "high_assurance",
        "non_functional",
    ];
    let mut document: Map<String, Value> =
        NULL.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
    document.extend(FALSE.iter().map(|field| ((*field).to_owned(), Value::Bool(false))));
    merge(
        &mut document,
        json!({
            "DATA_TYPE": "endpoint",
            "id": id,
            "name": id,
            "canonical_name": canonical_name,
            "username": owner_name(owner),
            "owner_id": owner,
            "activated": true,
            "expires_in": -1,
            "network_use": "normal",
            "location": "Automatic",
            "max_concurrency": 4,
            "preferred_concurrency": 2,
            "max_parallelism": 8,
            "preferred_parallelism": 4,
            "local_user_info_available": false,
            "shareable": false,
            "storage_type": "posix",
        }),
    );
    document
}

/// The one data server of a simulated collection. It is named only: data moves on this machine's disk.
pub(crate) fn data_server(of: &Collection, server: Option<&Server>) -> Value {
    let hostname = server.map_or("127.0.0.1", Server::hostname);
    json!({
        "DATA_TYPE": "server",
        "id": 1,
        "hostname": hostname,
        "port": 443,
        "scheme": "gsiftp",
        "uri": format!("gsiftp://{hostname}:443"),
        "subject": null,
        "incoming_data_port_start": null,
        "incoming_data_port_end": null,
        "outgoing_data_port_start": null,
        "outgoing_data_port_end": null,
        "is_connected": of.directory.is_dir(),
        "is_paused": false,
    })
}
