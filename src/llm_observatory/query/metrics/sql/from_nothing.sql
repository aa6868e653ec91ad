start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
