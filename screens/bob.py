"""Pages as Phoebus's .bob (Display Builder)."""

import xml.etree.ElementTree as xml
from dataclasses import replace

from parts import COLOURS, CONTROL, GROUND, INK, NAME, PALE, WHITE
from parts import Button, Choice, Label, Light, Number, Open, Page, Panel, State, Text, When

ALIGN = {"left": "0", "centre": "1", "right": "2"}
DECIMAL, ENGINEERING, STRING = "1", "3", "6"


class Bob:
    """A .bob file that is being written."""

    def __init__(self, page: Page):
        self.root = xml.Element("display", version="2.0.0")
        self.set(self.root, name=page.title, width=page.w, height=page.h)
        self.paint(self.root, "background_color", GROUND)
        self.count = 0
        for part in page.parts:
            self.part(part)

    def set(self, element, **values):
        for key, value in values.items():
            xml.SubElement(element, key).text = str(value)

    def paint(self, element, name, colour):
        red, green, blue = (str(int(COLOURS[colour][at : at + 2], 16)) for at in (0, 2, 4))
        xml.SubElement(xml.SubElement(element, name), "color", red=red, green=green, blue=blue)

    def font(self, element, size, style="REGULAR"):
        xml.SubElement(xml.SubElement(element, "font"), "font", family="Liberation Sans", style=style, size=f"{size}.0")

    def widget(self, kind, p, version="2.0.0", height=None):
        self.count += 1
        widget = xml.SubElement(self.root, "widget", type=kind, version=version)
        self.set(widget, name=f"{kind} {self.count}", x=p.x, y=p.y, width=p.w, height=height or p.h)
        return widget

    def shown_when(self, widget, when: When | None):
        if when:
            rule = xml.SubElement(xml.SubElement(widget, "rules"), "rule", name="shown", prop_id="visible", out_exp="false")
            differ = [f"pv{index} != {value}" for index, (_, value) in enumerate(when.terms())]
            hidden = xml.SubElement(rule, "exp", bool_exp=(" && " if when.any else " || ").join(differ))
            self.set(hidden, value="false")
            for channel, _ in when.terms():
                self.set(rule, pv_name=channel)

    def part(self, p):
        match p:
            case Panel():
                self.rectangle(p, p.colour, p.outline, p.when)
            case Label():
                widget = self.widget("label", p)
                self.set(widget, text=p.text, horizontal_alignment=ALIGN[p.align], vertical_alignment=1)
                self.font(widget, int(p.h * 0.8))
                self.paint(widget, "foreground_color", p.colour)
                self.shown_when(widget, p.when)
            case Text():
                p = replace(p, channel=p.utf8 or p.channel)
                widget = self.update(p, STRING, p.colour, p.ground, p.align, int(p.h * 0.75), p.h * p.lines)
                self.set(widget, wrap_words="true" if p.lines > 1 else "false", vertical_alignment=0 if p.lines > 1 else 1)
            case State():
                # The severity is the border's colour, as everywhere in Phoebus.
                widget = self.update(p, STRING, WHITE, INK, "centre", int(p.h * 0.7), alarm="true")
                self.set(widget, vertical_alignment=1)
            case Number():
                form = ENGINEERING if p.engineering else DECIMAL
                widget = self.update(p, form, NAME, PALE, "right", int(p.h * 0.75))
                self.set(widget, precision=2 if p.engineering else -1, show_units="false", vertical_alignment=1)
            case Light():
                self.light(p)
            case Button():
                widget = self.widget("action_button", p, "3.0.0")
                action = self.action(widget, "write_pv", p.label)
                self.set(action, pv_name=p.channel, value=1)
                self.set(widget, pv_name=p.channel, text=p.label)
                self.face(widget, p)
            case Choice():
                widget = self.widget("choice", p)
                self.set(widget, pv_name=p.channel, items_from_pv="true", horizontal="true")
                self.font(widget, 18)
                self.paint(widget, "background_color", CONTROL)
                self.paint(widget, "selected_color", GROUND)
            case Open():
                widget = self.widget("action_button", p, "3.0.0")
                action = self.action(widget, "open_display", p.label)
                self.set(action, file=f"{p.page}.bob", target="window")
                self.set(xml.SubElement(action, "macros"), **p.all_macros())
                self.set(widget, text=p.label)
                self.face(widget, p)

    def update(self, p, form, colour, ground, align, size, height=None, alarm="false"):
        widget = self.widget("textupdate", p, height=height)
        self.set(widget, pv_name=p.channel, format=form, horizontal_alignment=ALIGN[align], border_alarm_sensitive=alarm)
        self.font(widget, size)
        self.paint(widget, "foreground_color", colour)
        self.paint(widget, "background_color", ground)
        return widget

    def light(self, p):
        # Rectangles instead of a multi-state LED, which Diamond's web runtime lacks.
        for index, colour in enumerate(p.colours):
            self.rectangle(p, colour, when=p.when(index) if index else None)
        self.rectangle(p, INK, outline=True)

    def rectangle(self, p, colour, outline=False, when=None):
        widget = self.widget("rectangle", p)
        self.paint(widget, "line_color", colour)
        self.paint(widget, "background_color", colour)
        self.set(widget, line_width=1 if outline else 0, transparent="true" if outline else "false")
        self.shown_when(widget, when)

    def action(self, widget, kind, description):
        action = xml.SubElement(xml.SubElement(widget, "actions"), "action", type=kind)
        self.set(action, description=description)
        return action

    def face(self, widget, p):
        self.font(widget, 18)
        self.paint(widget, "foreground_color", p.ink)
        self.paint(widget, "background_color", p.colour)


def write(page: Page) -> str:
    root = Bob(page).root
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"
