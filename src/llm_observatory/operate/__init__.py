"""What operators run beside the service: doctor, maintain, tune, backup, bench.

Verbs of the command line land here when they are more than a call into `storage`; `app` only wires them up.
"""
