# Made from proto/ by `make proto`; a change by hand is lost.
"""The protocol of the query service, version 1."""
