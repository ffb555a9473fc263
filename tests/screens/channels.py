"""Reads every screen in its three forms and prints, as JSON, which channels it shows and which it commands.

{"beamshare": {"adl": {"$(P)$(R)Status": ["shown"], ...}, "ui": {...}, "bob": {...}}, ...}

A screen that another one opens is read with the macros that it gets from there, so `$(P)$(R)$(C)` becomes the commands
that are really put. The .adl are read by adl2pydm's parser, not by what has written them.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml
from collections import defaultdict
from pathlib import Path

from adl2pydm.adl_parser import MedmMainWidget

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "adl": ("message button", "choice button", "menu", "text entry", "valuator", "wheel switch", "toggle"),
    "ui": ("PyDMPushButton", "PyDMEnumButton", "PyDMLineEdit", "PyDMCheckbox", "PyDMEnumComboBox", "PyDMSlider"),
    "bob": ("choice", "textentry", "combo", "bool_button", "slide_button", "checkbox", "spinner"),
}


class Screen:
    """One file: its channels as they are written there, and the screens that it opens."""

    def __init__(self):
        self.channels = defaultdict(set)
        self.opens = []

    def add(self, name, kind):
        # The array filter that shows a long text in lines is of the same record, and so is the text in UTF-8.
        name = re.sub(r"\.\[\d+:\d+\]$", "", name)
        self.channels[name.replace("GroupUtf8", "Group").replace("LastNameUtf8", "LastName")].add(kind)


def adl(path):
    screen = Screen()
    window = MedmMainWidget(str(path))
    window.parseAdlBuffer(window.getAdlLines(str(path)))

    def read(widgets):
        for widget in widgets:
            kind = "commanded" if widget.symbol in COMMANDS["adl"] else "shown"
            for group in ("monitor", "control", "dynamic attribute"):
                for name in ("chan", "chanB", "chanC", "chanD"):
                    if channel := widget.contents.get(group, {}).get(name, ""):
                        screen.add(channel, "shown" if group == "dynamic attribute" else kind)
            for display in getattr(widget, "displays", []):
                macros = dict(pair.split("=", 1) for pair in display["args"].split(","))
                screen.opens.append((display["name"].removesuffix(".adl"), macros))
            read(getattr(widget, "widgets", []))

    read(window.widgets)
    return screen


def text(widget, name):
    """The value of a widget's property of a .ui file."""
    found = widget.find(f"property[@name='{name}']")
    return None if found is None else (found[0].text or "")


def ui(path):
    screen = Screen()
    to_medm = lambda name: re.sub(r"\$\{(\w+)\}", r"$(\1)", name.removeprefix("ca://"))
    for widget in xml.parse(path).iter("widget"):
        if channel := text(widget, "channel"):
            screen.add(to_medm(channel), "commanded" if widget.get("class") in COMMANDS["ui"] else "shown")
        for rule in json.loads(text(widget, "rules") or "[]"):
            for channel in rule["channels"]:
                screen.add(to_medm(channel["channel"]), "shown")
        if (files := widget.find("property[@name='filenames']/stringlist")) is not None:
            macros = widget.find("property[@name='macros']/stringlist")
            for file, macro in zip(files, macros, strict=True):
                opened = {name: to_medm(value) for name, value in json.loads(macro.text).items()}
                screen.opens.append((file.text.removesuffix(".ui"), opened))
    return screen


def bob(path):
    screen = Screen()
    for widget in xml.parse(path).iter("widget"):
        if widget.get("type") == "action_button":
            for action in widget.iter("action"):
                if action.get("type") == "write_pv":
                    screen.add(action.findtext("pv_name"), "commanded")
                elif action.get("type") == "open_display":
                    macros = {macro.tag: macro.text for macro in action.find("macros")}
                    screen.opens.append((action.findtext("file").removesuffix(".bob"), macros))
        elif channel := widget.findtext("pv_name"):
            screen.add(channel, "commanded" if widget.get("type") in COMMANDS["bob"] else "shown")
        for rule in widget.iter("rule"):
            for name in rule.findall("pv_name"):
                screen.add(name.text, "shown")
    return screen


def expand(name, macros):
    return re.sub(r"\$\((\w+)\)", lambda found: macros.get(found[1], found[0]), name)


def walk(screens, name, macros, seen, result):
    """Collects a screen's channels under the macros with which it is opened, and those of the screens it opens."""
    if (name, tuple(sorted(macros.items()))) in seen:
        return
    seen.add((name, tuple(sorted(macros.items()))))
    for channel, kinds in screens[name].channels.items():
        result[name][expand(channel, macros)] |= kinds
    for opened, given in screens[name].opens:
        walk(screens, opened, {key: expand(value, macros) for key, value in given.items()}, seen, result)


def main():
    everything = defaultdict(dict)
    for folder, form, read in (("medm", "adl", adl), ("screens/pydm", "ui", ui), ("screens/phoebus", "bob", bob)):
        screens = {path.stem: read(path) for path in sorted((ROOT / folder).glob(f"*.{form}"))}
        result = {name: defaultdict(set) for name in screens}
        for name in ("beamshare", "beamshare_strip"):
            walk(screens, name, {}, set(), result)
        for name, channels in result.items():
            everything[name][form] = {channel: sorted(kinds) for channel, kinds in sorted(channels.items())}
    json.dump(everything, sys.stdout)


main()
