-- The manifest's layout, version 2 (PRAGMA user_version).
-- Times are UTC in RFC 3339, except where a column says otherwise. Paths and names are bytes, as the file system has them.

-- A source and a destination, for one experiment or for good. Its name is only what the configuration calls it.
CREATE TABLE pair (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    experiment TEXT,
    source_collection TEXT NOT NULL,
    source_path TEXT NOT NULL,
    destination_collection TEXT NOT NULL,
    destination_path TEXT NOT NULL,
    -- The source's directory on this machine
    local BLOB,
    created_at TEXT NOT NULL,
    -- The end of the last whole walk
    walked_at TEXT,
    first_success_at TEXT,
    last_success_at TEXT,
    -- When the destination was last compared with what was sent
    compared_at TEXT,
    -- Set by hand: nothing starts until a run by hand
    stopped_at TEXT,
    -- The next group has come and everything is sent: nothing is looked for any more
    closed_at TEXT,
    UNIQUE (source_collection, source_path, destination_collection, destination_path)
) STRICT;

-- Directories that hold, or held, files.
CREATE TABLE directory (
    id INTEGER PRIMARY KEY,
    pair INTEGER NOT NULL REFERENCES pair (id),
    -- Below the pair's top, without a slash at either end; the top is empty
    path BLOB NOT NULL,
    -- 1: may hold files in state new
    has_new INTEGER NOT NULL DEFAULT 0,
    UNIQUE (pair, path)
) STRICT;
CREATE INDEX directory_with_new ON directory (pair, path) WHERE has_new = 1;

-- One row a file. No foreign keys and no second index: it is written a million times in one go.
CREATE TABLE file (
    directory INTEGER NOT NULL,
    name BLOB NOT NULL,
    -- As last seen: bytes; nanoseconds since 1970 (UTC); ctime and inode are 0 where the source is not on this machine
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    -- FileState::code
    state INTEGER NOT NULL,
    -- Milliseconds since 1970: since when it is taken for unchanged
    since INTEGER NOT NULL,
    -- The last task that had it
    task INTEGER,
    -- The verified task that sent it, where since then at most the ctime has changed
    sent_by INTEGER,
    -- Seconds since 1970 at which it was found gone; the row stays, for a file system that is only unmounted
    gone INTEGER,
    PRIMARY KEY (directory, name)
) STRICT, WITHOUT ROWID;

-- How many files, not gone, are in each state. Kept in the commits that change `file`.
CREATE TABLE tally (
    pair INTEGER NOT NULL,
    state INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (pair, state)
) STRICT, WITHOUT ROWID;

-- Transfer and delete tasks of Globus, written before they are submitted.
CREATE TABLE task (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pair INTEGER NOT NULL REFERENCES pair (id),
    kind TEXT NOT NULL,
    submission_id TEXT NOT NULL UNIQUE,
    -- Null until the service has answered
    task_id TEXT,
    state TEXT NOT NULL,
    -- JSON: the parameters it was asked for with
    request TEXT NOT NULL,
    -- 1: the service compares checksums after copying
    verified INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    begun_at TEXT NOT NULL,
    submitted_at TEXT,
    ended_at TEXT,
    files_sent INTEGER NOT NULL DEFAULT 0,
    bytes_sent INTEGER NOT NULL DEFAULT 0,
    faults INTEGER NOT NULL DEFAULT 0,
    words TEXT,
    -- Under which the deletion of files is submitted that the task copied from elsewhere
    recall_submission_id TEXT
) STRICT;
CREATE UNIQUE INDEX one_task_a_pair ON task (pair) WHERE ended_at IS NULL;

-- The files of tasks that have not ended, as they were when the task began.
CREATE TABLE task_file (
    task INTEGER NOT NULL REFERENCES task (number),
    directory INTEGER NOT NULL,
    name BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    PRIMARY KEY (task, directory, name)
) STRICT, WITHOUT ROWID;

-- The directories on the way to the files of tasks that have not ended, as they were when the task began.
CREATE TABLE task_directory (
    task INTEGER NOT NULL REFERENCES task (number),
    -- Below the fixed part of the source's path; the fixed part itself is empty
    path BLOB NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    -- Nanoseconds since 1970 (UTC)
    ctime INTEGER NOT NULL,
    PRIMARY KEY (task, path)
) STRICT, WITHOUT ROWID;

-- What clean-up removes, written before it does.
CREATE TABLE removed (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    pair INTEGER NOT NULL REFERENCES pair (id),
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    -- The task that sent it
    sent_by INTEGER NOT NULL REFERENCES task (number),
    -- The Globus delete task, where it is one
    task INTEGER REFERENCES task (number),
    begun_at TEXT NOT NULL,
    ended_at TEXT,
    -- removed | kept, null while it is under way
    outcome TEXT,
    -- Why it was kept
    words TEXT
) STRICT;
CREATE INDEX removed_under_way ON removed (pair) WHERE outcome IS NULL;
