//! A Globus Connect Server: guest collections by a beamline scientist, and the rest of its manager API.

use std::fs;

use futures::TryStreamExt;
use globus_simulator::{Fault, GivenToken};
use globus_transfer_client::{
    Authorizer, ClientCredentials, ErrorKind, GlobusClient, NativeApp, Scope, Token,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::world::{ADA, ADA_TRANSFER, GUEST, LAPTOP, MAPPED, NATIVE, SECRET, SERVICE, World};

fn fields(document: Value) -> Map<String, Value> {
    document.as_object().cloned().unwrap()
}

/// Ada, who owns the mapped collection, with a token of the server beside that of Transfer.
fn ada(world: &World) -> GlobusClient {
    let server = world.simulator.server_of(MAPPED).unwrap();
    world.simulator.give_token(&GivenToken::manage_collections("Ag-ada-gcs", ADA, server)).unwrap();
    let tokens = [
        ("transfer.api.globus.org".to_owned(), Token::new(ADA_TRANSFER)),
        (server.to_string(), Token::new("Ag-ada-gcs")),
    ];
    world.client(Authorizer::tokens(tokens))
}

#[tokio::test]
async fn a_service_creates_a_guest_collection_and_gets_every_consent_by_itself() {
    let world = World::start().await;
    fs::create_dir_all(world.directory("mapped/data/2bm")).unwrap();
    let client = world.client(Authorizer::client_credentials(ClientCredentials::new(SERVICE, SECRET)));
    let server = client.connect_server_of(MAPPED).await.unwrap();
    let guest = server
        .create_guest(MAPPED, "/data/2bm", "2-BM data")
        .description("Scans")
        .keywords(&["tomography"])
        .public(false)
        .send()
        .await
        .unwrap();
    assert_eq!((guest.collection_type.as_str(), guest.identity_id), ("guest", Some(SERVICE)));
    assert_eq!(guest.collection_base_path.as_deref(), Some("/data/2bm/"));
    client.transfer().mkdir(guest.id, "/2026-03/").send().await.unwrap();
    assert!(world.directory("mapped/data/2bm/2026-03").is_dir());
    // The account's user credential was created for the first one, and is used for the second.
    let second = server.create_guest(MAPPED, "/data/", "all data").send().await.unwrap();
    assert_eq!(second.user_credential_id, guest.user_credential_id);
    assert_eq!(world.simulator.count("gcs_credential_create"), 1);
    let mine: Vec<_> = server
        .collections()
        .guests_of(MAPPED)
        .created_by_me()
        .page_size(1)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert!(mine.iter().any(|one| one.id == guest.id) && mine.iter().any(|one| one.id == second.id));
    server.delete_collection(second.id).await.unwrap();
    assert_eq!(server.collection(second.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert!(world.directory("mapped/data").is_dir(), "files stay");
}

#[tokio::test]
async fn a_person_is_told_the_consent_that_is_missing() {
    let world = World::start().await;
    let server_id = world.simulator.server_of(MAPPED).unwrap();
    let app = NativeApp::new(NATIVE).scope(Scope::manage_collections(server_id));
    let sign_in = world.sign_ada_in(&app).await;
    let client = world.client(Authorizer::signed_in(sign_in));
    let server = client.connect_server_of(MAPPED).await.unwrap();
    let failure = server.create_guest(MAPPED, "/", "mine").send().await.unwrap_err();
    let expected = format!(
        "urn:globus:auth:scope:{server_id}:manage_collections[https://auth.globus.org/scopes/{MAPPED}/data_access]"
    );
    assert_eq!(
        failure.kind(),
        &ErrorKind::ConsentRequired { required_scopes: vec![expected.clone()] },
        "{failure}"
    );
    let app = NativeApp::new(NATIVE).scope(expected.parse().unwrap());
    let client = world.client(Authorizer::signed_in(world.sign_ada_in(&app).await));
    let server = client.connect_server_of(MAPPED).await.unwrap();
    server.create_guest(MAPPED, "/", "mine").local_account("ada").send().await.unwrap();
}

#[tokio::test]
async fn everything_of_a_server_for_its_administrator() {
    let world = World::start().await;
    let client = ada(&world);
    let server = client.connect_server_of(MAPPED).await.unwrap();
    assert_eq!(server.info().await.unwrap().endpoint_id, server.endpoint_id());
    let changed = server.update_endpoint(fields(json!({"display_name": "The facility"}))).await.unwrap();
    assert_eq!(changed.display_name.as_deref(), Some("The facility"));
    assert_eq!(server.endpoint().await.unwrap(), changed);

    let gateways: Vec<_> = server.storage_gateways().try_collect().await.unwrap();
    let [gateway] = gateways.as_slice() else { panic!("{gateways:?}") };
    let connector = gateway.connector_id.unwrap();
    let more = server
        .create_storage_gateway("scratch", connector, fields(json!({"allowed_domains": ["example.org"]})))
        .await
        .unwrap();
    server.update_storage_gateway(more.id, fields(json!({"display_name": "scratch 2"}))).await.unwrap();
    let shown = server.storage_gateway(more.id, true).await.unwrap();
    assert_eq!(
        (shown.display_name.as_deref(), shown.allowed_domains),
        (Some("scratch 2"), vec!["example.org".to_owned()])
    );
    let failure = server.delete_storage_gateway(gateway.id).await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Conflict);
    server.delete_storage_gateway(more.id).await.unwrap();

    let credential = server.create_user_credential(gateway.id).username("ada").send().await.unwrap();
    let changes = fields(json!({"display_name": "mine"}));
    let credential = server.update_user_credential(credential.id, changes).await.unwrap();
    assert_eq!(server.user_credential(credential.id).await.unwrap(), credential);
    let second = server.create_user_credential(gateway.id).username("lovelace").send().await.unwrap();
    let failure = server.create_guest(MAPPED, "/", "which?").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Conflict);
    assert!(
        failure.to_string().contains("ada, lovelace") || failure.to_string().contains("lovelace, ada"),
        "{failure}"
    );
    let guest = server.create_guest(MAPPED, "/", "this one").local_account("lovelace").send().await.unwrap();
    assert_eq!(guest.user_credential_id, Some(second.id));
    server.delete_user_credential(credential.id).await.unwrap();

    let mapped = server
        .create_mapped(gateway.id, "/", "no guests")
        .field("allow_guest_collections", false)
        .send()
        .await
        .unwrap();
    let failure =
        server.create_guest(mapped.id, "/", "no").user_credential(second.id).send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::PermissionDenied, "{failure}");
    let renamed = server.update_collection(mapped.id, fields(json!({"display_name": "none"}))).await.unwrap();
    assert_eq!(renamed.display_name.as_deref(), Some("none"));

    let li = world.simulator.identity("li@example.org").unwrap();
    let role = server.create_role(Some(guest.id), li, "access_manager").await.unwrap();
    assert_eq!(
        server.create_role(Some(guest.id), li, "access_manager").await.unwrap_err().kind(),
        &ErrorKind::Conflict
    );
    assert_eq!(server.role(role.id).await.unwrap(), role);
    let roles: Vec<_> = server.roles(Some(guest.id)).try_collect().await.unwrap();
    assert_eq!(roles.iter().map(|role| role.role.as_str()).collect::<Vec<_>>(), ["owner", "access_manager"]);
    server.delete_role(role.id).await.unwrap();
    assert_eq!(server.role(role.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_on_no_server_and_what_a_lost_answer_means() {
    let world = World::start().await;
    let client = ada(&world);
    let failure = client.connect_server_of(LAPTOP).await.err().unwrap();
    assert_eq!(failure.kind(), &ErrorKind::InvalidRequest);
    let server = client.connect_server_of(GUEST).await.unwrap();
    world.simulator.fault(Fault::cut_after("gcs_collection_create"));
    let failure = server.create_guest(MAPPED, "/", "Twice?").send().await.unwrap_err();
    assert!(failure.may_have_been_done(), "{failure}");
    assert_eq!(world.simulator.count("gcs_collection_create"), 1, "never asked for twice");
    let mine: Vec<_> = server.collections().created_by_me().guests().stream().try_collect().await.unwrap();
    let [made] = mine.as_slice() else { panic!("{mine:?}") };
    world.simulator.fault(Fault::cut_after("gcs_collection_delete"));
    server.delete_collection(made.id).await.unwrap();
    assert_eq!(server.delete_collection(Uuid::nil()).await.unwrap_err().kind(), &ErrorKind::NotFound);
}
