"""How fast each codec makes rows of what SDKs send, beside upb's own parsing of the same bytes."""
