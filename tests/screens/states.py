"""The states in which the screens are looked at: what beamshare writes into its records then, word for word as it does."""

import textwrap

COLUMNS = 100  # of the records that hold rows


def laid_out(*paragraphs):
    """Paragraphs, each with what begins its first row, in rows as the service writes them."""
    lines = []
    for start, text in paragraphs:
        lines += textwrap.wrap(text, COLUMNS - 1, initial_indent=start, subsequent_indent=" " * len(start)) or [""]
    return "".join(line.ljust(COLUMNS, "\0") for line in lines).rstrip("\0"), len(lines)


LINK = (
    "https://app.globus.org/file-manager?origin_id=8d4b2f1a-5b3c-4a57-9d0e-2f6c1b7a9e10"
    "&origin_path=%2F2bm%2F2026-03%2FMuller%2F"
)
NOBODY = {name: "" for name in ("YearMonth", "LastName", "LastNameUtf8", "Email", "Proposal", "Path", "DataLink")}
GROUP = {
    "YearMonth": "2026-03",
    "LastName": "Muller",
    "LastNameUtf8": "Müller",
    "Email": "a.mueller@physics.uni-example.edu",
    "Proposal": "1001583",
    "Path": "/2bm/2026-03/Muller",
    "DataLink": LINK,
}
PENDING, RUNNING, DONE, SKIPPED, FAILED = range(5)


def steps(**given):
    """Each step's state and message; (PENDING, "") where none is given."""
    values = {}
    for step in ("Dirs", "Globus", "Share", "Email", "Sync"):
        state, message = given.get(step, (PENDING, ""))
        values |= {f"{step}Sts": state, f"{step}Msg": message, f"{step}Rows": laid_out(("", message))[0]}
    return values


def counts(users=0, shared=0, sent=0, files=0, total=0, size=0.0, rate=0.0, errors=2):
    return {
        "UsersTotal": users,
        "UsersShared": shared,
        "EmailsSent": sent,
        "EmailsFailed": 0,
        "SyncFiles": files,
        "SyncFilesTotal": total,
        "SyncBytes": size,
        "SyncRate": rate,
        "SyncFaults": 0,
        "RunCount": 42,
        "ErrorCount": errors,
        "LastRun": "2026-03-14 09:13:02",
        "LastDuration": 7.4,
        "Version": "0.1.0",
        "Host": "tomo5",
    }


DIRS = (DONE, "made 2026-03/Muller on this machine and on detector")
GLOBUS = (DONE, "/2bm/2026-03/Muller on APS Data")
SHARED = (DONE, "12 people have access")
REFUSED = (
    "smtp.example.edu:587 refused the login of beamshare@example.edu: 535 5.7.8 authentication credentials invalid; put "
    "the right password into /etc/beamshare/smtp-password, mode 0600, and press Run: 12 messages wait, none was sent"
)

REASONS = (
    (
        "/2bm/2026-03/Li belongs to 2026-03/Li (n.li@eth.example, proposal 1001498): after Approve both groups can read it",
        "Put {{ proposal_number }} into [directories] paths, or Approve",
    ),
    (
        "Not one whole tagging: the PI e-mail was put twice, as \"n.li@eth.example\" at 09:12:40 and as "
        "\"w.li@example.edu\" at 09:12:44",
        "Tag the group again after 09:14:05, or Approve if every value is right",
    ),
)
HELD = {
    "HoldAsk": "Serve 2026-03 Li?",
    "HoldMonth": "2026-03",
    "HoldName": "Wei Li, University of Example, Department of Physics",
    "HoldEmail": "w.li@example.edu",
    "HoldProposal": "1001602 In situ tomography of drying cement paste",
    "HoldPath": "2026-03/Li",
    "HoldOldIs": "has the directory now",
    "HoldOldMonth": "2026-03",
    "HoldOldName": "Na Li, ETH Zurich",
    "HoldOldEmail": "n.li@eth.example",
    "HoldOldProposal": "1001498 Pores in volcanic glass",
    "HoldOldPath": "2026-03/Li",
    "HoldGains": "Wei Li (w.li@example.edu), 2026-03/Li (n.li@eth.example, proposal 1001498) (reads this group's data too)",
    "HoldLoses": "",
    "HoldMails": "Link to the data: w.li@example.edu; Copy of it: staff@example.edu",
    "HoldCount": len(REASONS),
}
for number, (reason, remedy) in enumerate(REASONS, 1):
    HELD |= {f"HoldReason{number}": reason, f"HoldRemedy{number}": remedy}
HELD["HoldRows"], HELD["HoldRowCount"] = laid_out(
    ("1. ", REASONS[0][0]), ("   -> ", REASONS[0][1]), ("", ""), ("2. ", REASONS[1][0]), ("   -> ", REASONS[1][1])
)
HELD["HoldDetails"], _ = laid_out(
    ("For          ", "Wei Li, w.li@example.edu, University of Example, Department of Physics, proposal 1001602"),
    ("Directory    ", "2026-03/Li"),
    ("Gains access ", HELD["HoldGains"]),
    ("Mail         ", HELD["HoldMails"]),
)
INTRODUCTION = (
    "Wei Li, w.li@example.edu, University of Example, Department of Physics, proposal 1001602 'In situ tomography of drying "
    "cement paste'. Directory 2026-03/Li. 2 reasons to wait"
)
NOT_HELD = {name: "" if isinstance(value, str) else 0 for name, value in HELD.items()}

HISTORY = {}
for number, (name, at, result) in enumerate(
    (
        ("2026-03 Muller, proposal 1001583", "2026-03-14 09:13", 2),
        ("2026-03 Okafor, proposal 1001571", "2026-03-11 18:40", 3),
        ("2026-02 Garcia, proposal 1001544", "2026-02-27 08:05", 2),
        ("2026-02 Tanaka (k.tanaka@spring.example)", "2026-02-20 07:58", 5),
    ),
    1,
):
    HISTORY |= {f"HistoryGroup{number}": name, f"HistoryAt{number}": at, f"HistoryResult{number}": result}


def state(status, message, group="", served=False, held=NOT_HELD, running=False, **more):
    """All records of a state. Texts first, Status last, as the service writes them."""
    rows, _ = laid_out(("", INTRODUCTION if held is HELD else message))
    utf8 = group.replace("Muller", "Müller")
    return {
        **more,
        **held,
        **HISTORY,
        "Group": group,
        "GroupUtf8": utf8,
        "GroupServed": int(served),
        "StatusMsg": message,
        "StatusRows": rows,
        "Run": int(running),
        "Status": status,
    }


MULLER = "2026-03 Muller"
ALL_DONE = {
    **GROUP,
    **steps(Dirs=DIRS, Globus=GLOBUS, Share=SHARED, Email=(DONE, "12 messages sent"), Sync=(DONE, "1200 files")),
    **counts(users=12, shared=12, sent=12, files=1200, total=1200, size=145912345678.0),
}
STATES = {
    "Idle": state(0, "No user group is tagged", **NOBODY, **steps(), **counts()),
    "Running": state(
        4,
        "2026-03/Muller (a.mueller@physics.uni-example.edu, proposal 1001583): share: giving access to 12 people",
        MULLER,
        served=True,
        running=True,
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=(RUNNING, "giving access: 7 of 12 people"), Sync=(RUNNING, "42 of 1200 files")),
        **counts(users=12, shared=7, files=42, total=1200, size=5.1e9, rate=118.2),
        SyncTask="b7c9e1d2-3f5a-11ef-9a77-0242ac120002",
    ),
    "Done": state(
        5,
        "2026-03/Muller (a.mueller@physics.uni-example.edu, proposal 1001583): /2bm/2026-03/Muller is there, shared with 12, "
        "12 mailed",
        MULLER,
        served=True,
        **ALL_DONE,
    ),
    "Approval": state(
        3,
        f"Approve? 2026-03/Li (w.li@example.edu, proposal 1001602): {REASONS[0][0]}. {REASONS[0][1]}. And one more reason",
        "2026-03 Li",
        held=HELD,
        **ALL_DONE,
    ),
    "Failed": state(
        6,
        "2026-03/Muller: email failed: smtp.example.edu:587 refused the login of beamshare@example.edu: 535 5.7.8 "
        "authentication credentials invalid. When it is mended, press Run",
        MULLER,
        served=True,
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=SHARED, Email=(FAILED, REFUSED), Sync=(SKIPPED, "")),
        **counts(users=12, shared=12, errors=3),
    ),
    # The PVs name nobody: nothing green stands for the group served last.
    "Waiting": state(1, "Waiting for the tagging tool: no PI e-mail yet", **ALL_DONE),
}
USER_INFO = {
    "UserName": "Wei",
    "UserLastName": "Li",
    "UserInstitution": "University of Example, Department of Physics",
    "UserBadge": "290017",
    "UserEmail": "w.li@example.edu",
    "ProposalNumber": "1001602",
    "ProposalTitle": "In situ tomography of drying cement paste",
    "ESAFNumber": "287301",
    "UserInfoUpdate": "2026-03-14 09:12:44",
    "ExperimentYearMonth": "2026-03",
}
