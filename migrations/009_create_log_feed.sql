-- What lets a client follow log records as they come in, whichever process stored them and on whatever engine: rows of facts
-- say nothing of when they were committed.

-- migrate:up
CREATE TABLE log_feed (
    tenant      text        NOT NULL,
    digest      bytea       NOT NULL,
    records     int8        NOT NULL,
    received_at timestamptz NOT NULL,
    min_time    timestamptz NOT NULL,
    max_time    timestamptz NOT NULL,
    written_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_log_feed_written_at ON log_feed (written_at);

COMMENT ON TABLE log_feed IS 'One row per request of log records, for ten minutes: what TailLogs follows.';
COMMENT ON COLUMN log_feed.digest IS 'Digest of the request; ids of its records are made from it.';
COMMENT ON COLUMN log_feed.records IS 'How many records the request held, refused ones included.';
COMMENT ON COLUMN log_feed.min_time IS 'The earliest timestamp of its records.';
COMMENT ON COLUMN log_feed.max_time IS 'The latest.';
COMMENT ON COLUMN log_feed.written_at IS 'When the row was written, in the transaction of its records.';

-- migrate:down
DROP TABLE log_feed;
