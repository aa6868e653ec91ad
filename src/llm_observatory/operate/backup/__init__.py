"""Backups: physical ones of the server by pgBackRest, dumps of the database by pg_dump, their copies in S3, and the way back.

What they make is what their tools make: nothing here but files that pgBackRest, psql, gzip and sha256sum can read without us.
"""
