-- A model of a date that the price table does not know has the price of the same model without its date, where nothing else is
-- known: gpt-5-mini-2026-08-07 that of gpt-5-mini. What had a price keeps it.

-- migrate:up
-- The model that a call's names stand for: that of the answer if it is known, else that of the request; a date written
-- 20260131 also as 2026-01-31. Last of all both without a date at the end, with Bedrock's -v1:0 behind it or after Vertex's @.
-- No row when none is known.
CREATE OR REPLACE FUNCTION llm_priced_model(seen_provider text, response_model text, request_model text)
RETURNS TABLE (price_provider text, price_model text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT found.price_provider, found.price_model
    FROM (
        SELECT seen.place, spelt.place AS spelling, spelt.name
        FROM (VALUES (0, lower(response_model)), (1, lower(request_model))) AS seen (place, name)
        CROSS JOIN LATERAL (VALUES
            (0, seen.name),
            (1, regexp_replace(
                seen.name, '-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)', '-\1-\2-\3', 'g'
            )),
            (2, regexp_replace(
                seen.name, '[-@]20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])(-v\d+(:\d+)?)?$', ''
            ))
        ) AS spelt (place, name)
        WHERE spelt.name <> '' AND (spelt.place = 0 OR spelt.name <> seen.name)
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
    ORDER BY model.spelling = 2, model.place, model.spelling LIMIT 1;
END;

-- migrate:down
CREATE OR REPLACE FUNCTION llm_priced_model(seen_provider text, response_model text, request_model text)
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
