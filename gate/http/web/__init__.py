"""Pages for people: the description of the API, rendered from its OpenAPI document."""
