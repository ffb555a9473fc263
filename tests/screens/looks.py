"""What can be said of the screens without opening them: sizes, contrasts, and fonts of MEDM that cut no letter.

Prints what is wrong; exits with 1 if anything is.
"""

import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "screens"))

from pages import PAGES
from parts import BAR, COLOURS, CONTROL, GROUND, INK, NAME, PALE
from parts import Button, Choice, Label, Light, Number, Open, Panel, State, Text

# A display of 1920 x 1080 without a window's frame and a desktop's bar.
LARGEST = (1900, 960)
STRIP = (640, 130)
CONTRAST = 4.5
# The widgets that Diamond's web runtime shows, of those that are used here (`make screens-web` tries it).
WEB_WIDGETS = {"action_button", "choice", "label", "rectangle", "textupdate"}
WEB_RULE = re.compile(r"pv\d != \d+( (&&|\|\|) pv\d != \d+)*")
# In which colours MEDM and PyDM show an alarm severity: none, MINOR, MAJOR, INVALID.
SEVERITIES = ("00d800", "fbf34a", "fd0000", "ffffff")

# MEDM's fonts by their number: height, height down to the lowest letter, and average width of a letter, as measured on
# an X server. The bitmap fonts are those of MEDM's fonts.alias.sun (100 dpi) and fonts.alias.mac (75 dpi); where a server
# has a font not, MEDM takes "fixed".
FONTS = {
    "100 dpi": (
        (8, 8, 5), (8, 8, 5), (9, 9, 6), (10, 10, 6), (13, 13, 7), (14, 14, 7), (15, 15, 9), (16, 16, 8), (20, 20, 10),
        (24, 24, 12), (24, 24, 12), (26, 26, 10.3), (35, 35, 14.9), (35, 35, 16.2), (35, 35, 16.2), (35, 35, 16.2),
    ),
    "75 dpi": (
        (10, 10, 3.9), (10, 10, 3.9), (10, 10, 3.9), (12, 12, 4.8), (14, 14, 5.9), (16, 16, 6.6), (16, 16, 6.6),
        (21, 20, 8.6), (21, 20, 8.6), (27, 27, 11.2), (27, 27, 11.2), (30, 30, 13.6), (13, 13, 7), (13, 13, 7),
        (13, 13, 7), (13, 13, 7),
    ),
    "scalable": (
        (4, 4, 1.9), (7, 7, 3.5), (11, 10, 4.7), (13, 12, 5.7), (15, 15, 6.7), (15, 16, 8), (20, 20, 9.1), (22, 22, 10.2),
        (23, 23, 10.4), (25, 26, 12.1), (30, 30, 13.6), (35, 36, 16.3), (42, 42, 19.9), (47, 47, 21.8), (57, 57, 26.3),
        (71, 70, 33.1),
    ),
}


def font(fonts, height):
    """The font that MEDM takes for a height: its binary search (utils.c, dmGetBestFontWithInfo), word for word."""
    count, index, upper, lower = 0, len(fonts) // 2, len(fonts) - 1, 0
    while 0 < index < len(fonts) and upper - lower > 2 and count < len(fonts) // 2:
        count += 1
        if fonts[index][0] > height:
            upper = index
            index = upper - (upper - lower) // 2
        elif fonts[index][0] < height:
            lower = index
            index = lower + (upper - lower) // 2
    return fonts[index]


def luminance(colour):
    def linear(value):
        return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[at : at + 2], 16) / 255) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """By WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def overlap(one, other):
    return one.x < other.x + other.w and other.x < one.x + one.w and one.y < other.y + other.h and other.y < one.y + one.h


def covers(one, other):
    inside = one.x <= other.x and other.x + other.w <= one.x + one.w
    return inside and one.y <= other.y and other.y + other.h <= one.y + one.h


def grounds(page, at):
    """The colours that may be under a label: those of the areas below it, as far as they can be there with it."""
    label, found = page.parts[at], {GROUND}
    for part in page.parts[:at]:
        if isinstance(part, Light) and covers(part, label):
            # A word of the large field is there with its own colour.
            own = label.when and label.when.channel == part.channel
            found = {part.colours[label.when.value]} if own else set(part.colours)
        elif isinstance(part, Panel) and not part.outline and overlap(part, label):
            found = found | {part.colour} if part.when or not covers(part, label) else {part.colour}
    return found


def texts(page):
    """Each text with its ink and its grounds."""
    for at, part in enumerate(page.parts):
        match part:
            case Label():
                yield part.text, COLOURS[part.colour], [COLOURS[ground] for ground in grounds(page, at)]
            case Text():
                yield part.channel, COLOURS[part.colour], [COLOURS[part.ground]]
            case Number():
                yield part.channel, COLOURS[NAME], [COLOURS[PALE]]
            case Button() | Open():
                yield part.label, COLOURS[part.ink], [COLOURS[part.colour]]
            case Choice():
                yield part.channel, COLOURS[INK], [COLOURS[CONTROL]]
            case State():
                for severity in SEVERITIES:
                    yield part.channel, severity, [COLOURS[INK]]


def row_length(part):
    """How many letters a text has in each of its rows; 0 where it has only one, which may be longer than the field."""
    row = re.search(r"\[(\d+):(\d+)\]$", getattr(part, "channel", ""))
    return int(row[2]) - int(row[1]) + 1 if row else getattr(part, "columns", 0)


def faults(page):
    largest = STRIP if page.name.endswith("_strip") else LARGEST
    if page.w > largest[0] or page.h > largest[1]:
        yield f"is {page.w} x {page.h}, more than {largest}"
    for part in page.parts:
        if part.x < 0 or part.y < 0 or part.x + part.w > page.w or part.y + part.h * getattr(part, "lines", 1) > page.h:
            yield f"{part} is not within the page"
        if isinstance(part, (Text, Number, State, Label)):
            for name, fonts in FONTS.items():
                height, lowest, width = font(fonts, part.h)
                if lowest > part.h:
                    yield f"{part}: MEDM's font of {name} needs {lowest} pixels"
                columns = row_length(part)
                if columns * width > part.w:
                    yield f"{part}: a row needs {columns * width:.0f} pixels in MEDM's font of {name}"
                if isinstance(part, Label) and "$(" not in part.text and len(part.text) * width > part.w * 1.15:
                    yield f"{part.text!r} needs {len(part.text) * width:.0f} of {part.w} pixels in the font of {name}"
    for text, ink, under in texts(page):
        for ground in under:
            if contrast(ink, ground) < CONTRAST:
                yield f"{text!r}: contrast of {ink} on {ground} is {contrast(ink, ground):.2f}"


def web_faults(page):
    """What of a page's .bob Diamond's web runtime would not show."""
    bob = xml.parse(ROOT / "screens" / "phoebus" / f"{page.name}.bob")
    for kind in {widget.get("type") for widget in bob.iter("widget")} - WEB_WIDGETS:
        yield f"{kind} is no widget of Diamond's web runtime"
    for rule in bob.iter("exp"):
        if not WEB_RULE.fullmatch(rule.get("bool_exp")):
            yield f"rule {rule.get('bool_exp')!r} is more than a comparison of numbers"


assert contrast("000000", "ffffff") == 21 and BAR != GROUND
wrong = [f"{page.name}: {fault}" for page in PAGES for fault in (*faults(page), *web_faults(page))]
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
