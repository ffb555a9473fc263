-- Messages of several kinds: about the data's first directory ('data'), and about each copy of it. SQLite changes no primary
-- key, so the table is made anew.
ALTER TABLE message RENAME TO message_before;
CREATE TABLE message (
    experiment  TEXT    NOT NULL REFERENCES experiment (id),
    kind        TEXT    NOT NULL, -- 'data', or 'copy ' and where the copy is
    addressee   TEXT    NOT NULL, -- whose message it is, in small letters
    recipient   TEXT    NOT NULL, -- who gets this copy, in small letters
    generation  BIGINT  NOT NULL, -- 0 for the first, n for the n-th resending
    message_id  TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- writing, sent, refused
    words       TEXT    NOT NULL, -- the mail server's
    changed_at  TEXT    NOT NULL,
    PRIMARY KEY (experiment, kind, addressee, recipient, generation)
);
INSERT INTO message (experiment, kind, addressee, recipient, generation, message_id, state, words, changed_at)
    SELECT experiment, 'data', addressee, recipient, generation, message_id, state, words, changed_at FROM message_before;
DROP TABLE message_before;
