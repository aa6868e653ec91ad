"""Group commit: from the bytes of a request to its ack, which resolves after COMMIT and never before."""
