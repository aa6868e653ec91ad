SELECT kind, label, destination, started_at, finished_at, bytes, database_bytes, verified_at FROM backups ORDER BY finished_at DESC
