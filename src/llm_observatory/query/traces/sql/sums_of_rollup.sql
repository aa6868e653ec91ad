SELECT {bucket} AS bucket, {keys_and_sums}
FROM {rollup} rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= {start} AND rollup.bucket < {end}{conditions}
