-- The journal of one beamline. Plain SQL that SQLite and PostgreSQL both take: ids are UUIDs as text, times RFC 3339 in
-- UTC with six decimals (so that they sort as text), and no secret is ever in it.

-- The set of user info last accepted, or seen first: what the next set is compared with.
CREATE TABLE user_info (
    only_row    BIGINT  NOT NULL PRIMARY KEY CHECK (only_row = 1),
    fields      TEXT    NOT NULL, -- JSON, as it stood in the PVs
    set_at      TEXT    NOT NULL
);

-- The last set of user info that was found half written: its texts stay half, whatever becomes of its records' times.
CREATE TABLE half_set (
    only_row    BIGINT  NOT NULL PRIMARY KEY CHECK (only_row = 1),
    fields      TEXT    NOT NULL, -- JSON, as it stood in the PVs
    set_at      TEXT    NOT NULL
);

CREATE TABLE experiment (
    id          TEXT    NOT NULL PRIMARY KEY,
    fields      TEXT    NOT NULL, -- JSON of the parsed experiment
    owner       TEXT    NOT NULL, -- 'proposal 1234' or 'e-mail li@example.org', in small letters
    path        TEXT    NOT NULL, -- of the first tree
    path_key    TEXT    NOT NULL, -- the path in small letters
    accepted_at TEXT    NOT NULL,
    accepted_by TEXT    NOT NULL  -- auto, approve, run, command
);
CREATE UNIQUE INDEX experiment_identity ON experiment (owner, path_key);

-- Which directory belongs to whom. A path can have two owners only where an operator approved it.
CREATE TABLE claim (
    place       TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    path_key    TEXT    NOT NULL,
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    state       TEXT    NOT NULL, -- claimed, approved, making, made
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (place, path_key, experiment)
);
CREATE INDEX claim_path ON claim (path_key);

CREATE TABLE access_rule (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    identity    TEXT    NOT NULL, -- Globus identity id
    collection  TEXT    NOT NULL,
    path        TEXT    NOT NULL, -- on the collection
    email       TEXT    NOT NULL, -- in small letters
    holder      TEXT    NOT NULL, -- pi, further
    permissions TEXT    NOT NULL, -- r, rw
    rule        TEXT,             -- id of the rule, once it is known
    ours        BOOLEAN NOT NULL, -- whether beamshare made the rule
    state       TEXT    NOT NULL, -- wanted, granted, revoking, revoked
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (experiment, identity, collection, path)
);

-- One row a recipient and message. The PI's message and the contacts' copies of it have one Message-ID, as copies have.
CREATE TABLE message (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    addressee   TEXT    NOT NULL, -- whose message it is (the PI), in small letters
    recipient   TEXT    NOT NULL, -- who gets this copy, in small letters
    generation  BIGINT  NOT NULL, -- 0 for the first, n for the n-th resending
    message_id  TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- writing, sent, refused
    words       TEXT    NOT NULL, -- the mail server's
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (experiment, addressee, recipient, generation)
);

CREATE TABLE delivery (
    number      BIGINT  NOT NULL PRIMARY KEY,
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    cause       TEXT    NOT NULL, -- user_info, approve, run, resend, command
    only_steps  TEXT    NOT NULL, -- steps asked for, with commas between; empty: all
    generation  BIGINT  NOT NULL, -- of the messages: 0, or n of a resending
    state       TEXT    NOT NULL, -- running, done, failed, held, aborted
    error       TEXT    NOT NULL,
    started_at  TEXT    NOT NULL,
    ended_at    TEXT
);
CREATE INDEX delivery_experiment ON delivery (experiment, number);
CREATE INDEX delivery_state ON delivery (state);

-- How each step of a delivery stands: one row a unit (host, person), and one with the unit '' for the step as a whole.
CREATE TABLE step (
    delivery    BIGINT  NOT NULL REFERENCES delivery (number),
    step        TEXT    NOT NULL, -- dirs, globus, share, email, sync
    unit        TEXT    NOT NULL,
    status      TEXT    NOT NULL, -- pending, running, done, skipped, failed
    attempts    BIGINT  NOT NULL,
    message     TEXT    NOT NULL,
    started_at  TEXT    NOT NULL,
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (delivery, step, unit)
);
