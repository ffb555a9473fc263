"""Pages as PyDM's .ui (Qt Designer's format)."""

import json
import re
import xml.etree.ElementTree as xml
from dataclasses import replace

from parts import COLOURS, CONTROL, GROUND, INK, NAME, PALE
from parts import Button, Choice, Label, Light, Number, Open, Page, Panel, State, Text, When

MODULES = {
    "PyDMLabel": "pydm.widgets.label",
    "PyDMDrawingRectangle": "pydm.widgets.drawing",
    "PyDMPushButton": "pydm.widgets.pushbutton",
    "PyDMEnumButton": "pydm.widgets.enum_button",
    "PyDMRelatedDisplayButton": "pydm.widgets.related_display_button",
}
# In which colours State shows its severities: none, MINOR, MAJOR, INVALID, disconnected. As MEDM's.
SEVERITIES = ((0, "#00d800"), (1, "#fbf34a"), (2, "#ff4040"), (3, "white"), (4, "white"))
FLAT = " border: 2px outset #919191;"
INSET = " padding-left: 4px; padding-right: 4px;"
ALIGN = {"left": "Qt::AlignLeft", "centre": "Qt::AlignHCenter", "right": "Qt::AlignRight"}


def macros(text: str) -> str:
    """MEDM's $(P) as PyDM's ${P}."""
    return re.sub(r"\$\((\w+)\)", r"${\1}", text)


def channel(name: str) -> str:
    return "ca://" + macros(name)


class Ui:
    """A .ui file that is being written."""

    def __init__(self, page: Page):
        self.root = xml.Element("ui", version="4.0")
        xml.SubElement(self.root, "class").text = "Screen"
        self.screen = xml.SubElement(self.root, "widget", {"class": "QWidget", "name": "screen"})
        self.geometry(self.screen, 0, 0, page.w, page.h)
        self.set(self.screen, "windowTitle", "string", macros(page.title), own=False)
        self.set(self.screen, "styleSheet", "string", f"QWidget#screen {{ background-color: #{COLOURS[GROUND]}; }}", own=False)
        self.count = 0
        # A style sheet paints no ground where the screen is embedded.
        self.rectangle(Panel(0, 0, page.w, page.h, GROUND), GROUND)
        for part in page.parts:
            self.part(part)
        customs = xml.SubElement(self.root, "customwidgets")
        for name, module in MODULES.items():
            custom = xml.SubElement(customs, "customwidget")
            for key, value in (("class", name), ("extends", "QWidget"), ("header", module)):
                xml.SubElement(custom, key).text = value

    def geometry(self, widget, x, y, w, h):
        rect = xml.SubElement(self.property(widget, "geometry", own=False), "rect")
        for key, value in (("x", x), ("y", y), ("width", w), ("height", h)):
            xml.SubElement(rect, key).text = str(value)

    def property(self, widget, name, own=True):
        """`own`: of PyDM, so that Qt sets it by name."""
        return xml.SubElement(widget, "property", {"name": name} | ({"stdset": "0"} if own else {}))

    def set(self, widget, name, kind, value, own=True):
        xml.SubElement(self.property(widget, name, own), kind).text = str(value)

    def strings(self, widget, name, values):
        texts = xml.SubElement(self.property(widget, name), "stringlist")
        for value in values:
            xml.SubElement(texts, "string").text = value

    def widget(self, kind, p, name):
        self.count += 1
        widget = xml.SubElement(self.screen, "widget", {"class": kind, "name": f"{name}_{self.count}"})
        self.geometry(widget, p.x, p.y, p.w, p.h)
        return widget

    def style(self, widget, size, colour, ground=None, more=""):
        rules = f"font-size: {size}px; color: #{COLOURS[colour]};"
        rules += f" background-color: #{COLOURS[ground]};" if ground is not None else ""
        self.sheet(widget, rules + more)

    def sheet(self, widget, sheet):
        self.set(widget, "styleSheet", "string", sheet, own=False)

    def rule(self, widget, when: When | None):
        if when:
            rule = {
                "name": "shown",
                "property": "Visible",
                "expression": (" or " if when.any else " and ").join(
                    f"ch[{index}] == {value}" for index, (_, value) in enumerate(when.terms())
                ),
                "initial_value": "False",
                "channels": [
                    {"channel": channel(name), "trigger": True, "use_enum": False} for name, _ in when.terms()
                ],
            }
            self.set(widget, "rules", "string", json.dumps([rule]))

    def rectangle(self, p, colour, outline=False, when=None):
        widget = self.widget("PyDMDrawingRectangle", p, "panel")
        fill = {"brushstyle": "NoBrush" if outline else "SolidPattern"}
        self.paint(xml.SubElement(self.property(widget, "brush"), "brush", fill), colour)
        self.set(widget, "penStyle", "enum", "Qt::SolidLine" if outline else "Qt::NoPen")
        if outline:
            self.paint(self.property(widget, "penColor"), colour)
            self.set(widget, "penWidth", "double", 1)
        self.rule(widget, when)

    def paint(self, parent, colour):
        element = xml.SubElement(parent, "color", alpha="255")
        for key, at in (("red", 0), ("green", 2), ("blue", 4)):
            xml.SubElement(element, key).text = str(int(COLOURS[colour][at : at + 2], 16))

    def label(self, p, name, align, middle=True, kind="PyDMLabel"):
        widget = self.widget(kind, p, name)
        vertical = "Qt::AlignVCenter" if middle else "Qt::AlignTop"
        self.set(widget, "alignment", "set", f"{ALIGN[align]}|{vertical}", own=False)
        return widget

    def shows(self, widget, p, alarm=False):
        self.set(widget, "channel", "string", channel(p.channel))
        self.set(widget, "alarmSensitiveContent", "bool", "true" if alarm else "false")
        self.set(widget, "alarmSensitiveBorder", "bool", "false")
        # With its tool tip an operator reads what is longer than the field.
        self.set(widget, "PyDMToolTip", "string", f"{macros(p.channel)}: $(pv_value)")

    def part(self, p):
        match p:
            case Panel():
                self.rectangle(p, p.colour, p.outline, p.when)
            case Label():
                widget = self.label(p, "label", p.align, kind="PyDMLabel" if p.when else "QLabel")
                self.set(widget, "text", "string", macros(p.text), own=False)
                self.style(widget, int(p.h * 0.78), p.colour)
                if p.when:
                    self.set(widget, "alarmSensitiveBorder", "bool", "false")
                    self.rule(widget, p.when)
            case Text():
                whole = Panel(p.x, p.y, p.w, p.h * p.lines, p.ground)
                widget = self.label(whole, "text", p.align, middle=p.lines == 1)
                self.shows(widget, replace(p, channel=p.utf8 or p.channel))
                self.set(widget, "displayFormat", "enum", "PyDMLabel::String")
                self.set(widget, "wordWrap", "bool", "true" if p.lines > 1 else "false", own=False)
                self.style(widget, int(p.h * 0.8), p.colour, p.ground, INSET)
            case State():
                widget = self.label(p, "state", "centre")
                self.shows(widget, p, alarm=True)
                style = f"font-size: {int(p.h * 0.62)}px; font-weight: bold; background-color: #{COLOURS[INK]};"
                colours = "".join(f' PyDMLabel[alarmSeverity="{severity}"] {{ color: {colour}; }}' for severity, colour in SEVERITIES)
                self.sheet(widget, f"PyDMLabel {{ {style} }}{colours}")
            case Number():
                widget = self.label(p, "number", "right")
                self.shows(widget, p)
                if p.engineering:
                    self.set(widget, "displayFormat", "enum", "PyDMLabel::Exponential")
                    self.set(widget, "precisionFromPV", "bool", "false")
                    self.set(widget, "precision", "number", 2)
                self.style(widget, int(p.h * 0.73), NAME, PALE, INSET)
            case Light():
                self.rectangle(p, p.colours[0])
                for index, colour in enumerate(p.colours):
                    if index:
                        self.rectangle(p, colour, when=p.when(index))
                self.rectangle(p, INK, outline=True)
            case Button():
                widget = self.widget("PyDMPushButton", p, "button")
                self.set(widget, "text", "string", macros(p.label), own=False)
                self.set(widget, "channel", "string", channel(p.channel))
                self.set(widget, "pressValue", "string", "1")
                self.style(widget, 20, p.ink, p.colour, FLAT)
            case Choice():
                widget = self.widget("PyDMEnumButton", p, "choice")
                self.set(widget, "channel", "string", channel(p.channel))
                self.set(widget, "orientation", "enum", "Qt::Horizontal")
                for side in ("Top", "Bottom", "Left", "Right"):
                    self.set(widget, f"margin{side}", "number", 0)
                face = f"font-size: 18px; min-height: {p.h - 6}px; background-color: #{COLOURS[CONTROL]};{FLAT}"
                chosen = f"background-color: #{COLOURS[NAME]}; color: white; font-weight: bold; border-style: inset;"
                self.sheet(widget, f"QPushButton {{ {face} }} QPushButton:checked {{ {chosen} }}")
            case Open():
                widget = self.widget("PyDMRelatedDisplayButton", p, "open")
                self.set(widget, "text", "string", p.label, own=False)
                self.strings(widget, "filenames", [f"{p.page}.ui"])
                self.strings(widget, "macros", [macros(json.dumps(p.all_macros()))])
                self.set(widget, "openInNewWindow", "bool", "true")
                self.set(widget, "showIcon", "bool", "false")
                self.style(widget, 20, p.ink, p.colour, FLAT)


def write(page: Page) -> str:
    root = Ui(page).root
    xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"
