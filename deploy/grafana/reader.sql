-- A role for Grafana that reads everything and writes nothing: psql -v password=… -f reader.sql "$(llm-observatory dsn)"
-- Dashboards ask heavy questions: it has few connections, and a limit on how long one may take.
CREATE ROLE grafana LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
ALTER ROLE grafana SET jit = off;
GRANT pg_read_all_data, pg_monitor TO grafana;
