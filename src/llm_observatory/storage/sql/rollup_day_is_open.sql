-- Whether some hour of a day is out of date: then the day is computed when the last of them is.
SELECT EXISTS (
    SELECT FROM rollup_open
    WHERE tenant = %(tenant)s AND signal = %(signal)s AND hour >= %(day)s AND hour < %(day)s + INTERVAL '24 hours'
)
