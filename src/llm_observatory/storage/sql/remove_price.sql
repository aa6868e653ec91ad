DELETE FROM model_prices
WHERE source = 'operator' AND (tenant, provider, model, service_tier, input_band)
    = (%(tenant)s, %(provider)s, %(model)s, %(service_tier)s, %(input_band)s)
  AND valid_from IS NOT DISTINCT FROM %(valid_from)s
