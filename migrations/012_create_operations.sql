-- What operators did: backups that were made, and whether records are refused for maintenance.

-- migrate:up
CREATE TABLE backups (
    tenant         text        NOT NULL DEFAULT '',
    kind           text        NOT NULL CHECK (kind IN ('physical', 'dump')),
    label          text        NOT NULL,
    destination    text        NOT NULL,
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz NOT NULL,
    bytes          int8        NOT NULL,
    database_bytes int8        NOT NULL,
    verified_at    timestamptz,
    PRIMARY KEY (tenant, kind, destination, label)
);
CREATE INDEX idx_backups_finished_at ON backups (finished_at);

COMMENT ON TABLE backups IS 'One row per backup that succeeded. What failed is told by its age: the newest row is old.';
COMMENT ON COLUMN backups.tenant IS 'Empty: a backup is of everybody.';
COMMENT ON COLUMN backups.kind IS 'physical: of the server, by pgBackRest; dump: of the database, by pg_dump.';
COMMENT ON COLUMN backups.label IS 'The label that pgBackRest gave it, or the name of the dump''s file.';
COMMENT ON COLUMN backups.destination IS 'The repository (repo1), the folder or the URL it went to.';
COMMENT ON COLUMN backups.bytes IS 'What it takes at its destination.';
COMMENT ON COLUMN backups.database_bytes IS 'Size of what was saved.';
COMMENT ON COLUMN backups.verified_at IS 'When it was last read back and found whole.';

CREATE TABLE maintenance_mode (
    tenant text        NOT NULL DEFAULT '' PRIMARY KEY,
    reason text        NOT NULL,
    since  timestamptz NOT NULL
);

COMMENT ON TABLE maintenance_mode IS 'While it has a row, every process refuses records with UNAVAILABLE and answers questions.';
COMMENT ON COLUMN maintenance_mode.tenant IS 'Empty: everybody.';
COMMENT ON COLUMN maintenance_mode.reason IS 'What clients and /health are told.';

-- migrate:down
DROP TABLE maintenance_mode;
DROP TABLE backups;
