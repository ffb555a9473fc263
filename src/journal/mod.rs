//! What was done, for whom, with which result: SQLite, survives kill -9.
