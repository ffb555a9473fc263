"""A registered service, by the unmodified globus-sdk: identities, directories, sharing, transfers, deletion."""

import os
import pathlib

import globus_sdk
import requests

CLIENT = os.environ["CLIENT_ID"]
MAPPED = os.environ["MAPPED"]
GUEST = os.environ["GUEST"]
LAPTOP = os.environ["LAPTOP"]
ROOT = pathlib.Path(os.environ["ROOT"])

app = globus_sdk.ClientApp("beamline", client_id=CLIENT, client_secret=os.environ["CLIENT_SECRET"])
auth = globus_sdk.AuthClient(app=app)
transfer = globus_sdk.TransferClient(app=app)
transfer.retry_config.max_retries = 0


def refused(call, status, code):
    try:
        call()
    except globus_sdk.TransferAPIError as error:
        assert (error.http_status, error.code) == (status, code), error
        assert error.request_id and error.message
        return error
    raise AssertionError(f"expected {status} {code}")


# Identities: several in one call, whatever their capitals, provisioned on request.
found = auth.get_identities(usernames=["ADA@example.org", "nobody@new.example"])["identities"]
assert [one["username"] for one in found] == ["ada@example.org"]
found = auth.get_identities(usernames=["ADA@example.org", "nobody@new.example"], provision=True)["identities"]
assert [one["status"] for one in found] == ["used", "unused"]
ada = found[0]["id"]
assert auth.get_identities(ids=ada)["identities"][0]["username"] == "ada@example.org"
assert auth.userinfo()["sub"] == CLIENT
people = globus_sdk.IdentityMap(auth, ["ada@example.org", ada])
assert people["ada@example.org"]["id"] == people[ada]["id"] == ada

# Search and show.
assert [one["id"] for one in transfer.endpoint_search("beamline share")] == [GUEST]
mine = {one["id"] for one in transfer.paginated.endpoint_search(filter_scope="my-endpoints").items()}
assert mine == {MAPPED, GUEST, LAPTOP}
shown = transfer.get_endpoint(GUEST)
assert shown["entity_type"] == "GCSv5_guest_collection" and shown["acl_editable"] and shown["owner_string"].startswith(CLIENT)
refused(lambda: transfer.get_endpoint(ada), 404, "EndpointNotFound")

# Directories.
assert transfer.operation_mkdir(GUEST, "/2026-03/")["code"] == "DirectoryCreated"
assert transfer.operation_mkdir(GUEST, "/2026-03/Lovelace")["code"] == "DirectoryCreated"
assert (ROOT / "share/2026-03/Lovelace").is_dir()
refused(lambda: transfer.operation_mkdir(GUEST, "/2026-03/"), 502, "ExternalError.MkdirFailed.Exists")
refused(lambda: transfer.operation_mkdir(GUEST, "/no/such"), 404, "ClientError.NotFound")
refused(lambda: transfer.operation_ls(GUEST, path="/no"), 404, "ClientError.NotFound")
refused(lambda: transfer.operation_stat(GUEST, "/no"), 404, "NotFound")
(ROOT / "share/2026-03/Lovelace/scan.h5").write_bytes(b"x" * 1000)
(ROOT / "share/2026-03/Lovelace/notes.txt").write_text("hello")
names = [one["name"] for one in transfer.operation_ls(GUEST, path="/2026-03/Lovelace", filter={"name": "~*.h5"})]
assert names == ["scan.h5"], names
listed = transfer.operation_ls(GUEST, path="/2026-03/Lovelace", orderby="size DESC", limit=1)
assert [one["name"] for one in listed] == ["scan.h5"] and listed["total"] == 2
refused(
    lambda: transfer.operation_ls(GUEST, path="/2026-03/Lovelace/scan.h5"),
    502,
    "ExternalError.DirListingFailed.NotDirectory",
)
assert transfer.operation_stat(GUEST, "/2026-03/Lovelace/scan.h5")["size"] == 1000
transfer.operation_rename(GUEST, "/2026-03/Lovelace/notes.txt", "/2026-03/Lovelace/read.me")

# Sharing.
rule = {
    "DATA_TYPE": "access",
    "principal_type": "identity",
    "principal": ada,
    "path": "/2026-03/Lovelace/",
    "permissions": "r",
    "notify_email": "ada@example.org",
    "notify_message": "your data",
    "expiration_date": "2099-01-01T00:00:00+00:00",
}
created = transfer.add_endpoint_acl_rule(GUEST, rule)
assert created.http_status == 201 and created["code"] == "Created"
refused(lambda: transfer.add_endpoint_acl_rule(GUEST, rule), 409, "Exists")
refused(lambda: transfer.add_endpoint_acl_rule(GUEST, rule | {"path": "/2026-03"}), 400, "InvalidPath")
refused(lambda: transfer.add_endpoint_acl_rule(MAPPED, rule), 409, "NotSupported")
one = transfer.get_endpoint_acl_rule(GUEST, created["access_id"])
assert one["expiration_date"] == "2099-01-01T00:00:00+00:00"
transfer.update_endpoint_acl_rule(GUEST, created["access_id"], {"DATA_TYPE": "access", "permissions": "rw"})
stored = [one for one in transfer.endpoint_acl_list(GUEST) if one["role_id"] is None]
assert [(one["principal"], one["path"], one["permissions"]) for one in stored] == [
    (ada, "/open/", "r"),
    (ada, "/2026-03/Lovelace/", "rw"),
]
transfer.delete_endpoint_acl_rule(GUEST, created["access_id"])
refused(lambda: transfer.delete_endpoint_acl_rule(GUEST, created["access_id"]), 404, "AccessRuleNotFound")

# The mapped collection asks for a consent, which a service gives itself.
error = refused(lambda: transfer.operation_ls(MAPPED, path="/"), 403, "ConsentRequired")
assert error.info.consent_required.required_scopes == [
    f"urn:globus:auth:scope:transfer.api.globus.org:all[*https://auth.globus.org/scopes/{MAPPED}/data_access]"
]
transfer.add_app_data_access_scope(MAPPED)
assert "raw" in [one["name"] for one in transfer.operation_ls(MAPPED, path="/")]

# A transfer, its result, and that the same submission is taken once.
data = globus_sdk.TransferData(MAPPED, GUEST, label="scan 1", sync_level="checksum", verify_checksum=True)
data.add_item("/raw/", "/2026-03/Lovelace/raw/", recursive=True)
data["submission_id"] = transfer.get_submission_id()["value"]
accepted = transfer.submit_transfer(data)
assert accepted.http_status == 202 and accepted["code"] == "Accepted"
again = transfer.submit_transfer(data)
assert again["code"] == "Duplicate" and again["task_id"] == accepted["task_id"]
task = accepted["task_id"]
assert transfer.task_wait(task, timeout=60, polling_interval=1)
done = transfer.get_task(task)
assert done["status"] == "SUCCEEDED" and done["files_transferred"] == 5 and done["label"] == "scan 1"
assert done["bytes_transferred"] == done["bytes_checksummed"] == 5 * 1000
moved = list(transfer.paginated.task_successful_transfers(task).items())
assert sorted(one["destination_path"] for one in moved) == [
    f"/2026-03/Lovelace/raw/{n}.h5" for n in range(5)
]
assert all(one["checksum_algorithm"] == "MD5" and len(one["checksum"]) == 32 for one in moved)
assert (ROOT / "share/2026-03/Lovelace/raw/4.h5").read_bytes() == bytes([4]) * 1000
assert [one["code"] for one in transfer.task_event_list(task)] == ["SUCCEEDED", "PROGRESS", "STARTED"]
assert [one["task_id"] for one in transfer.task_list(filter={"status": "SUCCEEDED", "label": "~scan*"})] == [task]

# Errors at the source can be skipped.
data = globus_sdk.TransferData(MAPPED, GUEST, skip_source_errors=True)
data.add_item("/raw/0.h5", "/2026-03/0.h5")
data.add_item("/raw/missing.h5", "/2026-03/missing.h5")
task = transfer.submit_transfer(data)["task_id"]
assert transfer.task_wait(task, timeout=60, polling_interval=1)
skipped = list(transfer.paginated.task_skipped_errors(task).items())
assert [(one["source_path"], one["error_code"]) for one in skipped] == [("/raw/missing.h5", "FILE_NOT_FOUND")]

# Without that, the task goes on trying; it can be cancelled.
data = globus_sdk.TransferData(MAPPED, GUEST)
data.add_item("/raw/missing.h5", "/2026-03/missing.h5")
task = transfer.submit_transfer(data)["task_id"]
assert not transfer.task_wait(task, timeout=1, polling_interval=1)
assert transfer.get_task(task)["nice_status"] == "FILE_NOT_FOUND"
transfer.update_task(task, {"DATA_TYPE": "task", "label": "hopeless"})
assert transfer.cancel_task(task)["code"] == "Canceled"
refused(lambda: transfer.cancel_task(task), 409, "TaskComplete")
gone = transfer.get_task(task)
assert (gone["status"], gone["fatal_error"]["code"], gone["label"]) == ("FAILED", "CANCELED", "hopeless")

# Faults, and that the SDK's own retries get over them.
patient = globus_sdk.TransferClient(app=app)


def order(**fault):
    url = os.environ["GLOBUS_SDK_SERVICE_URL_TRANSFER"].rstrip("/") + "/_simulator/faults"
    assert requests.post(url, json=fault, timeout=30).status_code == 204


order(call="endpoint_get", action="answer", status=429, retry_after=1)
order(call="endpoint_get", action="answer", status=503, nth=2)
order(call="endpoint_get", action="cut_before", nth=3)
assert patient.get_endpoint(GUEST)["id"] == GUEST
order(call="endpoint_get", action="answer", status=401)
order(call="token", action="answer", status=503)
assert patient.get_endpoint(GUEST)["id"] == GUEST

# Deletion.
data = globus_sdk.DeleteData(GUEST, recursive=True)
data.add_item("/2026-03/Lovelace/raw/")
task = transfer.submit_delete(data)["task_id"]
assert transfer.task_wait(task, timeout=60, polling_interval=1)
assert transfer.get_task(task)["status"] == "SUCCEEDED"
assert not (ROOT / "share/2026-03/Lovelace/raw").exists()

# Bookmarks, roles, and a guest collection of one's own.
mark = transfer.create_bookmark({"name": "march", "endpoint_id": GUEST, "path": "/2026-03/"})
assert [one["name"] for one in transfer.bookmark_list()] == ["march"]
transfer.update_bookmark(mark["id"], {"name": "March"})
transfer.delete_bookmark(mark["id"])
role = {"DATA_TYPE": "role", "principal_type": "identity", "principal": ada, "role": "access_manager"}
made = transfer.add_endpoint_role(GUEST, role)
assert [one["role"] for one in transfer.endpoint_role_list(GUEST)] == ["administrator", "access_manager"]
transfer.delete_endpoint_role(GUEST, made["id"])
share = {"DATA_TYPE": "shared_endpoint", "host_endpoint": LAPTOP, "host_path": "/raw/", "display_name": "raw only"}
refused(lambda: transfer.create_shared_endpoint(share | {"host_endpoint": MAPPED}), 409, "NotSupported")
new = transfer.create_shared_endpoint(share)["id"]
assert [one["name"] for one in transfer.operation_ls(new, path="/", filter="name:~*.h5")][0] == "0.h5"
assert new in [one["id"] for one in transfer.paginated.get_shared_endpoint_list(LAPTOP).items()]
transfer.update_endpoint(new, {"DATA_TYPE": "endpoint", "display_name": "raw"})
transfer.delete_endpoint(new)
refused(lambda: transfer.get_endpoint(new), 404, "EndpointNotFound")
print("ok")
