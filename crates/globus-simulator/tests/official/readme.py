"""The first commands of the README, with the URL as the program printed it."""

import os
import pathlib
import re

readme = pathlib.Path(os.environ["README"]).read_text()
block = next(part for part in readme.split("```sh\n")[1:] if "globus login" in part).split("```")[0]
commands = [line.split("#")[0].split() for line in block.splitlines()]
for words in commands:
    if words[:1] == ["export"]:
        name, value = words[1].split("=", 1)
        assert re.fullmatch(r"http://127\.0\.0\.1:9700/", value), value
        os.environ[name] = os.environ["PRINTED_URL"]

from globus import globus, sign_in  # noqa: E402, the environment must be complete

for words in commands:
    if words[:2] == ["globus", "login"]:
        sign_in(*words[1:])
    elif words[:1] == ["globus"]:
        globus(*words[1:])
assert globus("whoami").strip() == "ada@example.org"
print("ok")
