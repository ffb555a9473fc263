-- What decides whether the user-info PVs show one whole tagging run. It replaces the tables user_info and half_set.
CREATE TABLE decision_state (
    only_row    BIGINT  NOT NULL PRIMARY KEY CHECK (only_row = 1),
    baseline    TEXT,             -- JSON: the set that was accepted last, or found at the first start
    whole       TEXT,             -- JSON: the texts of the last whole run
    orders      TEXT,             -- JSON: the orders in which the tools put
    watched     TEXT,             -- JSON: the PVs as they were last observed, and the puts that led there
    changed_at  TEXT    NOT NULL
);
INSERT INTO decision_state (only_row, baseline, changed_at) SELECT only_row, fields, set_at FROM user_info;
DROP TABLE user_info;
DROP TABLE half_set;
