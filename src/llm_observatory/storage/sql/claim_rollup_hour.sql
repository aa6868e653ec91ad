DELETE FROM rollup_pending WHERE tenant = %(tenant)s AND signal = %(signal)s AND hour = %(hour)s
