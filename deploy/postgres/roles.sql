-- Roles beside the superuser, as a superuser in the database of the service; safe to run again. Passwords are set apart, \password.
--   psql --dbname llm_observatory --file roles.sql
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT current_database() AS database \gset

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['observatory_service', 'observatory_reader', 'observatory_monitor']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- The service: it makes and drops partitions and runs migrations, so what it works on is its own. No superuser, no other database.
-- The limit bears eight processes, what the autoscaler of deploy/kubernetes and a rollout may start.
ALTER ROLE observatory_service NOSUPERUSER NOCREATEROLE NOCREATEDB CONNECTION LIMIT 300;
ALTER DATABASE :"database" OWNER TO observatory_service;
ALTER SCHEMA public OWNER TO observatory_service;

-- Grafana, analysts: they read, for a minute a statement, and what is made later, too.
ALTER ROLE observatory_reader NOSUPERUSER NOCREATEROLE NOCREATEDB CONNECTION LIMIT 20;
ALTER ROLE observatory_reader SET default_transaction_read_only = on;
ALTER ROLE observatory_reader SET statement_timeout = '60s';
ALTER ROLE observatory_reader SET jit = off;
GRANT CONNECT ON DATABASE :"database" TO observatory_reader, observatory_monitor;
GRANT pg_read_all_stats TO observatory_reader; -- slow statements, sizes, sessions: Database Health shows them
GRANT USAGE ON SCHEMA public TO observatory_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO observatory_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE observatory_service IN SCHEMA public GRANT SELECT ON TABLES TO observatory_reader;

-- postgres_exporter, doctor: what the server says of itself.
ALTER ROLE observatory_monitor NOSUPERUSER NOCREATEROLE NOCREATEDB CONNECTION LIMIT 5;
GRANT pg_monitor TO observatory_monitor;

-- Nobody else.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
