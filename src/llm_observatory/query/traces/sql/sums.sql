SELECT bucket, {keys_and_sums}
FROM ({pieces}) pieces
GROUP BY {positions}
ORDER BY {order}
LIMIT %(limit)s
