-- When the experiment was first accepted (accepted_at is the last time), which the limit of new groups counts by. Null where
-- it was accepted before this was recorded.
ALTER TABLE experiment ADD COLUMN first_accepted_at TEXT;
CREATE INDEX experiment_first_accepted ON experiment (first_accepted_at);
CREATE INDEX message_changed ON message (changed_at);

-- The experiment as it stood when the delivery began (JSON): a later change of the address doesn't rewrite the history.
-- Null where that was not recorded.
ALTER TABLE delivery ADD COLUMN fields TEXT;

-- Whom each delivery served, and by which address. Rows are never changed once the delivery has ended.
CREATE TABLE served (
    delivery    BIGINT  NOT NULL REFERENCES delivery (number),
    email       TEXT    NOT NULL, -- in small letters
    name        TEXT    NOT NULL, -- may be empty
    role        TEXT    NOT NULL, -- pi, further, scheduled, added, contact
    shared      BOOLEAN NOT NULL, -- has access since, or had it already
    mailed      BOOLEAN NOT NULL, -- the mail server took a message to this address
    taken_back  BOOLEAN NOT NULL, -- lost the access that beamshare had given
    PRIMARY KEY (delivery, email)
);

-- Each replacement of an experiment's principal investigator by another address.
CREATE TABLE pi_change (
    number      BIGINT  NOT NULL PRIMARY KEY,
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    former      TEXT    NOT NULL, -- in small letters
    present     TEXT    NOT NULL, -- in small letters
    accepted_by TEXT    NOT NULL, -- auto (confirmed by the schedule or a signature), approve, run, command
    changed_at  TEXT    NOT NULL,
    told        BOOLEAN NOT NULL  -- whether everyone concerned was mailed, or refused for good
);
CREATE INDEX pi_change_experiment ON pi_change (experiment, number);

-- Two experiments in one directory that nobody approved, since the same principal investigator alone reads both. They are
-- held as soon as somebody else would get access. An approval deletes the row.
CREATE TABLE same_reader (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    other       TEXT    NOT NULL REFERENCES experiment (id),
    PRIMARY KEY (experiment, other)
);
