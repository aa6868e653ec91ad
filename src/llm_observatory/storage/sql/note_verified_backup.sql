UPDATE backups SET verified_at = now()
WHERE kind = %(kind)s AND label = %(label)s AND destination = coalesce(%(destination)s, destination)
