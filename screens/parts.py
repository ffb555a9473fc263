"""What a page of the screens is made of. Sizes are pixels, colours are indices of TomoScan's MEDM colour map."""

from dataclasses import dataclass, field

# The colour map of https://github.com/tomography/tomoscan, tomoScanApp/op/adl/tomoScan.adl.
COLOURS = """
ffffff ececec dadada c8c8c8 bbbbbb aeaeae 9e9e9e 919191 858585 787878 696969 5a5a5a 464646 2d2d2d 000000 00d800 1ebb00
339900 2d7f00 216c00 fd0000 de1309 be190b a01207 820400 5893ff 597ee1 4b6ec7 3a5eab 27548d fbf34a f9da3c eeb62b e19015
cd6100 ffb0ff d67fe2 ae4ebc 8b1a96 610a75 a4aaff 8793e2 6a73c1 4d52a4 343386 c7bb6d b79d5c a47e3c 7d5627 58340f 99ffff
73dfff 4ea5f9 2a63e4 0a00b8 ebf1b5 d4db9d bbc187 a6a462 8b8239 73ff6b 52da3b 3cb420 289315 1a7309
""".split()

WHITE, PALE, BAR, FIELD, GROUND, GREY, INK = 0, 1, 2, 3, 4, 8, 14
GREEN, RED, YELLOW, ORANGE, CONTROL, BLUE, NAME = 15, 22, 30, 33, 51, 52, 54

# By the index of the state. Blue: at work. Yellow: waits, or asks for you. Green: done. Red: failed. Grey: nothing.
STEP_COLOURS = (GREY, BLUE, GREEN, BAR, RED)
RESULT_COLOURS = (GROUND, BLUE, GREEN, RED, YELLOW, GREY)

# The states of the record View: the word on the screen, its ground and its ink.
VIEWS = (
    ("STOPPED", INK, WHITE),
    ("IDLE", GREY, INK),
    ("WAITING", YELLOW, INK),
    ("SETTLING", BLUE, INK),
    ("APPROVE?", YELLOW, INK),
    ("RUNNING", BLUE, INK),
    ("DONE", GREEN, INK),
    ("FAILED", RED, WHITE),
    ("PAUSED", ORANGE, INK),
)
APPROVAL = 4

# Heights of texts. MEDM takes the font that fits a height best, and that may be a larger one: with these heights no
# letter is cut, neither with its bitmap fonts of 75 and 100 dpi nor with scalable ones (tests/screens/looks.py).
SMALLEST, SMALLER, SMALL, MEDIUM, LARGE, HUGE = 12, 14, 16, 20, 45, 60


@dataclass(frozen=True)
class When:
    """Shown only while the channel has the value, as MEDM's visibility by calculation.

    `also` holds further channels with their values, three at most: all must hold, or with `any` one of them.
    """

    channel: str
    value: int
    also: tuple[tuple[str, int], ...] = ()
    any: bool = False

    def terms(self) -> tuple[tuple[str, int], ...]:
        return ((self.channel, self.value), *self.also)


@dataclass(frozen=True)
class Part:
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Panel(Part):
    """A coloured area, or with `outline` a frame."""

    colour: int
    when: When | None = None
    outline: bool = False


@dataclass(frozen=True)
class Label(Part):
    """A fixed text."""

    text: str
    colour: int = INK
    align: str = "left"
    when: When | None = None


@dataclass(frozen=True)
class Text(Part):
    """A text of the IOC: a CHAR waveform, a string or the label of a state.

    `utf8` is a record with the same text in UTF-8, for those that can show it; MEDM can't.

    MEDM can't wrap. With `lines`, it gets so many text updates of `columns` bytes each through the IOC's own array
    filter (`StatusMsg.[128:255]`, EPICS base 3.15); the other two wrap by themselves. `h` is the height of a line.
    """

    channel: str
    lines: int = 1
    columns: int = 0
    align: str = "left"
    colour: int = NAME
    ground: int = PALE
    utf8: str = ""


@dataclass(frozen=True)
class State(Part):
    """A state in the colour of its alarm severity, on black."""

    channel: str


@dataclass(frozen=True)
class Number(Part):
    """A number; with `engineering`, 123456789012 reads 123.46e+09."""

    channel: str
    engineering: bool = False


@dataclass(frozen=True)
class Light(Part):
    """A field in the colour of the state's index; grey unless all of `live` hold too."""

    channel: str
    colours: tuple[int, ...]
    live: tuple[tuple[str, int], ...] = ()

    def when(self, index: int) -> When:
        return When(self.channel, index, self.live)


@dataclass(frozen=True)
class Button(Part):
    """Puts 1."""

    label: str
    channel: str
    colour: int = CONTROL
    ink: int = INK


@dataclass(frozen=True)
class Choice(Part):
    """A button for each state of a switch."""

    channel: str


@dataclass(frozen=True)
class Open(Part):
    """Opens another page in a window of its own, with the macros of this one and `macros`."""

    label: str
    page: str
    macros: dict[str, str] = field(default_factory=dict)
    colour: int = CONTROL
    ink: int = INK

    def all_macros(self) -> dict[str, str]:
        return {name: f"$({name})" for name in ("P", "R", "U")} | self.macros


@dataclass(frozen=True)
class Page:
    """A screen: its file's name without ending, its title for the window, its size and parts, lowest first."""

    name: str
    title: str
    w: int
    h: int
    parts: tuple


def box(x, y, w, h, title) -> list:
    """A frame with its title, as on TomoScan's screens."""
    middle = x + (w - 260) // 2
    return [
        Panel(x, y, w, h, INK, outline=True),
        Panel(middle, y + 4, 260, 24, BAR),
        Label(middle, y + 6, 260, MEDIUM, title, NAME, "centre"),
    ]


def bar(w, text) -> list:
    """The title of a page."""
    return [Panel(0, 6, w, 26, BAR), Label(0, 9, w, MEDIUM, text, NAME, "centre")]


def rows(x, y, w, h, channel, first, count, columns=100) -> list:
    """Rows of a text that the service has laid out, the first one being number `first`, from 0."""
    places = ((row, (first + row) * columns) for row in range(count))
    return [Text(x, y + row * h, w, h, f"{channel}.[{at}:{at + columns - 1}]") for row, at in places]


def frame(x, y, w, h, colour, when, thick=6) -> list:
    """A frame around an area. MEDM draws what is shown by a condition over fixed labels, so it can't be their ground."""
    return [
        Panel(x, y, w, thick, colour, when),
        Panel(x, y + h - thick, w, thick, colour, when),
        Panel(x, y + thick, thick, h - 2 * thick, colour, when),
        Panel(x + w - thick, y + thick, thick, h - 2 * thick, colour, when),
    ]


def struck(parts, when) -> list:
    """Lines through the texts among these parts, shown while what they say is old."""
    texts = (part for part in parts if isinstance(part, (Text, Number, State)))
    return [Panel(text.x, text.y + text.h // 2, text.w, 2, GREY, when) for text in texts]
