-- What the schedule said of an experiment's beam time when it was last heard: messages tell it, also weeks later.
CREATE TABLE booking (
    experiment  TEXT    NOT NULL PRIMARY KEY REFERENCES experiment (id),
    fields      TEXT    NOT NULL, -- JSON
    heard_at    TEXT    NOT NULL
);

-- From when an experiment's retention is counted: the end of its beam time, or its first access. It never changes, so that
-- what the users were told stays true.
CREATE TABLE retention (
    experiment   TEXT   NOT NULL PRIMARY KEY REFERENCES experiment (id),
    counted_from TEXT   NOT NULL
);

-- When the rule ends; never, where it is null.
ALTER TABLE access_rule ADD COLUMN expires_at TEXT;

-- One row a person and end of access, written before the reminder is sent, like those of messages.
CREATE TABLE reminder (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    recipient   TEXT    NOT NULL, -- in small letters
    expires_at  TEXT    NOT NULL, -- the end that it reminds of
    message_id  TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- writing, sent, refused
    words       TEXT    NOT NULL, -- the mail server's
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (experiment, recipient, expires_at)
);
