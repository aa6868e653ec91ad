"""PostgreSQL: connections, COPY, the ledger, error translation, migrations, the engine profile, maintenance."""
