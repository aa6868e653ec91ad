-- Most ranges have none, and need not read their rollups; of days that outlived their spans only sums are left.
SELECT EXISTS (
    SELECT FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= %(start)s AND timestamp < %(end)s
) OR EXISTS (
    SELECT FROM usage_corrections_daily_state
    WHERE tenant = %(tenant)s AND bucket >= date_trunc('day', %(start)s::timestamptz, 'UTC') AND bucket < %(end)s
)
