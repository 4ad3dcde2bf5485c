"""What a destination in Python needs: items that are read, requests, and what becomes of an item by the answer. There is no
clock, no socket and no file in the sandbox: `now` and `send` are all there is.
"""

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Optional, Union

from componentize_py_types import Err
from wit_world.imports import host
from wit_world.imports.host import Request, Response, SendError
from wit_world.imports.host import SendError_Denied, SendError_Invalid, SendError_TooLarge
from wit_world.imports.types import Identifier, ItemKind, Outcome, Problem
from wit_world.imports.types import Outcome_Delivered as Delivered
from wit_world.imports.types import Outcome_Rejected as Rejected
from wit_world.imports.types import Outcome_RetryAfter as RetryAfter
from wit_world.imports.types import Outcome_Unauthorized as Unauthorized

Answer = Union[Response, SendError]


@dataclass
class Item:
    """Something to tell the other side; `id` is the idempotency key."""

    id: str
    kind: ItemKind
    name: str
    person: list[Identifier]
    payload: dict[str, Any]
    attempt: int

    def text(self, field: str) -> Optional[str]:
        """A text of the payload, unless it is empty."""
        value = self.payload.get(field)
        return value if isinstance(value, str) and value else None

    def identifier(self, kind: str) -> Optional[str]:
        """The first identifier of a kind: `email`."""
        return next((one.value for one in self.person if one.kind == kind), None)


class Destination:
    """What the engine calls. A plugin sets `description`, and says how it checks and delivers."""

    description: dict[str, Any]

    def problems(self, config: dict[str, Any]) -> list[Problem]:
        """What is wrong with a configuration that fits the schema in the description."""
        return []

    def outcomes(self, config: dict[str, Any], now: int, items: list[Item]) -> list[Outcome]:
        """One outcome for each item, in the same order. `now` is in milliseconds since 1970."""
        raise NotImplementedError

    def describe(self) -> str:
        return json.dumps(self.description)

    def check(self, config: str) -> list[Problem]:
        values = json.loads(config)
        schema = self.description.get("config", {})
        unknown = []
        if schema.get("additionalProperties") is False:
            unknown = [key for key in values if key not in schema.get("properties", {})]
        return [Problem(f"/{key}", "is not a key of this plugin") for key in unknown] + self.problems(values)

    def deliver(self, config: str, now: int, items: list[Any]) -> list[Outcome]:
        return self.outcomes(json.loads(config), now, [read(item) for item in items])


def read(item: Any) -> Item:
    """An item as the interface gives it."""
    payload = json.loads(item.payload)
    fields = payload if isinstance(payload, dict) else {}
    return Item(item.id, item.kind, item.name, item.person, fields, item.attempt)


def post_json(url: str, headers: dict[str, str], body: Any) -> Request:
    """A `POST` of JSON. `{{secret:NAME}}` in a header's value is filled in by the host."""
    every = {"content-type": "application/json", **headers}
    return Request("POST", url, list(every.items()), json.dumps(body).encode(), False)


def send(request: Request) -> Answer:
    """Sends a request: the response, or why there is none."""
    try:
        return host.send(request)
    except Err as error:
        return error.value


def outcome(answer: Answer, now: int) -> Outcome:
    """What an answer usually means."""
    if isinstance(answer, SendError_Denied):
        return Unauthorized(answer.value)
    if isinstance(answer, SendError_Invalid):
        return Rejected(answer.value)
    if isinstance(answer, SendError_TooLarge):
        return Rejected("the request or its answer is larger than 1 MiB")
    if not isinstance(answer, Response):
        return RetryAfter(0)
    status = answer.status
    if 200 <= status < 300:
        return Delivered()
    if status in (401, 403):
        return Unauthorized(f"answered {status}")
    if status in (408, 425, 429) or 300 <= status < 400 or status >= 500:
        return RetryAfter(wait(answer, now))
    text = " ".join(answer.body[:200].decode(errors="replace").split())
    return Rejected(f"answered {status}" + (f": {text}" if text else ""))


def wait(response: Response, now: int) -> int:
    """Seconds of `Retry-After`, which is a number or a date; 0 leaves the wait to the engine."""
    value = next((value.strip() for name, value in response.headers if name == "retry-after"), "")
    if value.isascii() and value.isdigit():
        return min(int(value[:10]), 0xFFFFFFFF)
    try:
        return min(max(0, int(parsedate_to_datetime(value).timestamp()) - now // 1000), 0xFFFFFFFF)
    except (TypeError, ValueError):
        return 0


def each(items: list[Item], now: int, request: Callable[[Item], Union[Request, Outcome]]) -> list[Outcome]:
    """Makes one call for each item, in order; `request` gives an outcome where there is nothing to send. When the other side
    asks for quiet, is not there, or does not accept the credentials, the rest is not sent and shares the outcome.
    """
    outcomes: list[Outcome] = []
    for item in items:
        made = request(item)
        if not isinstance(made, Request):
            outcomes.append(made)
            continue
        answer = send(made)
        what = outcome(answer, now)
        outcomes.append(what)
        silent = not isinstance(answer, Response) or answer.status in (429, 503)
        if isinstance(what, Unauthorized) or (isinstance(what, RetryAfter) and silent):
            outcomes.extend([what] * (len(items) - len(outcomes)))
            break
    return outcomes
