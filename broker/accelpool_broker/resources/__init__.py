"""The REST API: one module per noun, each a blueprint that states its contract and calls a service."""
