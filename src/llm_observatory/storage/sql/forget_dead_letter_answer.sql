DELETE FROM ingest_ledger
WHERE tenant = %s AND signal = %s AND digest = %s AND received_at = %s
