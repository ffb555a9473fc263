"""The GCSClient of the unmodified globus-sdk: everything that it can do on a Connect Server, as a service."""

import os

import globus_sdk
from globus_sdk.scopes import GCSCollectionScopes, GCSEndpointScopes

CLIENT = os.environ["CLIENT_ID"]
MAPPED = os.environ["MAPPED"]
GUEST = os.environ["GUEST"]
URL = os.environ["GCS_URL"]

app = globus_sdk.ClientApp("beamline", client_id=CLIENT, client_secret=os.environ["CLIENT_SECRET"])
anybody = globus_sdk.GCSClient(URL, authorizer=globus_sdk.NullAuthorizer())
SERVER = anybody.endpoint_client_id
gcs = globus_sdk.GCSClient(URL, app=app)
gcs.retry_config.max_retries = 0
transfer = globus_sdk.TransferClient(app=app)


def refused(call, status, code):
    try:
        call()
    except globus_sdk.GCSAPIError as error:
        assert (error.http_status, error.code) == (status, code), error
        return error
    raise AssertionError(f"expected {status} {code}")


# The endpoint.
info = gcs.get_gcs_info()
assert info["endpoint_id"] == SERVER and info["api_version"] == "1.29.0"
assert gcs.get_endpoint()["gcs_manager_url"] == transfer.get_endpoint(MAPPED)["gcs_manager_url"]
gcs.update_endpoint({"DATA_TYPE": "endpoint#1.2.0", "display_name": "Facility"}, include="endpoint")
assert gcs.get_endpoint()["display_name"] == "Facility"

# Gateways.
(gateway,) = [one["id"] for one in gcs.get_storage_gateway_list()]
connector = gcs.get_storage_gateway(gateway)["connector_id"]
assert globus_sdk.ConnectorTable.lookup(connector).name == "POSIX"
more = gcs.create_storage_gateway(
    globus_sdk.StorageGatewayDocument(display_name="scratch", connector_id=connector, allowed_domains=["example.org"])
)["id"]
gcs.update_storage_gateway(more, globus_sdk.StorageGatewayDocument(display_name="scratch 2"))
assert gcs.get_storage_gateway(more, include="private_policies")["display_name"] == "scratch 2"
pages = gcs.paginated.get_storage_gateway_list(page_size=1)
assert sorted(one["id"] for one in pages.items()) == sorted([gateway, more])
refused(lambda: gcs.delete_storage_gateway(gateway), 409, "conflict")
gcs.delete_storage_gateway(more)
refused(lambda: gcs.get_storage_gateway(more), 404, "not_found")

# Credentials.
assert list(gcs.get_user_credential_list()) == []
credential = gcs.create_user_credential(
    globus_sdk.UserCredentialDocument(storage_gateway_id=gateway, connector_id=connector, username="beamline")
)["id"]
assert [one["username"] for one in gcs.get_user_credential_list(storage_gateway=gateway)] == ["beamline"]
gcs.update_user_credential(credential, globus_sdk.UserCredentialDocument(display_name="the beamline's account"))
assert gcs.get_user_credential(credential)["display_name"] == "the beamline's account"

# A guest collection: first the consent for the mapped collection's data.
guest = globus_sdk.GuestCollectionDocument(
    collection_base_path="/raw/",
    display_name="scans",
    mapped_collection_id=MAPPED,
    user_credential_id=credential,
    public=False,
    keywords=["scan"],
)
error = refused(lambda: gcs.create_collection(guest), 403, "permission_denied")
assert error.raw_json["authorization_parameters"]["required_scopes"] == [
    f"urn:globus:auth:scope:{SERVER}:manage_collections[https://auth.globus.org/scopes/{MAPPED}/data_access]"
]
scope = GCSEndpointScopes(SERVER).manage_collections.with_dependency(GCSCollectionScopes(MAPPED).data_access)
app = globus_sdk.ClientApp(
    "beamline",
    client_id=CLIENT,
    client_secret=os.environ["CLIENT_SECRET"],
    config=globus_sdk.GlobusAppConfig(token_storage="memory"),
)
gcs = globus_sdk.GCSClient(URL, app=app, app_scopes=[scope])
gcs.retry_config.max_retries = 0
refused(lambda: gcs.create_collection(guest | {"collection_base_path": "/none/"}), 404, "not_found")
refused(lambda: gcs.create_collection(guest | {"user_credential_id": MAPPED}), 422, "unprocessable_entity")
made = gcs.create_collection(guest)
new = made["id"]
assert made.http_status == 201 and made["identity_id"] == CLIENT and made["collection_base_path"] == "/raw/"
assert [one["name"] for one in transfer.operation_ls(new, path="/", filter="name:~*.h5")][0] == "0.h5"
shown = transfer.get_endpoint(new)
assert shown["entity_type"] == "GCSv5_guest_collection" and shown["mapped_collection_id"] == MAPPED
assert shown["keywords"] == "scan" and shown["acl_editable"]
refused(lambda: gcs.delete_user_credential(credential), 409, "conflict")

listed = [one["id"] for one in gcs.paginated.get_collection_list(page_size=1).items()]
assert sorted(listed) == sorted([MAPPED, GUEST, new])
guests = gcs.get_collection_list(mapped_collection_id=MAPPED, filter="created_by_me", include="private_policies")
assert {one["id"] for one in guests} == {GUEST, new}
gcs.update_collection(new, globus_sdk.GuestCollectionDocument(display_name="scans of 2026", description="raw"))
assert gcs.get_collection(new)["display_name"] == "scans of 2026"
assert transfer.get_endpoint(new)["description"] == "raw"

# Roles.
ada = "urn:globus:auth:identity:" + os.environ["ADA"]
role = gcs.create_role(globus_sdk.GCSRoleDocument(collection=new, principal=ada, role="access_manager"))
assert gcs.get_role(role["id"])["principal"] == ada
assert [one["role"] for one in gcs.get_role_list(new, include="all_roles")] == ["owner", "access_manager"]
assert [one["role"] for one in gcs.paginated.get_role_list().items()] == ["owner"]
assert "access_manager" in [one["role"] for one in transfer.endpoint_role_list(new)]
gcs.delete_role(role["id"])

# A mapped collection, and the end of them all.
mapped = gcs.create_collection(
    globus_sdk.MappedCollectionDocument(
        storage_gateway_id=gateway, collection_base_path="/raw/", display_name="raw", allow_guest_collections=False
    )
)["id"]
guest_of_it = guest | {"mapped_collection_id": mapped, "collection_base_path": "/"}
refused(lambda: gcs.create_collection(guest_of_it), 403, "permission_denied")
gcs.delete_collection(mapped)
gcs.delete_collection(new)
refused(lambda: gcs.get_collection(new), 404, "not_found")
gcs.delete_user_credential(credential)
assert list(gcs.get_user_credential_list()) == []
print("ok")
