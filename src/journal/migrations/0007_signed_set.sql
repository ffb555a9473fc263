-- The newest set of user info whose signature was valid: an older one is a replay.
CREATE TABLE signed_set (
    only_row    BIGINT  NOT NULL PRIMARY KEY CHECK (only_row = 1),
    update_time TEXT    NOT NULL,
    signature   TEXT    NOT NULL,
    seen_at     TEXT    NOT NULL
);
