"""Runs the unmodified globus-cli."""

import json
import os
import re
import subprocess
import sys

import person

GLOBUS = [sys.executable, "-m", "globus_cli"]


def globus(*words, ok=True, **more):
    """Runs a command and returns what it prints."""
    done = subprocess.run([*GLOBUS, *words], capture_output=True, text=True, timeout=120, env=os.environ | more)
    assert (done.returncode == 0) == ok, f"globus {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if ok else done.stdout + done.stderr


def read(*words, **more):
    """Runs a command and returns its JSON document."""
    return json.loads(globus(*words, "-F", "json", **more))


def sign_in(*words, username="ada@example.org"):
    """Runs a command that prints a link, opens it as a person would, and pastes the code."""
    process = subprocess.Popen(
        [*GLOBUS, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    url = None
    while url is None:
        line = process.stdout.readline()
        assert line, f"globus {words} ended without a link"
        found = re.search(r"https?://\S+/v2/oauth2/authorize\S+", line)
        url = found and found.group(0)
    rest, _ = process.communicate(person.code(url, username) + "\n", timeout=120)
    assert process.returncode == 0, rest
