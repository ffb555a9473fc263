"""The unmodified globus-cli: a person signs in and does what beamline staff do; a service does it without."""

import json
import os
import pathlib

from globus import globus, read, sign_in

GUEST = os.environ["GUEST"]
MAPPED = os.environ["MAPPED"]
ROOT = pathlib.Path(os.environ["ROOT"])


sign_in("login", "--no-local-server")
assert globus("whoami").strip() == "ada@example.org"
assert "ada@example.org" in globus("whoami", "--linked-identities")
assert read("get-identities", "ADA@example.org")["identities"][0]["name"] == "Ada Lovelace"

# Search, show, list.
assert [one["id"] for one in read("endpoint", "search", "beamline share")["DATA"]] == [GUEST]
assert json.loads(globus("api", "transfer", "GET", f"/v0.10/endpoint/{GUEST}"))["entity_type"] == "GCSv5_guest_collection"
assert globus("ls", f"{GUEST}:/open/").split() == ["hello.txt"]
assert "EndpointPermissionDenied" in globus("ls", f"{GUEST}:/", ok=False)
assert f"{MAPPED}/data_access" in globus("ls", f"{MAPPED}:/", ok=False)

# The consent, by the command that the tool itself names.
sign_in(
    "session",
    "consent",
    "--no-local-server",
    f"urn:globus:auth:scope:transfer.api.globus.org:all[*https://auth.globus.org/scopes/{MAPPED}/data_access]",
)
assert globus("ls", f"{MAPPED}:/raw/").split()[:2] == ["0.h5", "1.h5"]

# A service shares, the person transfers.
service = {
    "GLOBUS_CLI_CLIENT_ID": os.environ["CLIENT_ID"],
    "GLOBUS_CLI_CLIENT_SECRET": os.environ["CLIENT_SECRET"],
}
globus("mkdir", f"{GUEST}:/2026-04", **service)
assert (ROOT / "share/2026-04").is_dir()
assert "ExternalError.MkdirFailed.Exists" in globus("mkdir", f"{GUEST}:/2026-04", ok=False, **service)
rule = read(
    "endpoint", "permission", "create", f"{GUEST}:/2026-04/", "--permissions", "rw",
    "--identity", "ada@example.org", "--expiration-date", "2099-01-01", **service,
)["access_id"]
listed = read("endpoint", "permission", "list", GUEST, **service)["DATA"]
assert rule in [one["id"] for one in listed], listed
globus("endpoint", "permission", "update", f"{GUEST}", rule, "--permissions", "rw", **service)

task = read("transfer", f"{MAPPED}:/raw/", f"{GUEST}:/2026-04/raw/", "--recursive", "--label", "by hand")["task_id"]
globus("task", "wait", task, "--timeout", "60", "--polling-interval", "1")
assert read("task", "show", task)["status"] == "SUCCEEDED"
moved = read("task", "show", "--successful-transfers", task)["DATA"]
assert len(moved) == 5, moved
assert (ROOT / "share/2026-04/raw/2.h5").read_bytes() == bytes([2]) * 1000
assert task in [one["task_id"] for one in read("task", "list", "--filter-status", "SUCCEEDED")["DATA"]]
assert "SUCCEEDED" in globus("task", "event-list", task)
globus("rename", GUEST, "/2026-04/raw/0.h5", "/2026-04/raw/zero.h5")
assert "zero.h5" in globus("ls", f"{GUEST}:/2026-04/", "--recursive")
assert read("stat", f"{GUEST}:/2026-04/raw/zero.h5")["size"] == 1000

# Delete, and cancel what can't succeed.
globus("rm", "--recursive", "--polling-interval", "1", f"{GUEST}:/2026-04/raw/")
assert not (ROOT / "share/2026-04/raw").exists()
task = read("delete", "--recursive", "--ignore-missing", f"{GUEST}:/2026-04/raw/")["task_id"]
globus("task", "wait", task, "--timeout", "60", "--polling-interval", "1")
task = read("transfer", f"{MAPPED}:/raw/missing.h5", f"{GUEST}:/2026-04/missing.h5")["task_id"]
assert "cancel" in globus("task", "cancel", task)
assert read("task", "show", task)["fatal_error"]["code"] == "CANCELED"

globus("bookmark", "create", f"{GUEST}:/2026-04/", "april")
assert read("bookmark", "list")["DATA"][0]["name"] == "april"
globus("bookmark", "delete", "april")
globus("endpoint", "permission", "delete", GUEST, rule, **service)
assert "EndpointPermissionDenied" in globus("ls", f"{GUEST}:/2026-04/", ok=False)
globus("logout", "--yes")
assert "globus login" in globus("whoami", ok=False)
print("ok")
