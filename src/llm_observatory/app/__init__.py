"""Composition: the one room that knows every concrete class. `serve` is the life of the process, `cli` its verbs."""

import os

# Before grpc is imported: its fork handlers write to the standard error of the programs we start (initdb, postgres, dbmate),
# and none of those uses grpc after the fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
# What its core writes past our log (a port that is taken, a peer that went away) we say ourselves where it matters.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
