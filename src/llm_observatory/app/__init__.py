"""Composition: the one room that knows every concrete class. `serve` is the life of the process, `cli` its verbs."""
