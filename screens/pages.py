"""The content of beamshare's screens, described once for MEDM, PyDM and Phoebus."""

from parts import APPROVAL, BAR, BLUE, FIELD, GREEN, GREY, GROUND, HUGE, INK, LARGE, MEDIUM, NAME, ORANGE, RED
from parts import RESULT_COLOURS, SMALL, SMALLER, SMALLEST, STEP_COLOURS, VIEWS, WHITE, YELLOW
from parts import Button, Choice, Label, Light, Number, Open, Page, Panel, State, Text, When, bar, box, frame, rows, struck

PR = "$(P)$(R)"
U = "$(U)"
STEPS = (
    ("Directories", "Dirs"),
    ("Globus", "Globus"),
    ("Sharing", "Share"),
    ("E-mail", "Email"),
    ("Transfers", "Sync"),
)
ALIVE, SERVED = (PR + "Alive", 1), (PR + "GroupServed", 1)
STOPPED = When(PR + "Alive", 0)
# What is shown of the accepted group is old: nobody runs that could know better, or another group needs attention.
OLD = When(PR + "Alive", 0, ((PR + "GroupServed", 0),), any=True)
OTHER_GROUP = When(PR + "GroupServed", 0)
HELD = When(PR + "View", APPROVAL)
NOTHING_HELD = When(PR + "HoldCount", 0)


def counts(x, y, w, rows):
    """Numbers with what they count before them, one below the other."""
    for index, (text, record) in enumerate(rows):
        top = y + index * 28
        yield Label(x, top, w - 115, MEDIUM, text)
        yield Number(x + w - 110, top, 110, MEDIUM, PR + record)


def big_state(x, y, w, h, size):
    """What beamshare does, as a word in a coloured field: Stopped, whatever it was, once its heart is still."""
    yield Light(x, y, w, h, PR + "View", tuple(ground for _, ground, _ in VIEWS))
    for index, (word, _, ink) in enumerate(VIEWS):
        yield Label(x, y + (h - size) // 2, w, size, word, ink, "centre", When(PR + "View", index))


def group(x, y, w):
    """The group that needs attention."""
    return Text(x, y, w, LARGE, PR + "Group", utf8=PR + "GroupUtf8")


def main_page():
    w = 1180
    parts = bar(w, f"beamshare: delivery to users   {PR}")
    # Now: what it does, for whom, and what to do.
    now = [group(352, 40, 818), *rows(352, 92, 818, SMALL, PR + "StatusRows", 0, 4)]
    parts += [*big_state(10, 40, 330, 120, HUGE), *now, *struck(now, STOPPED)]
    parts += held_block(w, 166)
    parts += commands_block(w, 348)
    parts += steps_block(w, 426)
    parts += users_block(w, 716)
    for index, (label, page) in enumerate(
        [("Users ...", "users"), ("Transfer ...", "transfers"), ("History ...", "history"), ("Help ...", "help")]
    ):
        parts.append(Open(5 + index * 294, 850, 288, 34, label, f"beamshare_{page}"))
    return Page("beamshare", "beamshare", w, 890, tuple(parts))


def held_block(w, top):
    """What waits for the operator, with the first reasons."""
    texts = [
        Text(15, top + 32, 840, MEDIUM, PR + "HoldAsk"),
        *rows(15, top + 55, 840, SMALL, PR + "HoldRows", 0, 7),
        Text(985, top + 100, 180, SMALL, PR + "HoldGains"),
        Text(985, top + 122, 180, SMALL, PR + "HoldLoses", colour=RED),
        Text(985, top + 144, 180, SMALL, PR + "HoldPath"),
    ]
    return [
        *box(5, top, w - 10, 176, "Waiting for you"),
        *frame(5, top, w - 10, 176, YELLOW, HELD),
        *texts,
        Label(15, top + 32, 840, MEDIUM, "Nothing is held.", when=NOTHING_HELD),
        Open(870, top + 34, 295, 54, "Approve ...", "beamshare_approve"),
        Label(870, top + 100, 110, SMALL, "Gains access"),
        Label(870, top + 122, 110, SMALL, "Loses access"),
        Label(870, top + 144, 110, SMALL, "Directory"),
        *struck(texts, STOPPED),
    ]


def commands_block(w, top):
    """What an operator can do. What mails people or ends something asks once more in a window of its own."""
    return [
        *box(5, top, w - 10, 72, "Commands"),
        Button(15, top + 30, 180, 36, "Run", PR + "Run"),
        Open(210, top + 30, 180, 36, "Abort ...", "beamshare_confirm", confirm("Abort"), RED, WHITE),
        Open(405, top + 30, 180, 36, "Mail again ...", "beamshare_confirm", confirm("Resend")),
        *frame(640, top + 28, 240, 42, YELLOW, When(PR + "Auto", 0), 4),
        Label(650, top + 40, 60, MEDIUM, "Auto"),
        Choice(710, top + 31, 160, 36, PR + "Auto"),
        *frame(900, top + 28, 260, 42, ORANGE, When(PR + "Pause", 1), 4),
        Label(910, top + 40, 70, MEDIUM, "Pause"),
        Choice(980, top + 31, 170, 36, PR + "Pause"),
    ]


def steps_block(w, top):
    """What was done for the group that was accepted last. Unless it is the one above, it is grey and crossed."""
    parts = [
        Panel(5, top, w - 10, 416, INK, outline=True),
        Label(15, top + 6, 350, MEDIUM, "Steps of the group above", NAME, when=When(*SERVED)),
        Label(15, top + 6, 350, MEDIUM, "Served last, not the group above:", NAME, when=OTHER_GROUP),
    ]
    texts = [
        Text(375, top + 6, 90, MEDIUM, PR + "YearMonth", ground=GROUND),
        Text(470, top + 6, 330, MEDIUM, PR + "LastName", ground=GROUND, utf8=PR + "LastNameUtf8"),
        Text(805, top + 8, 190, SMALL, PR + "Proposal", ground=GROUND),
    ]
    for index, (name, step) in enumerate(STEPS):
        y = top + 34 + index * 50
        # The transfers are of all groups.
        live = (ALIVE,) if step == "Sync" else (ALIVE, SERVED)
        mine = [
            Text(200, y + 11, 110, MEDIUM, PR + step + "Sts", align="centre"),
            *rows(320, y, 845, SMALLER, PR + step + "Rows", 0, 3),
        ]
        parts += [Light(15, y, 40, 42, PR + step + "Sts", STEP_COLOURS, live), Label(65, y + 11, 130, MEDIUM, name), *mine]
        parts += struck(mine[:2], STOPPED if step == "Sync" else OLD)
    return [*parts, *texts, *struck(texts, STOPPED)]


def users_block(w, top):
    """What the users get, and the counts, small."""
    texts = [
        Text(110, top + 6, w - 125, SMALL, PR + "Path"),
        Text(110, top + 28, w - 125, SMALLER, PR + "DataLink", lines=2, columns=140),
    ]
    labels, numbers = [], []
    places = (
        (15, 100, "Users", "UsersTotal"), (225, 100, "with access", "UsersShared"),
        (435, 100, "Mails sent", "EmailsSent"), (645, 100, "rejected", "EmailsFailed"),
        (15, 124, "Files moved", "SyncFiles"), (225, 124, "of", "SyncFilesTotal"),
        (435, 124, "MB/s", "SyncRate"), (645, 124, "faults", "SyncFaults"),
    )
    for x, y, text, record in places:
        labels.append(Label(x, top + y - 36, 110, SMALL, text))
        numbers.append(Number(x + 112, top + y - 36, 80, SMALL, PR + record))
    service = [
        Label(860, top + 64, 100, SMALL, "beamshare"),
        State(965, top + 62, 110, MEDIUM, PR + "Alive"),
        Label(860, top + 88, 100, SMALL, "heartbeat"),
        Number(965, top + 88, 70, SMALL, PR + "HeartbeatAge"),
        Label(1040, top + 88, 60, SMALL, "s ago"),
        Label(860, top + 108, 100, SMALL, "delivery"),
        Text(965, top + 108, 110, SMALL, PR + "Run", align="centre"),
    ]
    return [
        Label(15, top + 6, 90, SMALL, "Directory"),
        Label(15, top + 28, 90, SMALL, "Link"),
        *texts, *labels, *numbers, *service, *struck([*texts, *numbers], OLD),
    ]


def strip_page():
    """To be embedded in a beamline's own screens."""
    w = 620
    texts = [group(255, 5, 275), *rows(5, 80, w - 10, SMALLEST, PR + "StatusRows", 0, 3)]
    parts = [
        *big_state(5, 5, 242, 68, LARGE),
        *texts,
        *struck(texts, STOPPED),
        *frame(533, 12, 84, 52, YELLOW, HELD),
        Open(540, 20, 70, 38, "Open", "beamshare"),
    ]
    return Page("beamshare_strip", "beamshare", w, 122, tuple(parts))


def confirm(record):
    """The macros with which beamshare_confirm asks for a command."""
    what = {
        "Abort": "Stop the running delivery. Completed work stays; Run does the rest.",
        "Resend": "Send the message again to all users of this experiment.",
    }[record]
    label = {"Abort": "Abort", "Resend": "Mail again"}[record]
    return {"C": record, "LABEL": label, "WHAT": what}


def confirm_page():
    w = 1000
    parts = bar(w, f"$(LABEL)?   {PR}")
    parts += [
        Label(15, 52, w - 30, MEDIUM, "$(WHAT)"),
        Label(15, 92, 110, MEDIUM, "Group"),
        Text(125, 92, 130, MEDIUM, PR + "YearMonth"),
        Text(265, 92, 280, MEDIUM, PR + "LastName", utf8=PR + "LastNameUtf8"),
        Text(555, 92, 430, MEDIUM, PR + "Email"),
        Label(15, 128, 110, MEDIUM, "Status"),
        State(125, 128, 220, MEDIUM, PR + "View"),
        Label(365, 128, 130, MEDIUM, "Users"),
        Number(440, 128, 90, MEDIUM, PR + "UsersTotal"),
        Label(550, 128, 140, MEDIUM, "messages sent"),
        Number(700, 128, 145, MEDIUM, PR + "EmailsSent"),
        Button(15, 172, 340, 44, "Yes: $(LABEL)", PR + "$(C)", RED, WHITE),
        Label(375, 184, w - 390, MEDIUM, "No: close this window."),
    ]
    return Page("beamshare_confirm", "beamshare: sure?", w, 230, tuple(parts))


COMPARED = (
    ("Year-month", "Month"),
    ("PI", "Name"),
    ("E-mail", "Email"),
    ("Proposal", "Proposal"),
    ("Directory", "Path"),
)


def approve_page():
    w = 1180
    texts = [
        Text(355, 40, 810, LARGE, PR + "HoldAsk"),
        Text(660, 124, 505, MEDIUM, PR + "HoldOldIs", ground=GROUND),
    ]
    parts = [*bar(w, f"Approve?   {PR}"), *big_state(10, 40, 330, 70, LARGE)]
    parts += [
        Label(355, 92, 810, MEDIUM, "Approve only if every value below is right. A change of any value makes it void.", when=HELD),
        Label(355, 92, 810, MEDIUM, "Nothing is held: there is nothing to approve.", when=NOTHING_HELD),
        Label(140, 124, 500, MEDIUM, "would be served now", NAME),
    ]
    for index, (name, record) in enumerate(COMPARED):
        y = 150 + index * 24
        parts.append(Label(15, y, 120, SMALL, name))
        texts += [
            Text(140, y, 505, SMALL, PR + "Hold" + record),
            Text(660, y, 505, SMALL, PR + "HoldOld" + record, ground=FIELD),
        ]
    for index, (name, record, colour) in enumerate(
        (("Gains access", "HoldGains", NAME), ("Loses access", "HoldLoses", RED), ("Is mailed", "HoldMails", NAME))
    ):
        y = 276 + index * 22
        parts.append(Label(15, y, 120, SMALL, name))
        texts.append(Text(140, y, 1025, SMALL, PR + record, colour=colour))
    parts += box(5, 346, w - 10, 398, "Reasons")
    texts += rows(15, 376, 1000, SMALL, PR + "HoldRows", 0, 21)
    parts += [
        *texts,
        *struck(texts, STOPPED),
        Label(1030, 380, 110, SMALL, "Reasons"),
        Number(1105, 380, 55, SMALL, PR + "HoldCount"),
        Label(1030, 404, 75, SMALL, "Rows"),
        Number(1105, 404, 55, SMALL, PR + "HoldRowCount"),
        Label(1030, 428, 140, SMALL, "(21 are here)"),
        Open(1030, 452, 135, 36, "In full ...", "beamshare_held"),
        Button(15, 754, 340, 44, "Approve", PR + "Approve", GREEN),
        Label(375, 766, 500, MEDIUM, "If anything is wrong, close this window and tag again."),
    ]
    return Page("beamshare_approve", "beamshare: approve?", w, 806, tuple(parts))


def held_pages():
    """The whole list, whatever its length: what fits the Approve page as a rule may be longer than it."""
    w, length = 860, 60
    pages = (
        ("beamshare_held", "HoldDetails", 0, "beamshare_held_2", "Groups, access and mails"),
        ("beamshare_held_2", "HoldRows", 0, "beamshare_held_3", "Reasons and remedies"),
        ("beamshare_held_3", "HoldRows", length, "beamshare_held", "Reasons and remedies, continued"),
    )
    for name, record, first, following, title in pages:
        parts = [*bar(w, f"{title}   {PR}"), *rows(10, 38, w - 20, SMALLER, PR + record, first, length)]
        parts += [*struck(parts, STOPPED), Open(10, 884, 200, 34, "Next page ...", following)]
        yield Page(name, "beamshare: held", w, 924, tuple(parts))


ACCEPTED = (
    ("Year-month", "ExperimentYearMonth", "YearMonth", ""),
    ("Last name", "UserLastName", "LastName", "LastNameUtf8"),
    ("E-mail", "UserEmail", "Email", ""),
    ("Proposal", "ProposalNumber", "Proposal", ""),
)


def users_page():
    w = 1180
    parts = bar(w, f"beamshare: users   {PR}   {U}")
    parts += box(5, 46, w - 10, 186, "The experiment")
    parts += [Label(180, 76, 400, MEDIUM, "in the user-info PVs"), Label(690, 76, 400, MEDIUM, "accepted last by beamshare")]
    accepted = []
    for index, (name, info, own, utf8) in enumerate(ACCEPTED):
        y = 104 + index * 31
        parts += [Label(15, y, 150, MEDIUM, name), Text(180, y, 500, MEDIUM, U + info)]
        accepted.append(Text(690, y, 475, MEDIUM, PR + own, utf8=utf8 and PR + utf8))
    parts += box(5, 240, w - 10, 216, "Other user-info PVs")
    more = (
        ("First name", "UserName"),
        ("Institution", "UserInstitution"),
        ("Badge", "UserBadge"),
        ("ESAF", "ESAFNumber"),
        ("Title", "ProposalTitle"),
        ("Updated", "UserInfoUpdate"),
    )
    for index, (name, info) in enumerate(more):
        y = 274 + index * 30
        parts += [Label(15, y, 150, MEDIUM, name), Text(180, y, w - 195, MEDIUM, U + info)]
    parts += box(5, 464, w - 10, 256, "For the users")
    accepted += [
        Text(180, 498, w - 195, MEDIUM, PR + "Path"),
        Text(180, 526, w - 195, MEDIUM, PR + "DataLink", lines=6, columns=86),
    ]
    parts += [Label(15, 498, 150, MEDIUM, "Directory"), Label(15, 526, 150, MEDIUM, "Link")]
    numbers = [
        *counts(15, 656, 380, [("Users of the experiment", "UsersTotal"), ("with access", "UsersShared")]),
        *counts(430, 656, 380, [("Messages sent", "EmailsSent"), ("rejected", "EmailsFailed")]),
    ]
    parts += [*accepted, *numbers, *struck([*accepted, *numbers], OLD)]
    return Page("beamshare_users", "beamshare: users", w, 728, tuple(parts))


def transfers_page():
    w = 1180
    texts = [
        State(95, 64, 200, MEDIUM, PR + "SyncSts"),
        Text(470, 64, w - 485, MEDIUM, PR + "SyncTask"),
        *rows(15, 106, w - 30, MEDIUM, PR + "SyncRows", 0, 3),
        *counts(15, 220, 380, [("Files moved", "SyncFiles"), ("of", "SyncFilesTotal"), ("Faults", "SyncFaults")]),
        Number(580, 220, 260, MEDIUM, PR + "SyncBytes"),
        Number(580, 250, 260, MEDIUM, PR + "SyncRate"),
    ]
    parts = [
        *bar(w, f"beamshare: transfer of the data   {PR}"),
        Panel(5, 46, w - 10, 132, INK, outline=True),
        Light(15, 56, 64, 40, PR + "SyncSts", STEP_COLOURS, (ALIVE,)),
        Label(315, 64, 150, MEDIUM, "Globus task"),
        *box(5, 186, w - 10, 124, "Progress"),
        Label(430, 220, 130, MEDIUM, "Bytes moved"),
        Label(850, 220, 60, MEDIUM, "B"),
        Label(430, 250, 130, MEDIUM, "Speed"),
        Label(850, 250, 60, MEDIUM, "MB/s"),
        *texts,
        *struck(texts, STOPPED),
    ]
    return Page("beamshare_transfers", "beamshare: transfer", w, 318, tuple(parts))


def history_page():
    w, top = 900, 46
    parts = [*bar(w, f"beamshare: history and service   {PR}"), *box(5, top, w - 10, 44 + 8 * 30, "Groups served last")]
    texts = []
    for number in range(1, 9):
        y = top + 36 + (number - 1) * 30
        parts.append(Light(15, y, 22, 22, f"{PR}HistoryResult{number}", RESULT_COLOURS))
        texts += [
            Text(45, y + 1, 100, MEDIUM, f"{PR}HistoryResult{number}", align="centre"),
            Text(155, y + 1, 190, MEDIUM, f"{PR}HistoryAt{number}"),
            Text(355, y + 1, w - 370, MEDIUM, f"{PR}HistoryGroup{number}"),
        ]
    top = 340
    parts += [*texts, *box(5, top, w - 10, 128, "Deliveries")]
    parts += counts(15, top + 34, 330, [("Deliveries so far", "RunCount"), ("failed", "ErrorCount")])
    parts += [
        Label(400, top + 34, 200, MEDIUM, "End of the last one"),
        Text(600, top + 34, 280, MEDIUM, PR + "LastRun"),
        Label(400, top + 62, 200, MEDIUM, "Duration"),
        Number(600, top + 62, 110, MEDIUM, PR + "LastDuration"),
        Label(720, top + 62, 60, MEDIUM, "s"),
        Label(15, top + 94, 200, MEDIUM, "Bytes moved"),
        Number(235, top + 94, 160, MEDIUM, PR + "SyncBytes", engineering=True),
    ]
    top = 476
    parts += box(5, top, w - 10, 160, "Service")
    parts += [
        State(15, top + 36, 200, MEDIUM, PR + "Alive"),
        Label(235, top + 36, 130, MEDIUM, "Heartbeat"),
        Number(370, top + 36, 145, MEDIUM, PR + "Heartbeat"),
        Label(535, top + 36, 50, MEDIUM, "seen"),
        Number(590, top + 36, 100, MEDIUM, PR + "HeartbeatAge"),
        Label(700, top + 36, 80, MEDIUM, "s ago"),
        Label(15, top + 68, 150, MEDIUM, "Version"),
        Text(180, top + 68, w - 195, MEDIUM, PR + "Version"),
        Label(15, top + 98, 150, MEDIUM, "Host"),
        Text(180, top + 98, w - 195, MEDIUM, PR + "Host"),
        Label(15, top + 128, 150, MEDIUM, "Active service"),
        Text(180, top + 128, w - 195, MEDIUM, PR + "LeaseHolder"),
    ]
    return Page("beamshare_history", "beamshare: history", w, 644, tuple(parts))


HELP = (
    ("Run", "Checks every step, repairs what is missing, mails people never mailed. Accepts an edit by hand."),
    ("Approve", "Serves the held group. First shows for whom, who gains and loses access, and every reason."),
    ("Abort", "Stops the running delivery. Completed work stays; Run does the rest."),
    ("Mail again", "Sends the message again to everyone of this experiment."),
    ("Auto", "On: new groups are served automatically. Off: they wait for Run."),
    ("Pause", "Starts nothing new until set to Go. The current attempt is completed."),
)
STATES_HELP = (
    (INK, "Stopped", "beamshare does not run. What is shown is old, and crossed out."),
    (GREY, "Idle", "Nothing to do: no user group is tagged, or the step has not started (Pending)."),
    (BLUE, "Running", "In progress. Settling: the user info has just changed; beamshare waits until it is quiet."),
    (GREEN, "Done", "Delivered: directories, Globus, sharing, e-mail, as shown by the steps."),
    (YELLOW, "Waiting", "Something is incomplete or unreachable, or needs approval. The message says what to do."),
    (ORANGE, "Paused", "Paused by an operator."),
    (RED, "Failed", "Stopped by an error. Correct what the message names, then press Run."),
    (BAR, "Skipped", "The settings do not ask for this step."),
)
TROUBLE = (
    "STOPPED: no heartbeat for 10 s. On its host, run: systemctl status beamshare",
    "Steps that are grey and crossed out are of the group served last, not of the group above.",
    "White fields: the IOC of these records is unreachable.",
    "A step is red: its message names the cause and the remedy. In a terminal: beamshare status, beamshare check",
)


def help_page():
    w = 1180
    parts = bar(w, f"beamshare: help   {PR}")
    parts += box(5, 46, w - 10, 40 + 28 * len(HELP), "Commands")
    for index, (name, text) in enumerate(HELP):
        y = 80 + index * 28
        parts += [Label(15, y, 130, MEDIUM, name, NAME), Label(150, y, w - 165, MEDIUM, text)]
    top = 94 + 28 * len(HELP)
    parts += box(5, top, w - 10, 40 + 28 * len(STATES_HELP), "Colours")
    for index, (colour, name, text) in enumerate(STATES_HELP):
        y = top + 34 + index * 28
        parts += [
            Panel(15, y, 40, 22, colour),
            Panel(15, y, 40, 22, INK, outline=True),
            Label(65, y, 85, MEDIUM, name, NAME),
            Label(150, y, w - 165, MEDIUM, text),
        ]
    top += 48 + 28 * len(STATES_HELP)
    parts += box(5, top, w - 10, 40 + 28 * len(TROUBLE), "Troubleshooting")
    for index, text in enumerate(TROUBLE):
        parts.append(Label(15, top + 34 + index * 28, w - 30, MEDIUM, text))
    return Page("beamshare_help", "beamshare: help", w, top + 48 + 28 * len(TROUBLE), tuple(parts))


PAGES = (
    main_page(),
    strip_page(),
    approve_page(),
    *held_pages(),
    confirm_page(),
    users_page(),
    transfers_page(),
    history_page(),
    help_page(),
)
