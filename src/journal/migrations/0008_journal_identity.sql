-- Which journal this is. Together with the number of the last delivery it is the journal's mark, which the record JournalMark
-- in the IOC keeps too: a mark that is ahead of the journal shows that an older state of the journal was restored.
CREATE TABLE journal_identity (
    only_row     BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    id           TEXT   NOT NULL,
    confirmed_at TEXT             -- when an operator confirmed the state of a restored journal
);
