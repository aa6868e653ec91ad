SELECT {step} AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, {groups}
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       {state}
FROM usage_corrections
WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} {conditions}
GROUP BY {keys}
