-- When each migration was applied; the first of them says how old the database is, wherever it was restored since. Those of
-- before this one count as applied with it: nobody wrote down when they were. The table is dbmate's: where this file is run by hand
-- there may be none.

-- migrate:up
ALTER TABLE IF EXISTS schema_migrations ADD COLUMN applied_at timestamptz NOT NULL DEFAULT now();

-- migrate:down
ALTER TABLE IF EXISTS schema_migrations DROP COLUMN applied_at;
