"""Tries a real model behind a running service: five turns, each resumed once, and ten times the joke.

    python bench/real_model.py http://127.0.0.1:8000

It talks to the service as a client does. It checks the form of answers, never their words, because a very small model
says little about quality.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

TURNS = ("Hello!", "What is a chicken?", "And what is a road?", "Name a colour.", "Goodbye.")
JOKE = "please explain the joke: why did the chicken cross the road?"
TRIES = 10


def main(url: str) -> None:
    """Hold the conversation, resume each stream in its middle, and count explained jokes."""
    session = post(f"{url}/api/sessions", {})["id"]
    for text in TURNS:
        events = list(stream(f"{url}/api/sessions/{session}/messages", {"content": text}))
        finished, middle = events[-1], events[len(events) // 2]
        rest = list(stream(f"{url}/api/runs/{finished['run']['id']}/events?after={middle['position']}"))
        assert said(rest) == said([event for event in events if event["position"] > middle["position"]])
        usage = finished["run"]["usage"]
        print(f"{text!r}: {finished['run']['status']}, {len(events)} events, resumed in the middle, usage {usage}")
    history = get(f"{url}/api/sessions/{session}/messages")["data"]
    assert [message["role"] for message in history] == ["user", "assistant"] * len(TURNS)
    explained = sum(explains(url) for _ in range(TRIES))
    print(f"{explained} of {TRIES} tries answered the joke with a valid explain_joke")


def explains(url: str) -> bool:
    """Return True if the joke is answered, in a new session, with a valid call of `explain_joke`."""
    session = post(f"{url}/api/sessions", {})["id"]
    *_, finished = stream(f"{url}/api/sessions/{session}/messages", {"content": JOKE})
    return any(
        part["type"] == "tool_call" and part["name"] == "explain_joke" and part["state"] == "succeeded"
        for part in finished["message"]["parts"]
    )


def said(events: list[dict[str, Any]]) -> str:
    """Return the text of some events of a log."""
    return "".join(event.get("text", "") + event.get("arguments_text", "") for event in events)


def stream(url: str, body: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream."""
    with urlopen(request(url, body, "text/event-stream")) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a POST and return the JSON of the answer."""
    with urlopen(request(url, body, "application/json")) as answer:
        return json.load(answer)


def get(url: str) -> dict[str, Any]:
    """Send a GET and return the JSON of the answer."""
    with urlopen(request(url, None, "application/json")) as answer:
        return json.load(answer)


def request(url: str, body: dict[str, Any] | None, accept: str) -> Request:
    """Return a request: a POST with `body` as JSON, or a GET if it is None."""
    data = None if body is None else json.dumps(body).encode()
    return Request(url, data, {"content-type": "application/json", "accept": accept})


if __name__ == "__main__":
    main(sys.argv[1])
