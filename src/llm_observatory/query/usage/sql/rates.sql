rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)
