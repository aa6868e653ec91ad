DELETE FROM dead_letters
WHERE tenant = %s AND signal = %s AND digest = %s AND received_at = %s
