-- An hour that could not be computed goes to the end of the queue: it must not be tried first in every round.
UPDATE rollup_pending SET pending_since = %(now)s WHERE tenant = %(tenant)s AND signal = %(signal)s AND hour = %(hour)s
