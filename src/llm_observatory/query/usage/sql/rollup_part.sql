SELECT {step} AS step, (bucket AT TIME ZONE 'UTC')::date AS day, {groups}
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       {state}
FROM {source}
WHERE tenant = %(tenant)s AND bucket >= {start} AND bucket < {end} {conditions}
