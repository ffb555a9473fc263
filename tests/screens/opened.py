"""Opens the PyDM screens against a live IOC and looks whether they show what it says; presses their buttons.

    opened.py P= R= U=         with EPICS_CA_* of the IOC; exits with 0 if all is so
    opened.py P= R= U= FOLDER  also saves what was seen, as PNG

The truth is what another client, pyepics, reads from the IOC.
"""

import os
import sys
import time
import traceback
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["PYDM_EPICS_LIB"] = "PYEPICS"

import epics
from pydm import PyDMApplication
from pydm.display import load_file
from pydm.utilities.macro import parse_macro_string
from pydm.utilities.stylesheet import apply_stylesheet
from pydm.widgets.drawing import PyDMDrawingRectangle
from pydm.widgets.label import PyDMLabel
from pydm.widgets.pushbutton import PyDMPushButton
from pydm.widgets.related_display_button import PyDMRelatedDisplayButton
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication


ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "screens"))

from parts import COLOURS, GREY, STEP_COLOURS, VIEWS
from states import STATES, USER_INFO

LIMIT = 30  # seconds; libca's search may take up to 25
MACROS = dict(argument.split("=", 1) for argument in sys.argv[1:4])
PICTURES = Path(sys.argv[4]) if len(sys.argv) > 4 else None
OWN = MACROS["P"] + MACROS["R"]


def until(what, wanted, alive=True):
    """Lets the screens live, and with `alive` beamshare's heart beat, until `wanted` has nothing more to complain about."""
    end = time.monotonic() + LIMIT
    next_beat = time.monotonic() + 1
    while complaint := wanted():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: after {LIMIT} s: {complaint}")
        if alive and time.monotonic() > next_beat:
            beat()
            next_beat = time.monotonic() + 1
        QApplication.processEvents()
        time.sleep(0.02)


def put(name, value):
    if isinstance(value, str) and (not value.isascii() or "\0" in value):
        value = [*value.encode(), 0]
    assert epics.caput(name, value, wait=True, timeout=LIMIT), f"put of {value!r} to {name}"


def opened(page, **macros):
    display = load_file(str(ROOT / "screens" / "pydm" / f"{page}.ui"), macros=MACROS | macros, target=None)
    display.show()
    return display


def channels(display):
    return [w for w in display.findChildren(PyDMLabel) if w.channel]


def texts_differ(display):
    """What of a screen's texts, numbers and states isn't as the IOC has it; the watchdog's age runs on."""
    wrong = []
    for widget in channels(display):
        name = widget.channel.removeprefix("ca://")
        if name.endswith("HeartbeatAge"):
            continue
        pv = epics.get_pv(name, connect=True, timeout=LIMIT)
        if "Utf8" in name:
            truth = bytes(pv.get(use_monitor=False)).split(b"\0")[0].decode()
        else:
            truth = pv.get(as_string="double" not in pv.type, use_monitor=False)
        if "double" in pv.type:  # shown rounded
            same = abs(float(widget.text()) - truth) <= 0.01 * abs(truth)
        else:
            same = widget.text() == truth
        if not same:
            wrong.append(f"{name} shows {widget.text()!r}, is {truth!r}")
    return wrong


def colours(display):
    """Colours of what is on a screen at a condition (lights, warnings) and visible, each with its channel."""
    seen = set()
    for widget in display.findChildren(PyDMDrawingRectangle) + display.findChildren(PyDMLabel):
        if widget.rules and widget.isVisible():
            channel = widget.rules.split('"ca://')[1].split('"')[0].removeprefix(OWN)
            if isinstance(widget, PyDMDrawingRectangle):
                seen.add((channel, widget.brush.color().name()))
    return seen


def paint(colour):
    return "#" + COLOURS[colour]


def words(display):
    """The words of the large field that are visible."""
    known = [word for word, _, _ in VIEWS]
    return [w.text() for w in display.findChildren(PyDMLabel) if w.rules and w.isVisible() and w.text() in known]


def lights_differ(display, state, alive):
    """What of the main screen's lights, lines and its large word isn't as the state asks."""
    values = STATES[state]
    word, ground, _ = VIEWS[values["Status"] + 1 if alive else 0]
    served = bool(values["GroupServed"])
    wanted = {("View", paint(ground))} if alive else set()
    for name, value in values.items():
        is_live = alive and (served or name == "SyncSts")
        if name.endswith("Sts") and is_live and value:
            wanted.add((name, paint(STEP_COLOURS[value])))
    if not (alive and served):
        wanted.add(("Alive", paint(GREY)))  # what is old is crossed out
    seen = colours(display)
    if seen != wanted:
        return f"lights {sorted(seen)}, wanted {sorted(wanted)}"
    return "" if words(display) == [word] else f"the large field says {words(display)}, wanted {word}"


def command(display, record, label):
    """Presses a button and waits until the IOC has seen the 1."""
    heard = []
    pv = epics.PV(OWN + record, callback=lambda value, **_: heard.append(value), auto_monitor=True)
    until(f"{record} connects", lambda: "" if heard else "no value")
    assert heard[-1] == 0, f"{record} is {heard[-1]} before it is pressed"
    button = next(w for w in display.findChildren(PyDMPushButton) if w.text() == label)
    until(f"{label} is ready", lambda: "" if button.isEnabled() and button.value is not None else "not connected")
    QTest.mouseClick(button, Qt.LeftButton)
    until(f"{record} is put by {label}", lambda: "" if 1 in heard else f"heard {heard}")
    pv.disconnect()


def opens(display, label):
    """The page that a button opens, with the macros that it gives. PyDM itself opens it in a process of its own."""
    button = next(w for w in display.findChildren(PyDMRelatedDisplayButton) if w.text() == label)
    (file,), (macros,) = button.filenames, button.macros
    return opened(file.removesuffix(".ui"), **parse_macro_string(macros))


def picture(display, name):
    if PICTURES:
        display.grab().save(str(PICTURES / f"{name}.png"))


def beat():
    put(OWN + "Heartbeat", epics.caget(OWN + "Heartbeat") + 1)


def check():
    main = opened("beamshare")
    names = ("strip", "users", "transfers", "history", "help", "approve", "held", "held_2", "held_3")
    pages = {page: opened(f"beamshare_{page}") for page in names}
    put(OWN + "Run", 0)
    # No heart was heard yet: what is shown is nobody's word, and the screen says so.
    until("a service that doesn't run", lambda: lights_differ(main, "Idle", alive=False), alive=False)
    picture(main, "pydm-stopped")
    for name, value in USER_INFO.items():
        put(MACROS["U"] + name, value)
    for state, values in STATES.items():
        for name, value in values.items():
            put(OWN + name, value)
        beat()
        until(f"{state}: lights", lambda: lights_differ(main, state, alive=True))
        for name, display in {"beamshare": main, **pages}.items():
            until(f"{state}: texts of {name}", lambda: texts_differ(display))
        beat()
        QTest.qWait(50)
        picture(main, f"pydm-{state.lower()}")
        picture(pages["strip"], f"pydm-strip-{state.lower()}")
        if state == "Approval":
            for name in ("approve", "held", "held_2"):
                picture(pages[name], f"pydm-{name}")
    for name in ("users", "transfers", "history", "help"):
        picture(pages[name], f"pydm-{name}")
    for record in ("Run", "Approve", "Abort", "Resend"):
        put(OWN + record, 0)
    command(main, "Run", "Run")
    command(opens(main, "Approve ..."), "Approve", "Approve")
    command(opens(main, "Abort ..."), "Abort", "Yes: Abort")
    confirm = opens(main, "Mail again ...")
    command(confirm, "Resend", "Yes: Mail again")
    picture(confirm, "pydm-confirm")


app = PyDMApplication(use_main_window=False, command_line_args=[])
apply_stylesheet()
code = 0
try:
    check()
except BaseException:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # PyDM's threads outlive its widgets
