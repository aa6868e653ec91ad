"""Generated from `proto/` and nothing else: `llm_observatory.api.v1` is the protocol of the query service."""
