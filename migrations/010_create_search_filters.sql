-- Which hours can hold an attribute value or a word: a Bloom filter an hour, so that a search over weeks reads few of them.

-- migrate:up
CREATE TABLE search_filters (
    tenant text        NOT NULL,
    signal text        NOT NULL,
    hour   timestamptz NOT NULL,
    bits   bytea       NOT NULL,
    PRIMARY KEY (tenant, signal, hour)
);
-- Out of line and not compressed: a look-up reads a few bytes of it.
ALTER TABLE search_filters ALTER COLUMN bits SET STORAGE EXTERNAL;

COMMENT ON TABLE search_filters IS 'One row per hour that is over: a filter of what its records hold. May be emptied at any time.';
COMMENT ON COLUMN search_filters.bits IS 'Bloom filter (storage/search_filters/bloom.py); empty: to be built.';

-- migrate:down
DROP TABLE search_filters;
