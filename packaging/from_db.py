#!/usr/bin/env python3
"""Writes the lists that other EPICS services need, from the records of db/beamshare.db.

  phoebus/beamshare_alarms.xml   configuration of the Phoebus alarm server: the records with alarm severities
  archiver/beamshare.json        list for the EPICS Archiver Appliance: states and numbers, no texts

  packaging/from_db.py                               the files of this folder, for 2bmb:Share:
  packaging/from_db.py --check                       fails where they are not current
  packaging/from_db.py --prefix 32idb:Share: -o DIR  for another beamline; --prefix may be repeated
"""

import argparse
import json
import pathlib
import re
import sys
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_PREFIX = "2bmb:Share:"

RECORD = re.compile(r'^record\((?P<type>.+?), "\$\(P=[^)]*\)\$\(R=[^)]*\)(?P<name>\w+)"\) \{\n(?P<body>.*?)^\}', re.M | re.S)
FIELD = re.compile(r'field\((\w+),\s*"([^"]*)"\)')

# Types of states and numbers. Texts are not archived: they hold names and addresses, for longer than anyone needs them.
ARCHIVED = {"mbbi", "bi", "bo", "longin", "ai"}
# Changes once a second, or for a moment only.
NOT_ARCHIVED = {"Heartbeat", "Approve", "Abort", "Resend"}

# What an operator should do, by record; other alarms refer to the record's message.
GUIDANCE = {
    "Alive": "Start the service: systemctl start beamshare",
    "Status": "Read StatusMsg: it says what to do",
}


def records():
    """Each record of the database: name, type, fields."""
    text = (HERE.parent / "db" / "beamshare.db").read_text()
    for match in RECORD.finditer(text):
        # A type that a macro chooses: its default.
        kind = match["type"].split("=")[-1].rstrip(")")
        yield match["name"], kind, dict(FIELD.findall(match["body"]))


def has_alarms(fields):
    severities = (value for name, value in fields.items() if re.fullmatch(r"(..|[HLZOC])SV|HHSV|LLSV|COSV", name))
    return any(severity in ("MINOR", "MAJOR") for severity in severities)


def alarms(prefixes):
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<!-- Made by packaging/from_db.py. -->", '<config name="beamshare">']
    for prefix in prefixes:
        lines.append(f'  <component name="{escape(prefix.rstrip(":"))}">')
        for name, _, fields in records():
            if not has_alarms(fields):
                continue
            message = name.replace("Sts", "Msg") if name.endswith("Sts") else "StatusMsg"
            lines += [
                f'    <pv name="{escape(prefix + name)}">',
                f'      <description>{escape(fields["DESC"])}</description>',
                "      <enabled>true</enabled>",
                # A state that has passed needs nobody: the history of deliveries keeps it.
                "      <latching>false</latching>",
                "      <annunciating>false</annunciating>",
                "      <delay>10</delay>",
                "      <guidance>",
                "        <title>What to do</title>",
                f'        <details>{escape(GUIDANCE.get(name, f"Read {message}"))}</details>',
                "      </guidance>",
                "    </pv>",
            ]
        lines.append("  </component>")
    return "\n".join(lines + ["</config>", ""])


def archive(prefixes):
    entries = [
        {"pv": prefix + name, "samplingmethod": "MONITOR", "samplingperiod": "1.0"}
        for prefix in prefixes
        for name, kind, _ in records()
        if kind in ARCHIVED and name not in NOT_ARCHIVED
    ]
    return json.dumps(entries, indent=1) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--prefix", action="append")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    prefixes = arguments.prefix or [DEFAULT_PREFIX]
    files = {"phoebus/beamshare_alarms.xml": alarms(prefixes), "archiver/beamshare.json": archive(prefixes)}
    stale = []
    for name, text in files.items():
        path = arguments.output / name
        if arguments.check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        sys.exit(f"not current: {', '.join(stale)}; run packaging/from_db.py")


main()
