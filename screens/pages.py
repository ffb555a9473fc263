"""The content of beamshare's screens, described once for MEDM, PyDM and Phoebus."""

from parts import BAR, BLUE, FIELD, GREEN, GREY, GROUND, INK, NAME, ORANGE, RED, STATUS_COLOURS, STEP_COLOURS, WHITE, YELLOW
from parts import Button, Choice, Label, Light, Number, Open, Page, Panel, State, Text, When, bar, box

PR = "$(P)$(R)"
U = "$(U)"
STEPS = (
    ("Directories", "Dirs"),
    ("Globus", "Globus"),
    ("Sharing", "Share"),
    ("E-mail", "Email"),
    ("Transfer", "Sync"),
)


def message(x, y, w, h, record, lines=3):
    """A text of 256 bytes, whole."""
    return Text(x, y, w, h, PR + record, lines=lines, columns=-(-256 // lines))


def counts(x, y, w, rows):
    """Numbers with what they count before them, one below the other."""
    for index, (text, record) in enumerate(rows):
        top = y + index * 28
        yield Label(x, top + 2, w - 115, 20, text)
        yield Number(x + w - 110, top, 110, 24, PR + record)


def main_page():
    w = 1500
    parts = bar(w, f"beamshare: delivery to users   {PR}")
    stopped = When(PR + "Alive", 0)
    parts += [
        Panel(0, 8, w, 30, RED, when=stopped),
        Label(0, 10, w, 26, f"beamshare is STOPPED: what is shown is old   {PR}", WHITE, "centre", stopped),
    ]
    # What it does, and for whom.
    parts += [
        Panel(5, 46, w - 10, 160, INK, outline=True),
        Light(15, 56, 330, 84, PR + "Status", STATUS_COLOURS),
        State(30, 77, 300, 42, PR + "Status"),
        Label(367, 52, 190, 18, "Accepted"),
        Text(365, 70, 190, 42, PR + "YearMonth", ground=GROUND),
        Text(570, 70, 360, 42, PR + "LastName", ground=GROUND),
        Label(367, 120, 90, 18, "Proposal"),
        Text(460, 118, 105, 22, PR + "Proposal", ground=GROUND),
        Text(570, 118, 370, 22, PR + "Email", ground=GROUND),
        Label(950, 52, 200, 18, "In the user-info PVs"),
        Text(950, 76, 200, 26, U + "UserLastName"),
        Text(950, 114, 200, 26, U + "ProposalNumber"),
        Label(1170, 60, 110, 24, "beamshare"),
        State(1290, 54, 195, 34, PR + "Alive"),
        Label(1170, 94, 110, 20, "Heartbeat"),
        Number(1290, 92, 95, 24, PR + "HeartbeatAge"),
        Label(1395, 94, 90, 20, "s ago"),
        Label(1170, 120, 110, 20, "Delivery"),
        Text(1290, 118, 195, 24, PR + "Run", align="centre"),
        message(15, 152, w - 30, 22, "StatusMsg", lines=2),
    ]
    # What an operator can do. What mails people, ends something or overrides a hold asks once more in a window of its own.
    top = 213
    parts += box(5, top, w - 10, 82, "Commands")
    parts += [
        Panel(225, top + 28, 210, 48, YELLOW, When(PR + "Status", 3)),
        Button(15, top + 34, 190, 36, "Run", PR + "Run"),
        Open(235, top + 34, 190, 36, "Approve ...", "beamshare_approve"),
        Open(455, top + 34, 190, 36, "Abort ...", "beamshare_confirm", confirm("Abort"), RED, WHITE),
        Open(665, top + 34, 190, 36, "Mail again ...", "beamshare_confirm", confirm("Resend")),
        Panel(930, top + 28, 240, 48, YELLOW, When(PR + "Auto", 0)),
        Label(945, top + 42, 50, 22, "Auto"),
        Choice(1000, top + 34, 160, 36, PR + "Auto"),
        Panel(1200, top + 28, 260, 48, ORANGE, When(PR + "Pause", 1)),
        Label(1215, top + 42, 60, 22, "Pause"),
        Choice(1280, top + 34, 170, 36, PR + "Pause"),
    ]
    # What is done, step by step.
    top = 302
    parts += box(5, top, w - 10, 362, "Steps")
    for index, (name, step) in enumerate(STEPS):
        y = top + 33 + index * 65
        parts += [
            Light(15, y, 44, 60, PR + step + "Sts", STEP_COLOURS),
            Label(68, y + 18, 138, 24, name),
            State(208, y + 13, 112, 34, PR + step + "Sts"),
            message(325, y, w - 340, 20, step + "Msg"),
        ]
    # Where.
    top = 671
    parts += box(5, top, w - 10, 112, "Data")
    parts += [
        Label(15, top + 34, 110, 22, "Directory"),
        Text(130, top + 32, w - 145, 24, PR + "Path"),
        Label(15, top + 62, 110, 22, "Link"),
        Text(130, top + 60, w - 145, 22, PR + "DataLink", lines=2, columns=128),
    ]
    # How many.
    top = 790
    parts += box(5, top, 490, 128, "Users and messages")
    parts += counts(15, top + 34, 225, [("Users", "UsersTotal"), ("shared with", "UsersShared")])
    parts += counts(260, top + 34, 225, [("Mails", "EmailsSent"), ("rejected", "EmailsFailed")])
    parts += box(505, top, 490, 128, "Transfer")
    parts += counts(515, top + 34, 225, [("Files", "SyncFiles"), ("of", "SyncFilesTotal"), ("faults", "SyncFaults")])
    parts += [
        Label(760, top + 36, 75, 20, "Bytes"),
        Number(845, top + 34, 140, 24, PR + "SyncBytes", engineering=True),
        Label(760, top + 64, 75, 20, "MB/s"),
        Number(845, top + 62, 140, 24, PR + "SyncRate"),
    ]
    parts += box(1005, top, 490, 128, "Deliveries")
    parts += counts(1015, top + 34, 225, [("Deliveries", "RunCount"), ("failed", "ErrorCount")])
    parts += [
        Label(1015, top + 92, 110, 20, "Last ended"),
        Text(1130, top + 90, 245, 24, PR + "LastRun"),
        Label(1260, top + 36, 110, 20, "Duration, s"),
        Number(1375, top + 34, 110, 24, PR + "LastDuration"),
    ]
    for index, (label, page) in enumerate(
        [("Users ...", "users"), ("Transfer ...", "transfers"), ("History ...", "history"), ("Help ...", "help")]
    ):
        parts.append(Open(5 + index * 375, 926, 365, 34, label, f"beamshare_{page}"))
    return Page("beamshare", "beamshare", w, 968, tuple(parts))


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
        Label(15, 52, w - 30, 24, "$(WHAT)"),
        Label(15, 92, 110, 22, "Group"),
        Text(125, 90, 130, 26, PR + "YearMonth"),
        Text(265, 90, 280, 26, PR + "LastName"),
        Text(555, 90, 430, 26, PR + "Email"),
        Label(15, 128, 110, 22, "Status"),
        State(125, 124, 220, 32, PR + "Status"),
        Label(365, 130, 130, 22, "Users"),
        Number(440, 126, 90, 26, PR + "UsersTotal"),
        Label(550, 130, 140, 22, "messages sent"),
        Number(700, 126, 145, 26, PR + "EmailsSent"),
        Button(15, 172, 340, 44, "Yes: $(LABEL)", PR + "$(C)", RED, WHITE),
        Label(375, 184, w - 390, 22, "No: close this window."),
    ]
    return Page("beamshare_confirm", "beamshare: sure?", w, 230, tuple(parts))


def approve_page():
    w = 1200
    parts = bar(w, f"Approve?   {PR}")
    held = When(PR + "Status", 3)
    parts += [
        Light(15, 50, 330, 64, PR + "Status", STATUS_COLOURS),
        State(30, 58, 300, 48, PR + "Status"),
        Label(365, 58, w - 380, 24, "Held, with all reasons. Read everything before you approve.", when=held),
        Label(365, 84, w - 380, 24, "An approval applies to these values only; any change makes it void.", when=held),
        Text(15, 124, w - 30, 20, PR + "PendingMsg", lines=12, columns=86),
    ]
    parts += box(5, 374, w - 10, 180, "The group")
    parts += [Label(180, 406, 400, 22, "in the user-info PVs: would be served"), Label(690, 406, 400, 22, "accepted last")]
    for index, (name, info, own) in enumerate(ACCEPTED):
        y = 432 + index * 29
        parts += [
            Label(15, y + 2, 150, 22, name),
            Text(180, y, 500, 26, U + info),
            Text(690, y, 495, 26, PR + own, ground=FIELD),
        ]
    parts += [
        Button(15, 564, 340, 44, "Approve", PR + "Approve", GREEN),
        Label(375, 576, 500, 22, "If anything is wrong, close this window and tag again."),
    ]
    return Page("beamshare_approve", "beamshare: approve?", w, 620, tuple(parts))


ACCEPTED = (
    ("Year-month", "ExperimentYearMonth", "YearMonth"),
    ("Last name", "UserLastName", "LastName"),
    ("E-mail", "UserEmail", "Email"),
    ("Proposal", "ProposalNumber", "Proposal"),
)


def users_page():
    w = 1200
    parts = bar(w, f"beamshare: users   {PR}   {U}")
    parts += box(5, 46, w - 10, 186, "The experiment")
    parts += [Label(180, 76, 400, 22, "in the user-info PVs"), Label(690, 76, 400, 22, "accepted by beamshare")]
    for index, (name, info, own) in enumerate(ACCEPTED):
        y = 102 + index * 31
        parts += [
            Label(15, y + 2, 150, 22, name),
            Text(180, y, 500, 26, U + info),
            Text(690, y, 495, 26, PR + own),
        ]
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
        y = 272 + index * 30
        parts += [Label(15, y + 2, 150, 22, name), Text(180, y, w - 195, 26, U + info)]
    parts += box(5, 464, w - 10, 260, "For the users")
    parts += [
        Label(15, 498, 150, 22, "Directory"),
        Text(180, 496, w - 195, 26, PR + "Path"),
        Label(15, 528, 150, 22, "Link"),
        Text(180, 526, w - 195, 20, PR + "DataLink", lines=6, columns=86),
    ]
    parts += counts(15, 656, 380, [("Users of the experiment", "UsersTotal"), ("with access", "UsersShared")])
    parts += counts(430, 656, 380, [("Messages sent", "EmailsSent"), ("rejected", "EmailsFailed")])
    return Page("beamshare_users", "beamshare: users", w, 732, tuple(parts))


def transfers_page():
    w = 1200
    parts = bar(w, f"beamshare: transfer of the data   {PR}")
    parts += [
        Panel(5, 46, w - 10, 132, INK, outline=True),
        Light(15, 56, 64, 40, PR + "SyncSts", STEP_COLOURS),
        State(95, 58, 200, 36, PR + "SyncSts"),
        Label(315, 66, 150, 22, "Globus task"),
        Text(470, 62, w - 485, 28, PR + "SyncTask"),
        message(15, 106, w - 30, 22, "SyncMsg"),
    ]
    parts += box(5, 186, w - 10, 124, "Progress")
    parts += counts(15, 220, 380, [("Files moved", "SyncFiles"), ("of", "SyncFilesTotal"), ("Faults", "SyncFaults")])
    parts += [
        Label(430, 222, 130, 22, "Bytes moved"),
        Number(580, 220, 260, 26, PR + "SyncBytes"),
        Label(850, 222, 60, 22, "B"),
        Label(430, 252, 130, 22, "Speed"),
        Number(580, 250, 260, 26, PR + "SyncRate"),
        Label(850, 252, 60, 22, "MB/s"),
    ]
    return Page("beamshare_transfers", "beamshare: transfer", w, 318, tuple(parts))


def history_page():
    w = 800
    parts = bar(w, f"beamshare: history and service   {PR}")
    parts += box(5, 46, w - 10, 160, "Deliveries")
    parts += counts(15, 80, 380, [("Deliveries so far", "RunCount"), ("failed", "ErrorCount")])
    parts += [
        Label(15, 142, 225, 22, "End of the last one"),
        Text(250, 140, 300, 26, PR + "LastRun"),
        Label(15, 172, 225, 22, "Duration"),
        Number(250, 170, 145, 26, PR + "LastDuration"),
        Label(405, 172, 60, 22, "s"),
    ]
    parts += box(5, 214, w - 10, 192, "Service")
    parts += [
        State(15, 248, 200, 36, PR + "Alive"),
        Label(235, 256, 130, 22, "Heartbeat"),
        Number(370, 252, 145, 28, PR + "Heartbeat"),
        Label(535, 256, 50, 22, "seen"),
        Number(590, 252, 100, 28, PR + "HeartbeatAge"),
        Label(700, 256, 80, 22, "s ago"),
        Label(15, 304, 130, 22, "Version"),
        Text(150, 302, w - 165, 26, PR + "Version"),
        Label(15, 336, 130, 22, "Host"),
        Text(150, 334, w - 165, 26, PR + "Host"),
        Label(15, 368, 130, 22, "Active service"),
        Text(150, 366, w - 165, 26, PR + "LeaseHolder"),
    ]
    return Page("beamshare_history", "beamshare: history", w, 414, tuple(parts))


HELP = (
    (INK, "Run", "Checks every step, repairs what is missing, mails people never mailed. Accepts an edit by hand."),
    (INK, "Approve", "Serves the held group. First shows what would be done, for whom, and the reasons for the hold."),
    (INK, "Abort", "Stops the running delivery. Completed work stays; Run does the rest."),
    (INK, "Mail again", "Sends the message again to everyone of this experiment."),
    (INK, "Auto", "On: new groups are served automatically. Off: they wait for Run."),
    (INK, "Pause", "Starts nothing new until set to Go. The current attempt is completed."),
)
STATES_HELP = (
    (GREY, "Idle", "Nothing to do: no user group is tagged, or the step has not started (Pending)."),
    (BLUE, "Running", "In progress. Settling: the user info has just changed; beamshare waits until it is quiet."),
    (GREEN, "Done", "Delivered: directories, Globus, sharing, e-mail, as shown by the steps."),
    (YELLOW, "Waiting", "Something is incomplete or unreachable, or needs approval. The message says what to do."),
    (ORANGE, "Paused", "Paused by an operator."),
    (RED, "Failed", "Stopped by an error. Correct what the message names, then press Run."),
    (BAR, "Skipped", "The settings do not ask for this step."),
)


def help_page():
    w = 1200
    parts = bar(w, f"beamshare: help   {PR}")
    parts += box(5, 46, w - 10, 40 + 28 * len(HELP), "Commands")
    for index, (colour, name, text) in enumerate(HELP):
        y = 80 + index * 28
        parts += [Label(15, y, 130, 20, name, NAME), Label(150, y, w - 165, 20, text, colour)]
    top = 94 + 28 * len(HELP)
    parts += box(5, top, w - 10, 40 + 28 * len(STATES_HELP), "Lights")
    for index, (colour, name, text) in enumerate(STATES_HELP):
        y = top + 34 + index * 28
        parts += [
            Panel(15, y, 40, 22, colour),
            Panel(15, y, 40, 22, INK, outline=True),
            Label(65, y, 85, 20, name, NAME),
            Label(150, y, w - 165, 20, text),
        ]
    top += 48 + 28 * len(STATES_HELP)
    parts += box(5, top, w - 10, 120, "Troubleshooting")
    for index, text in enumerate(
        (
            "beamshare is STOPPED (red bar): no heartbeat for 10 s. On its host, run: systemctl status beamshare",
            "White fields: the IOC of these records is unreachable.",
            "A step is red: its message names the cause and the remedy. In a terminal, run: beamshare status, beamshare check",
        )
    ):
        parts.append(Label(15, top + 34 + index * 28, w - 30, 20, text))
    return Page("beamshare_help", "beamshare: help", w, top + 128, tuple(parts))


PAGES = (main_page(), approve_page(), confirm_page(), users_page(), transfers_page(), history_page(), help_page())
