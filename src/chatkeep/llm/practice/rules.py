"""The practice model's rules for the functions that come with chatkeep: when it calls one, and with what.

They read what the user wrote and nothing else. What a rule needs and does not find, it asks for, as a model should;
what takes understanding (law, style), it does not pretend to have.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

_PERIOD = re.compile(r"\b(\d{1,4})[ -](business[ -]|working[ -])?(day|week|month|year)s?\b", re.IGNORECASE)
_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_WRITTEN_DATE = re.compile(r"\b(\d{1,2}) ([A-Z][a-z]+) (\d{4})\b")
_MONTHS: Sequence[str] = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PLACE = re.compile(r"\bin ([A-Z]{2}(?:-[A-Z0-9]{1,3})?)\b")
_PLACES = {
    "california": "US-CA",
    "new york": "US-NY",
    "federal": "US",
    "bavaria": "DE-BY",
    "german": "DE",
    "france": "FR",
}
_LEGAL = re.compile(r"\b(legal|law|sue|liable|landlord|tenant|contract)\b", re.IGNORECASE)
_AUTHORITY = re.compile(r"§ ?\d+\w? [A-Z]\w+|\b(?:Rule|Article) \d+(?:\(\w+\))*")
_REPLACE = re.compile(r"replace [\"“](.+?)[\"”] (?:with|by) [\"“](.*?)[\"”]", re.IGNORECASE)
_ADD = re.compile(r"\badd: *(.+)", re.IGNORECASE | re.DOTALL)


_CHICKEN = {
    "setup": "Why did the chicken cross the road? To get to the other side.",
    "premise": "A question like that promises a clever reason, so you wait for a twist.",
    "punchline": "There is none: the chicken just wanted to be on the other side. The plain truth is the surprise.",
}
_JOKE = "I would tell you a joke about streaming, but you would only get it one token at a time."


class Called(NamedTuple):
    """A function, and what it is called with: an object, or text as the user gave it."""

    name: str
    arguments: dict[str, Any] | str


Ruled: TypeAlias = Sequence[str | Called]
"""What is said and called, in that order."""


def ruled(messages: Sequence[Mapping[str, Any]], offered: Iterable[str]) -> Ruled:
    """What the rules make of the last message; nothing where none of them fits a function on offer."""
    said = [str(message["content"]) for message in messages if message["role"] == "user"]
    asked = said[-1]
    tried = {
        "explain_joke": lambda: _explanation(asked),
        "detect_sarcasm": lambda: _sarcasm(asked),
        "tell_joke": lambda: _joke(asked),
        "court_deadline": lambda: _deadline(asked, "\n".join(reversed(said))),
        "write_document": lambda: _document(asked, _last_document(messages)),
        "legal_answer": lambda: _legal(asked, "\n".join(said)),
        "suggest_replies": lambda: _suggestions(asked),
    }
    return next((found for name, rule in tried.items() if name in offered and (found := rule())), ())


def _explanation(asked: str) -> Ruled:
    if not ("explain" in asked.lower() and "joke" in asked.lower()):
        return ()
    joke = asked.partition(":")[2].strip() or asked.strip()
    if "chicken" in joke.lower():
        return (Called("explain_joke", _CHICKEN),)
    explained = {
        "setup": joke,
        "premise": "It leads you to expect something sensible.",
        "punchline": "Then it does something else. (A real model would explain how.)",
    }
    return (Called("explain_joke", explained),)


def _sarcasm(asked: str) -> Ruled:
    if "sarcas" not in asked.lower():
        return ()
    quoted = re.search(r"[\"“„'](.+)[\"”“']", asked)
    quote = quoted[1] if quoted else asked.strip()
    return (Called("detect_sarcasm", {"quote": quote, "score": 9 if "!" in asked else 5}),)


def _joke(asked: str) -> Ruled:
    return (Called("tell_joke", {"text": _JOKE}),) if "joke" in asked.lower() else ()


def _deadline(asked: str, all_said: str) -> Ruled:
    if not re.search(r"\b(deadline|due)\b", asked, re.IGNORECASE):
        return ()
    period, day, place = _PERIOD.search(all_said), _day(all_said), _place(all_said)
    missing = [
        what
        for what, found in (("the day of the event", day), ("the period", period), ("the country or state", place))
        if not found
    ]
    if missing or period is None:
        return (f"To count that I need {' and '.join(missing)}. ",)
    arguments = {
        "event_date": day,
        "period": int(period[1]),
        "unit": "business_days" if period[2] else f"{period[3].lower()}s",
        "jurisdiction": place,
        "direction": "before" if "before" in asked.lower() else "after",
    }
    return (Called("court_deadline", arguments),)


def _day(text: str) -> str | None:
    if match := _DATE.search(text):
        return match[0]
    if (match := _WRITTEN_DATE.search(text)) and match[2] in _MONTHS:
        return f"{match[3]}-{_MONTHS.index(match[2]) + 1:02}-{int(match[1]):02}"
    return None


def _place(text: str) -> str | None:
    if match := _PLACE.search(text):
        return match[1]
    return next((code for word, code in _PLACES.items() if word in text.lower()), None)


def _legal(asked: str, all_said: str) -> Ruled:
    if not _LEGAL.search(asked):
        return ()
    given = dict.fromkeys(_AUTHORITY.findall(all_said))
    answer = {
        "issue": asked,
        "rule": "Not known: a practice model follows fixed rules and knows no law.",
        "application": "None: without a rule there is nothing to apply.",
        "conclusion": "No conclusion. Ask a real model, and then a lawyer.",
        "confidence": "low",
        "unknown": ["The law of the place.", "All facts beyond what you wrote."],
        "authorities": [{"name": name, "source": "given_by_user", "says": "You named it."} for name in given],
    }
    return (Called("legal_answer", answer),)


def _document(asked: str, last: dict[str, Any] | None) -> Ruled:
    if re.search(r"\b(write|draft)\b", asked, re.IGNORECASE):
        text = asked.partition(":")[2].strip() or asked
        note = "A practice model cannot write: this is what you said."
        return (Called("write_document", {"title": "Draft", "body": text, "note": note}),)
    if last is None:
        return ()
    body: str = last["body"]
    if match := _REPLACE.search(asked):
        return _revised(last, body.replace(match[1], match[2]), f'Replaced "{match[1]}".')
    if match := _ADD.search(asked):
        return _revised(last, f"{body}\n\n{match[1].strip()}", "Added what you gave at the end.")
    if "shorter" in asked.lower():
        return _revised(last, body.partition("\n\n")[0], "Kept the first paragraph.")
    return ()


def _revised(last: dict[str, Any], body: str, note: str) -> Ruled:
    return (Called("write_document", {**last, "body": body, "note": note}),)


def _last_document(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    calls = [call["function"] for message in messages for call in message.get("tool_calls", ())]
    documents = [call["arguments"] for call in calls if call["name"] == "write_document"]
    return msgspec.json.decode(documents[-1]) if documents else None


def _suggestions(asked: str) -> Ruled:
    if "suggest" not in asked.lower():
        return ()
    return ("You could say one of these. ", Called("suggest_replies", {"replies": ["think", "count to 5"]}))
