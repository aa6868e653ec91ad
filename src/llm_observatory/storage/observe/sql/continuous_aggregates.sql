-- Until when each rollup is materialised. The watermark of one that is empty lies before any time that Python knows.
SELECT
    user_view_name::text AS name,
    greatest(
        _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(mat_hypertable_id)), to_timestamp(0)
    ) AS watermark
FROM _timescaledb_catalog.continuous_agg
WHERE user_view_schema = current_schema() AND user_view_name = ANY(%(rollups)s)
