SELECT source, tenant, provider, model, service_tier, input_band, valid_from, valid_to, input_usd_per_token, cache_read_usd_per_token,
       cache_write_usd_per_token, output_usd_per_token
FROM model_prices
WHERE (NOT %(operator_only)s OR source = 'operator') AND provider LIKE %(provider)s AND model LIKE %(model)s
ORDER BY source = 'operator' DESC, provider, model, service_tier, input_band, valid_from NULLS FIRST
