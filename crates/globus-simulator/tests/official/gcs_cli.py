"""The unmodified globus-cli: a beamline scientist with an account on a mapped collection makes a guest collection."""

import json
import os

from globus import globus, read, sign_in

MAPPED = os.environ["MAPPED"]

sign_in("login", "--no-local-server")
server = json.loads(globus("api", "transfer", "GET", f"/v0.10/endpoint/{MAPPED}"))["owner_id"]
assert f"globus login --gcs {server}:{MAPPED}" in globus(
    "collection", "create", "guest", MAPPED, "/raw/", "scans", ok=False
)
sign_in("login", "--no-local-server", "--gcs", f"{server}:{MAPPED}")
assert "user-credential create" in globus("collection", "create", "guest", MAPPED, "/raw/", "scans", ok=False)
(gateway,) = [one["id"] for one in read("endpoint", "storage-gateway", "list", server)["data"]]
globus("endpoint", "user-credential", "create", "posix", server, gateway, "ada@example.org", "ada")
guest = read("collection", "create", "guest", MAPPED, "/raw/", "scans", "--description", "of 2026")["id"]
assert "0.h5" in globus("ls", f"{guest}:/")
assert guest in globus("collection", "list", server, "--filter", "created-by-me")
assert "scans" in globus("collection", "show", guest)
globus("collection", "update", guest, "--display-name", "scans of Ada")
assert read("collection", "show", guest)["display_name"] == "scans of Ada"
assert "owner" in globus("collection", "role", "list", guest)
globus("collection", "delete", guest)
assert "EndpointNotFound" in globus("ls", f"{guest}:/", ok=False)
print("ok")
