"""The states in which the screens are looked at: what beamshare writes into its records then, word for word as it does."""

LINK = (
    "https://app.globus.org/file-manager?origin_id=8d4b2f1a-5b3c-4a57-9d0e-2f6c1b7a9e10"
    "&origin_path=%2F2bm%2F2026-03%2FMueller%2F"
)
NOBODY = {name: "" for name in ("YearMonth", "LastName", "Email", "Proposal", "Path", "DataLink")}
GROUP = {
    "YearMonth": "2026-03",
    "LastName": "Mueller",
    "Email": "a.mueller@physics.uni-example.edu",
    "Proposal": "1001583",
    "Path": "/2bm/2026-03/Mueller",
    "DataLink": LINK,
}
PENDING, RUNNING, DONE, SKIPPED, FAILED = range(5)


def steps(**given):
    """Each step's state and message; (PENDING, "") where none is given."""
    values = {}
    for step in ("Dirs", "Globus", "Share", "Email", "Sync"):
        state, message = given.get(step, (PENDING, ""))
        values |= {f"{step}Sts": state, f"{step}Msg": message}
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


DIRS = (DONE, "made 2026-03/Mueller on this machine and on detector")
GLOBUS = (DONE, "/2bm/2026-03/Mueller on APS Data")
SHARED = (DONE, "12 people have access")
REFUSED = (
    "smtp.example.edu:587 refused the login of beamshare@example.edu: 535 5.7.8 authentication credentials invalid; put "
    "the right password into /etc/beamshare/smtp-password, mode 0600, and press Run: 12 messages wait, none was sent"
)

# Texts first, Status last, as the daemon writes them.
STATES = {
    "Idle": {**NOBODY, **steps(), **counts(), "StatusMsg": "No user group is tagged", "Run": 0, "Status": 0},
    "Running": {
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=(RUNNING, "giving access: 7 of 12 people"), Sync=(RUNNING, "42 of 1200 files")),
        **counts(users=12, shared=7, files=42, total=1200, size=5.1e9, rate=118.2),
        "SyncTask": "b7c9e1d2-3f5a-11ef-9a77-0242ac120002",
        "StatusMsg": "2026-03 Mueller: giving access to 12 people; the mail follows when all have it",
        "Run": 1,
        "Status": 4,
    },
    "Done": {
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=SHARED, Email=(DONE, "12 messages sent"), Sync=(DONE, "1200 files")),
        **counts(users=12, shared=12, sent=12, files=1200, total=1200, size=145912345678.0),
        "StatusMsg": "2026-03 Mueller: delivered to 12 people",
        "Run": 0,
        "Status": 5,
    },
    "Approval": {
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=SHARED, Email=(DONE, "12 messages sent"), Sync=(SKIPPED, "")),
        **counts(users=12, shared=12, sent=12),
        "StatusMsg": "Approve? 2026-03 Li: /2bm/2026-03/Li belongs to proposal 1001498: the two groups would see each other's "
        "data. Put the proposal number into the template of the path, or approve",
        "Run": 0,
        "Status": 3,
    },
    "Failed": {
        **GROUP,
        **steps(Dirs=DIRS, Globus=GLOBUS, Share=SHARED, Email=(FAILED, REFUSED), Sync=(SKIPPED, "")),
        **counts(users=12, shared=12, errors=3),
        "StatusMsg": "2026-03 Mueller: smtp.example.edu:587 refused the login of beamshare@example.edu: 535 5.7.8 "
        "authentication credentials invalid. When it is mended, press Run",
        "Run": 0,
        "Status": 6,
    },
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
