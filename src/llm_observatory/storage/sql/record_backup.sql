INSERT INTO backups (kind, label, destination, started_at, finished_at, bytes, database_bytes, verified_at)
VALUES (%(kind)s, %(label)s, %(destination)s, %(started_at)s, %(finished_at)s, %(bytes)s, %(database_bytes)s, %(verified_at)s)
