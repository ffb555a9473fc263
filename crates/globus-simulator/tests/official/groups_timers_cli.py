"""The unmodified globus-cli: groups and timers of a person."""

import json
import os
import pathlib
import time

from globus import globus, read, sign_in

GUEST = os.environ["GUEST"]
MAPPED = os.environ["MAPPED"]
ROOT = pathlib.Path(os.environ["ROOT"])

sign_in("login", "--no-local-server")
group = read("group", "create", "users of 2-BM", "--description", "all of them")["id"]
assert "users of 2-BM" in globus("group", "list")
assert "all of them" in globus("group", "show", group)
globus("group", "update", group, "--name", "users")
globus("group", "set-policies", group, "--visibility", "authenticated")
globus("group", "member", "add", group, "bob@example.org")
assert "bob@example.org" in globus("group", "member", "list", group)
assert "already a member" in globus("group", "member", "add", group, "bob@example.org", ok=False)
globus("group", "member", "remove", group, "bob@example.org")
globus("group", "member", "invite", group, "bob@example.org")
assert "last administrator" in globus("group", "leave", group, ok=False)
globus("group", "delete", group)
assert group not in globus("group", "list")

source, destination = f"{MAPPED}:/raw/", f"{GUEST}:/by-timer/"
words = ("timer", "create", "transfer", source, destination, "--recursive", "--name", "nightly", "--interval", "1d")
assert "session consent" in globus(*words, ok=False)
sign_in(
    "session", "consent", "--no-local-server",
    "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/timer"
    "[urn:globus:auth:scope:transfer.api.globus.org:all"
    f"[https://auth.globus.org/scopes/{MAPPED}/data_access]]",
)
timer = read(*words)["job_id"]
for _ in range(100):
    shown = read("timer", "show", timer)
    if shown["n_runs"] == 1:
        break
    time.sleep(0.1)
assert shown["n_runs"] == 1, shown
# Ada may read the guest collection and not write there, so the task waits; the timer has done its part.
assert json.dumps(shown["results"]).count("action_id") == 1
assert "nightly" in globus("timer", "list")
globus("timer", "pause", timer)
assert "Paused" in globus("timer", "show", timer)
globus("timer", "resume", timer)
globus("timer", "delete", timer)
assert timer not in globus("timer", "list")
print("ok")
