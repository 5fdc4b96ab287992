"""The practice model's rules for the functions that come with chatkeep: when it calls one, and with which arguments.

A rule reads only the user's messages. If it misses something that it needs, it asks for it, as a model should. It does
not pretend to understand (law, style).
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
_PLACE_CODE = re.compile(r"\bin ([A-Z]{2}(?:-[A-Z0-9]{1,3})?)\b")
_PLACE_NAMES = {
    "california": "US-CA",
    "new york": "US-NY",
    "federal": "US",
    "bavaria": "DE-BY",
    "german": "DE",
    "france": "FR",
}
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]")
"""Words in quotes, which it takes for those of a document."""
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


class PlannedCall(NamedTuple):
    """A call that the practice model will make: its arguments are an object, or JSON text as the user wrote it."""

    name: str
    arguments: dict[str, Any] | str


Plan: TypeAlias = Sequence[str | PlannedCall]
"""The texts and calls of an answer, in order. Empty: no rule applies."""


def apply_rules(messages: Sequence[Mapping[str, Any]], offered: Iterable[str]) -> Plan:
    """Return the plan of the first rule that applies to the last message and whose function is in `offered`.

    `messages` are those of a prompt. The plan is empty if no rule applies.
    """
    texts = [str(message["content"]) for message in messages if message["role"] == "user"]
    last = texts[-1]
    rules = {
        "explain_joke": lambda: _explain_joke(last),
        "detect_sarcasm": lambda: _detect_sarcasm(last),
        "tell_joke": lambda: _tell_joke(last),
        "court_deadline": lambda: _court_deadline(last, "\n".join(reversed(texts))),
        "write_document": lambda: _write_document(last, _find_document(messages)),
        "legal_answer": lambda: _legal_answer(last, "\n".join(texts)),
        "suggest_replies": lambda: _suggest_replies(last),
    }
    return next((plan for name, rule in rules.items() if name in offered and (plan := rule())), ())


def _explain_joke(text: str) -> Plan:
    if not ("explain" in text.lower() and "joke" in text.lower()):
        return ()
    joke = text.partition(":")[2].strip() or text.strip()
    if "chicken" in joke.lower():
        return (PlannedCall("explain_joke", _CHICKEN),)
    arguments = {
        "setup": joke,
        "premise": "It leads you to expect something sensible.",
        "punchline": "Then it does something else. (A real model would explain how.)",
    }
    return (PlannedCall("explain_joke", arguments),)


def _detect_sarcasm(text: str) -> Plan:
    if "sarcas" not in text.lower():
        return ()
    match = re.search(r"[\"“„'](.+)[\"”“']", text)
    quote = match[1] if match else text.strip()
    return (PlannedCall("detect_sarcasm", {"quote": quote, "score": 9 if "!" in text else 5}),)


def _tell_joke(text: str) -> Plan:
    return (PlannedCall("tell_joke", {"text": _JOKE}),) if "joke" in text.lower() else ()


def _court_deadline(text: str, all_texts: str) -> Plan:
    if not re.search(r"\b(deadline|due)\b", text, re.IGNORECASE):
        return ()
    period, day, jurisdiction = _PERIOD.search(all_texts), _find_date(all_texts), _find_jurisdiction(all_texts)
    needed = (("the day of the event", day), ("the period", period), ("the country or state", jurisdiction))
    missing = [name for name, value in needed if not value]
    if missing or period is None:
        return (f"To count that I need {' and '.join(missing)}. ",)
    arguments = {
        "event_date": day,
        "period": int(period[1]),
        "unit": "business_days" if period[2] else f"{period[3].lower()}s",
        "jurisdiction": jurisdiction,
        "direction": "before" if "before" in text.lower() else "after",
    }
    return (PlannedCall("court_deadline", arguments),)


def _find_date(text: str) -> str | None:
    if match := _DATE.search(text):
        return match[0]
    if (match := _WRITTEN_DATE.search(text)) and match[2] in _MONTHS:
        return f"{match[3]}-{_MONTHS.index(match[2]) + 1:02}-{int(match[1]):02}"
    return None


def _find_jurisdiction(text: str) -> str | None:
    if match := _PLACE_CODE.search(text):
        return match[1]
    return next((code for word, code in _PLACE_NAMES.items() if word in text.lower()), None)


def _write_document(text: str, last: dict[str, Any] | None) -> Plan:
    """Plan a first draft, or a revision of the `last` document; None if there is none yet."""
    if re.search(r"\b(write|draft)\b", text, re.IGNORECASE):
        draft = text.partition(":")[2].strip() or text
        note = "A practice model cannot write: this is what you said."
        return (PlannedCall("write_document", {"title": "Draft", "body": draft, "note": note, "quotes": []}),)
    if last is None:
        return ()
    body: str = last["body"]
    if match := _REPLACE.search(text):
        return _revise(last, body.replace(match[1], match[2]), f'Replaced "{match[1]}".')
    if match := _ADD.search(text):
        return _revise(last, f"{body}\n\n{match[1].strip()}", "Added what you gave at the end.")
    if "shorter" in text.lower():
        return _revise(last, body.partition("\n\n")[0], "Kept the first paragraph.")
    return ()


def _revise(last: dict[str, Any], body: str, note: str) -> Plan:
    return (PlannedCall("write_document", {**last, "body": body, "note": note}),)


def _find_document(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the arguments of the last call of `write_document`; None if there is none."""
    calls = [call["function"] for message in messages for call in message.get("tool_calls", ())]
    documents = [call["arguments"] for call in calls if call["name"] == "write_document"]
    return msgspec.json.decode(documents[-1]) if documents else None


def _legal_answer(text: str, all_texts: str) -> Plan:
    if not _LEGAL.search(text):
        return ()
    authorities = dict.fromkeys(_AUTHORITY.findall(all_texts))
    answer = {
        "issue": text,
        "rule": "Not known: a practice model follows fixed rules and knows no law.",
        "application": "None: without a rule there is nothing to apply.",
        "conclusion": "No conclusion. Ask a real model, and then a lawyer.",
        "confidence": "low",
        "unknown": ["The law of the place.", "All facts beyond what you wrote."],
        "authorities": [{"name": name, "source": "given_by_user", "says": "You named it."} for name in authorities],
        "quotes": [{"text": quoted, "file": None, "page": None} for quoted in _QUOTED.findall(text)],
    }
    return (PlannedCall("legal_answer", answer),)


def _suggest_replies(text: str) -> Plan:
    if "suggest" not in text.lower():
        return ()
    return ("You could say one of these. ", PlannedCall("suggest_replies", {"replies": ["think", "count to 5"]}))
