-- What rollups are computed with on every engine, and the hours that wait to be computed. The rollups themselves are made by
-- storage/rollups from their declaration in tables/rollups.py: what they are depends on the engine and its licence.
--
-- A logarithmic histogram is an array whose subscripts are bucket numbers: '[89:91]={2,NULL,17}'. Bucket i holds what is above
-- 2^((i-1)/16) and at most 2^(i/16): OpenTelemetry's exponential histogram of scale 4, whose bucket index is i - 1. Quantiles
-- are off by (g - 1) / (g + 1) = 2.17 % at most, g being 2^(1/16). What is at most 1e-6 has the bucket of that.
--
-- The bodies name nothing outside pg_catalog: jobs of TimescaleDB run them with a search_path of their own.

-- migrate:up
CREATE FUNCTION log_bucket(value float8) RETURNS int4
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN value > 1e-6 THEN ceil(ln(least(value, 1e18)) * 23.083120654223414)
        WHEN value IS NOT NULL THEN -318
    END::int4
$$;

CREATE FUNCTION log_histogram_add(histogram int8[], bucket int4) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
    histogram[bucket] := coalesce(histogram[bucket], 0) + 1;
    RETURN histogram;
END
$$;

CREATE FUNCTION log_histogram_add_all(histogram int8[], other int8[]) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    bucket int4 := array_lower(other, 1);
    number int8;
BEGIN
    FOREACH number IN ARRAY other LOOP
        IF number IS NOT NULL THEN
            histogram[bucket] := coalesce(histogram[bucket], 0) + number;
        END IF;
        bucket := bucket + 1;
    END LOOP;
    RETURN histogram;
END
$$;

CREATE FUNCTION log_histogram_quantile(histogram int8[], quantile float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    bucket int4 := array_lower(histogram, 1);
    number int8;
    total int8 := 0;
    below int8 := 0;
BEGIN
    FOREACH number IN ARRAY histogram LOOP
        total := total + coalesce(number, 0);
    END LOOP;
    FOREACH number IN ARRAY histogram LOOP
        below := below + coalesce(number, 0);
        IF below > 0 AND below >= quantile * total THEN
            -- In the middle of (g^(bucket - 1), g^bucket]: 2 / (g + 1) of its upper bound.
            RETURN exp(bucket / 23.083120654223414) * 0.9783425376737737;
        END IF;
        bucket := bucket + 1;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE AGGREGATE log_histogram(int4) (
    SFUNC = log_histogram_add, STYPE = int8[], INITCOND = '{}', COMBINEFUNC = log_histogram_add_all, PARALLEL = SAFE
);

CREATE AGGREGATE log_histogram_merge(int8[]) (
    SFUNC = log_histogram_add_all, STYPE = int8[], INITCOND = '{}', COMBINEFUNC = log_histogram_add_all, PARALLEL = SAFE
);

CREATE TABLE rollup_pending (
    tenant        text        NOT NULL,
    signal        text        NOT NULL,
    hour          timestamptz NOT NULL,
    pending_since timestamptz NOT NULL,
    PRIMARY KEY (tenant, signal, hour)
);

COMMENT ON FUNCTION log_bucket(float8) IS 'Bucket of a value in a logarithmic histogram.';
COMMENT ON AGGREGATE log_histogram(int4) IS 'Logarithmic histogram of bucket numbers.';
COMMENT ON AGGREGATE log_histogram_merge(int8[]) IS 'Sum of logarithmic histograms.';
COMMENT ON FUNCTION log_histogram_quantile(int8[], float8) IS
    'Quantile (0 to 1) of a logarithmic histogram, off by 2.17 % at most; NULL of an empty one.';
COMMENT ON TABLE rollup_pending IS 'Hours that rollup tables are to be computed for; unused where rollups are continuous aggregates.';
COMMENT ON COLUMN rollup_pending.pending_since IS 'When the first of the changes came in.';

-- migrate:down
DO $$
DECLARE
    rollup text;
BEGIN
    -- The finer one last: the coarser is made of it.
    FOREACH rollup IN ARRAY '{trace_metrics_daily, trace_metrics_hourly, llm_usage_daily, llm_usage_hourly, metric_stats_hourly}'::text[] LOOP
        IF to_regclass(rollup || '_state') IS NULL AND to_regclass(rollup) IS NOT NULL THEN
            EXECUTE format('DROP MATERIALIZED VIEW %I', rollup);
        ELSE
            EXECUTE format('DROP VIEW IF EXISTS %I', rollup);
            EXECUTE format('DROP TABLE IF EXISTS %I', rollup || '_state');
        END IF;
    END LOOP;
END
$$;
DROP VIEW IF EXISTS rollup_open;
DROP TABLE rollup_pending;
DROP AGGREGATE log_histogram_merge(int8[]);
DROP AGGREGATE log_histogram(int4);
DROP FUNCTION log_histogram_quantile(int8[], float8);
DROP FUNCTION log_histogram_add_all(int8[], int8[]);
DROP FUNCTION log_histogram_add(int8[], int4);
DROP FUNCTION log_bucket(float8);
