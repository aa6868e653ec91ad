-- What calls of models cost: a table of prices by day, the names under which models are seen, and the functions that find the
-- rates of a call. Filled by storage/prices from the library genai-prices; operators add rows of their own, which win.

-- migrate:up
CREATE TABLE model_prices (
    tenant                     text    NOT NULL DEFAULT '',
    source                     text    NOT NULL DEFAULT 'operator',
    provider                   text    NOT NULL,
    model                      text    NOT NULL,
    service_tier               text    NOT NULL DEFAULT '',
    input_band                 int8    NOT NULL DEFAULT 0,
    valid_from                 date,
    valid_to                   date,
    input_usd_per_token        numeric NOT NULL CHECK (input_usd_per_token >= 0),
    cache_read_usd_per_token   numeric NOT NULL CHECK (cache_read_usd_per_token >= 0),
    cache_write_usd_per_token  numeric NOT NULL CHECK (cache_write_usd_per_token >= 0),
    output_usd_per_token       numeric NOT NULL CHECK (output_usd_per_token >= 0),
    CHECK (valid_from < valid_to)
);
CREATE INDEX idx_model_prices_model ON model_prices (provider, model);
CREATE INDEX idx_model_prices_operator ON model_prices (provider) WHERE source = 'operator';

COMMENT ON TABLE model_prices IS 'US dollars per token. Rows of source operator win over those of genai-prices, which are replaced as a whole.';
COMMENT ON COLUMN model_prices.tenant IS 'Whose price it is; empty: everybody''s.';
COMMENT ON COLUMN model_prices.provider IS 'A provider of genai-prices; of source operator one as spans have it, empty for any.';
COMMENT ON COLUMN model_prices.model IS 'A model of genai-prices; of source operator also one as spans have it, or its beginning and *.';
COMMENT ON COLUMN model_prices.service_tier IS 'As spans have it; empty: any for which there is no row of its own.';
COMMENT ON COLUMN model_prices.input_band IS 'Holds for calls of more input tokens than this, up to the next higher row.';
COMMENT ON COLUMN model_prices.valid_from IS 'First day, of UTC; NULL: always.';
COMMENT ON COLUMN model_prices.valid_to IS 'The day after the last, of UTC; NULL: until further notice.';

CREATE TABLE model_price_names (
    tenant         text NOT NULL DEFAULT '',
    source         text NOT NULL,
    subject        text NOT NULL,
    provider       text NOT NULL,
    place          int8 NOT NULL,
    operator       text NOT NULL,
    pattern        text NOT NULL,
    price_provider text NOT NULL,
    price_model    text NOT NULL
);
CREATE INDEX idx_model_price_names_place ON model_price_names (subject, provider, place);

COMMENT ON TABLE model_price_names IS 'Which model of model_prices a provider and a model as spans have them stand for; of genai-prices.';
COMMENT ON COLUMN model_price_names.subject IS 'What is matched: provider, provider_of_model (a model without provider), or model of the provider.';
COMMENT ON COLUMN model_price_names.place IS 'The first that matches holds.';
COMMENT ON COLUMN model_price_names.operator IS 'equals, starts_with, ends_with, contains or regex; in lower case.';

CREATE FUNCTION llm_name_matches(operator text, pattern text, name text) RETURNS bool
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE operator
    WHEN 'equals' THEN name = pattern
    WHEN 'starts_with' THEN starts_with(name, pattern)
    WHEN 'ends_with' THEN right(name, length(pattern)) = pattern
    WHEN 'contains' THEN strpos(name, pattern) > 0
    WHEN 'regex' THEN name ~ pattern
END;

-- The model that a call's names stand for: that of the answer if it is known, else that of the request; a date written
-- 20260131 also as 2026-01-31. No row when neither is known.
CREATE FUNCTION llm_priced_model(seen_provider text, response_model text, request_model text)
RETURNS TABLE (price_provider text, price_model text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT found.price_provider, found.price_model
    FROM (
        SELECT 2 * seen.place + dashed.place AS place, dashed.name
        FROM (VALUES (0, lower(response_model)), (1, lower(request_model))) AS seen (place, name)
        CROSS JOIN LATERAL (VALUES
            (0, seen.name),
            (1, regexp_replace(
                seen.name, '-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)', '-\1-\2-\3', 'g'
            ))
        ) AS dashed (place, name)
        WHERE seen.name <> ''
    ) AS model
    CROSS JOIN LATERAL (
        SELECT known.price_provider FROM model_price_names AS known
        WHERE known.subject = CASE WHEN seen_provider <> '' THEN 'provider' ELSE 'provider_of_model' END AND known.provider = ''
          AND llm_name_matches(
              known.operator, known.pattern, CASE WHEN seen_provider <> '' THEN lower(seen_provider) ELSE model.name END
          )
        ORDER BY known.place LIMIT 1
    ) AS provider
    CROSS JOIN LATERAL (
        SELECT known.price_provider, known.price_model FROM model_price_names AS known
        WHERE known.subject = 'model' AND known.provider = provider.price_provider
          AND llm_name_matches(known.operator, known.pattern, model.name)
        ORDER BY known.place LIMIT 1
    ) AS found
    ORDER BY model.place LIMIT 1;
END;

-- What a token costs, day by day, in calls of these names, tier and input band: rows that do not overlap. An operator's price
-- wins over the table's, of several the one for the tenant, then the one that names more of the model, then the tier's own.
-- Dates without end are infinite here.
CREATE FUNCTION llm_rates(
    for_tenant text, seen_provider text, response_model text, request_model text, seen_tier text, seen_band int8
)
RETURNS TABLE (valid_from date, valid_to date, input_usd numeric, cache_read_usd numeric, cache_write_usd numeric, output_usd numeric)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH
    candidate AS MATERIALIZED (
        SELECT price.*, coalesce(price.valid_from, '-infinity') AS begins, coalesce(price.valid_to, 'infinity') AS ends,
               CASE WHEN priced.price_model IS NULL THEN length(price.model) ELSE -1 END AS named
        FROM model_prices AS price
        JOIN llm_priced_model(seen_provider, response_model, request_model) AS priced
          ON (price.provider, price.model) = (priced.price_provider, priced.price_model)
        WHERE price.tenant IN ('', for_tenant) AND price.service_tier IN ('', lower(seen_tier)) AND price.input_band <= seen_band
        UNION ALL
        SELECT price.*, coalesce(price.valid_from, '-infinity'), coalesce(price.valid_to, 'infinity'),
               length(price.model) + CASE WHEN price.provider = '' THEN 0 ELSE 10000 END
        FROM model_prices AS price
        WHERE price.source = 'operator' AND price.provider IN ('', lower(seen_provider))
          AND EXISTS (
              SELECT FROM (VALUES (lower(response_model)), (lower(request_model))) AS seen (model)
              WHERE seen.model = lower(price.model)
                 OR right(price.model, 1) = '*' AND starts_with(seen.model, rtrim(lower(price.model), '*'))
          )
          AND price.tenant IN ('', for_tenant) AND price.service_tier IN ('', lower(seen_tier)) AND price.input_band <= seen_band
    ),
    edge AS (SELECT begins AS day FROM candidate UNION SELECT ends FROM candidate),
    period AS (SELECT day AS begins, lead(day) OVER (ORDER BY day) AS ends FROM edge)
    SELECT period.begins, period.ends, best.input_usd_per_token, best.cache_read_usd_per_token, best.cache_write_usd_per_token,
           best.output_usd_per_token
    FROM period CROSS JOIN LATERAL (
        SELECT * FROM candidate WHERE candidate.begins <= period.begins AND candidate.ends >= period.ends
        ORDER BY candidate.source = 'operator' DESC, candidate.tenant DESC, candidate.named DESC, candidate.service_tier DESC,
                 candidate.input_band DESC
        LIMIT 1
    ) AS best;
END;

-- US dollars of so many tokens: `fresh_input_tokens` are those of the input that no cache had to do with. NULL where no tokens
-- were reported or there is no price. Additive: the cost of sums is the sum of costs.
CREATE FUNCTION llm_cost_usd(
    input_tokens numeric, fresh_input_tokens numeric, cache_read_tokens numeric, cache_write_tokens numeric, output_tokens numeric,
    input_usd numeric, cache_read_usd numeric, cache_write_usd numeric, output_usd numeric
) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN num_nonnulls(input_tokens, cache_read_tokens, cache_write_tokens, output_tokens) > 0 THEN
    coalesce(fresh_input_tokens, 0) * input_usd + coalesce(cache_read_tokens, 0) * cache_read_usd
    + coalesce(cache_write_tokens, 0) * cache_write_usd + coalesce(output_tokens, 0) * output_usd
END;

-- Of one call: the tokens of its input that were neither read from a cache nor written to it.
CREATE FUNCTION llm_fresh_input_tokens(input_tokens int8, cache_read_tokens int8, cache_write_tokens int8) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN input_tokens IS NOT NULL THEN greatest(
    input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0
) END;

-- migrate:down
DROP FUNCTION llm_fresh_input_tokens;
DROP FUNCTION llm_cost_usd;
DROP FUNCTION llm_rates;
DROP FUNCTION llm_priced_model;
DROP FUNCTION llm_name_matches;
DROP TABLE model_price_names;
DROP TABLE model_prices;
