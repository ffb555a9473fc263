-- From layout 1 to 2. A ctime of 0 is no file's, so each walk finds all files of this machine changed and has them compared
-- with the destination once more; those that were sent keep counting as sent where the checksums agree.
ALTER TABLE file ADD COLUMN ctime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE file ADD COLUMN sent_by INTEGER;
ALTER TABLE task_file ADD COLUMN ctime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE removed ADD COLUMN ctime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pair ADD COLUMN compared_at TEXT;
ALTER TABLE task ADD COLUMN recall_submission_id TEXT;
UPDATE file SET sent_by = task WHERE state = 2 AND task IN (SELECT number FROM task WHERE verified);
CREATE TABLE task_directory (
    task INTEGER NOT NULL REFERENCES task (number),
    path BLOB NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    PRIMARY KEY (task, path)
) STRICT, WITHOUT ROWID;
