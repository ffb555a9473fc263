-- Who an experiment's people are beside its principal investigator and the configuration's share_with.
CREATE TABLE person (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    email       TEXT    NOT NULL, -- in small letters
    name        TEXT    NOT NULL, -- may be empty
    source      TEXT    NOT NULL, -- schedule, added
    state       TEXT    NOT NULL, -- present, unlisted (by the schedule), removed (by hand, and stays so)
    delivery    BIGINT,           -- the one that has taken up this state; none yet where it is null
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (experiment, email)
);

-- Who is on the proposal and can't be reached, as the schedule was last heard.
CREATE TABLE unreachable (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    name        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    PRIMARY KEY (experiment, name)
);
