"""Pages as MEDM's .adl."""

from parts import COLOURS, CONTROL, GROUND, INK, NAME, PALE
from parts import Button, Choice, Label, Light, Number, Open, Page, Panel, State, Text

ALIGN = {"left": "", "centre": 'align="horiz. centered"', "right": 'align="horiz. right"'}


def block(name, *lines):
    """A block of the format; a line that is empty is left out."""
    inner = "\n".join(f"\t{line}" for text in lines if text for line in text.split("\n"))
    return f"{name} {{\n{inner}\n}}"


def place(x, y, w, h):
    return block("object", f"x={x}", f"y={y}", f"width={w}", f"height={h}")


def look(colour, outline=False):
    return block('"basic attribute"', f"clr={colour}", 'fill="outline"' if outline else "")


def shown_when(when):
    if not when:
        return ""
    names = ("chan", "chanB", "chanC", "chanD")
    channels = [f'{name}="{channel}"' for name, (channel, _) in zip(names, when.terms())]
    calc = ("||" if when.any else "&&").join(f"{letter}={value}" for letter, (_, value) in zip("ABCD", when.terms()))
    return block('"dynamic attribute"', 'vis="calc"', f'calc="{calc}"', *channels)


def panel(x, y, w, h, colour, outline=False, when=None):
    return block("rectangle", place(x, y, w, h), look(colour, outline), shown_when(when))


def update(x, y, w, h, channel, colour, ground, *more):
    monitor = block("monitor", f'chan="{channel}"', f"clr={colour}", f"bclr={ground}")
    return block('"text update"', place(x, y, w, h), monitor, *more)


def text(p):
    if p.lines == 1:
        return [update(p.x, p.y, p.w, p.h, p.channel, p.colour, p.ground, ALIGN[p.align], 'format="string"', block("limits"))]
    parts = []
    for line in range(p.lines):
        first = line * p.columns
        channel = f"{p.channel}.[{first}:{first + p.columns - 1}]"
        parts.append(update(p.x, p.y + line * p.h, p.w, p.h, channel, p.colour, p.ground, 'format="string"', block("limits")))
    return parts


def number(p):
    if p.engineering:
        form = ('format="engr. notation"', block("limits", 'precSrc="default"', "precDefault=2"))
    else:
        form = ('format="decimal"', block("limits"))
    return update(p.x, p.y, p.w, p.h, p.channel, NAME, PALE, ALIGN["right"], *form)


def light(p):
    yield panel(p.x, p.y, p.w, p.h, p.colours[0])
    for index, colour in enumerate(p.colours):
        if index:
            yield panel(p.x, p.y, p.w, p.h, colour, when=p.when(index))
    yield panel(p.x, p.y, p.w, p.h, INK, outline=True)


def control(channel, ink, colour):
    return block("control", f'chan="{channel}"', f"clr={ink}", f"bclr={colour}")


def open_page(p):
    args = ",".join(f"{name}={value}" for name, value in p.all_macros().items())
    target = block("display[0]", f'label="{p.label}"', f'name="{p.page}.adl"', f'args="{args}"')
    # A leading "-": the label without MEDM's picture of two windows.
    return block('"related display"', place(p.x, p.y, p.w, p.h), target, f"clr={p.ink}", f"bclr={p.colour}", f'label="-{p.label}"')


def part(p):
    where = place(p.x, p.y, p.w, p.h)
    match p:
        case Panel():
            yield panel(p.x, p.y, p.w, p.h, p.colour, p.outline, p.when)
        case Label():
            yield block("text", where, look(p.colour), shown_when(p.when), f'textix="{p.text}"', ALIGN[p.align])
        case Text():
            yield from text(p)
        case State():
            form = ('clrmod="alarm"', ALIGN["centre"], 'format="string"', block("limits"))
            yield update(p.x, p.y, p.w, p.h, p.channel, INK, INK, *form)
        case Number():
            yield number(p)
        case Light():
            yield from light(p)
        case Button():
            yield block('"message button"', where, control(p.channel, p.ink, p.colour), f'label="{p.label}"', 'press_msg="1"')
        case Choice():
            yield block('"choice button"', where, control(p.channel, INK, CONTROL), 'stacking="column"')
        case Open():
            yield open_page(p)


def write(page: Page) -> str:
    head = [
        block("file", f'name="{page.name}.adl"', "version=030111"),
        block("display", place(100, 60, page.w, page.h), f"clr={INK}", f"bclr={GROUND}", 'cmap=""', "gridSpacing=5", "gridOn=0", "snapToGrid=0"),
        block('"color map"', f"ncolors={len(COLOURS)}", block("colors", *[f"{colour}," for colour in COLOURS])),
    ]
    return "\n".join(["", *head, *[text for p in page.parts for text in part(p)]]) + "\n"
