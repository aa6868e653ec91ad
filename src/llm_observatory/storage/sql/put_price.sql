INSERT INTO model_prices (
    source, tenant, provider, model, service_tier, input_band, valid_from, valid_to, input_usd_per_token, cache_read_usd_per_token,
    cache_write_usd_per_token, output_usd_per_token
) VALUES (
    'operator', %(tenant)s, %(provider)s, %(model)s, %(service_tier)s, %(input_band)s, %(valid_from)s, %(valid_to)s,
    %(input_usd_per_token)s, %(cache_read_usd_per_token)s, %(cache_write_usd_per_token)s, %(output_usd_per_token)s
)
