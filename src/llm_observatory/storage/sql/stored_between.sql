SELECT EXISTS (SELECT FROM ingest_ledger WHERE received_at >= %s AND received_at < %s)
