"""Generated from `proto/` and nothing else: `llm_observatory.api.v1` will be the protocol of the query service."""
