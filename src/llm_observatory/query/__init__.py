"""Reading: the gRPC query service, its cache and repositories. Empty until the query service is built.

Here will live service → cache → repository → named SQL over storage's read pool. `psycopg.sql` may be imported here,
nothing else of psycopg; a repository takes values, never strings of SQL.
"""
