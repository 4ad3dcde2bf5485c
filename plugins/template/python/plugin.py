"""A destination to start from: each message is one call, with the idempotency key."""

from sdk import Destination, Problem, Rejected, each, post_json


class WitWorld(Destination):
    description = {
        "name": "greeter",
        "version": "0.1.0",
        "summary": "greets people",
        "accepts": ["message"],
        "actions": {
            "greet": {
                "summary": "a greeting",
                "schema": {
                    "type": "object",
                    "properties": {"text": {"type": "string", "description": "What it says"}},
                    "required": ["text"],
                    "additionalProperties": False,
                },
            },
        },
        "config": {
            "type": "object",
            "properties": {"url": {"type": "string", "description": "Where the calls go"}},
            "required": ["url"],
            "additionalProperties": False,
        },
        "hosts": ["*"],
        "secrets": [{"name": "api_key", "summary": "from the service's settings page"}],
    }

    def problems(self, config):
        if config["url"].startswith("https://"):
            return []
        return [Problem("/url", "is not a web address; it starts with `https://`")]

    def outcomes(self, config, now, items):
        return each(items, now, lambda item: request(config, item))


def request(config, item):
    text = item.text("text")
    if not text:
        return Rejected("there is nothing in `text`")
    headers = {"authorization": "Bearer {{secret:api_key}}", "idempotency-key": item.id}
    return post_json(config["url"], headers, {"text": text, "to": item.identifier("email")})
