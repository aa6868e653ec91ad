-- When each migration was applied; the first of them says how old the database is, wherever it was restored since. Those of
-- before this one count as applied with it: nobody wrote down when they were.

-- migrate:up
ALTER TABLE schema_migrations ADD COLUMN applied_at timestamptz NOT NULL DEFAULT now();

COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was applied; of migrations before 014 in an older database, when 014 was.';

-- migrate:down
ALTER TABLE schema_migrations DROP COLUMN applied_at;
