DELETE FROM model_prices WHERE source = 'operator' AND (tenant, provider, model) = (%(tenant)s, %(provider)s, %(model)s)
