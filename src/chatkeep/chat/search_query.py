"""The language in which a search is asked. Pure; every text is a query, and none is an error.

1. What stands between blanks is a term. Its words have to stand next to each other in the text; the last one may be the
   beginning of a longer one. So `don't` finds "don't" with any apostrophe, and `chick` finds "chickens".
2. `"…"` is a term with blanks in it, whose last word is whole. The second quote may be missing.
3. `-` before a term: the text must not have it.
4. `from:user`, `from:assistant`: whose message. `assistant:NAME`: of a session with this assistant.
5. `before:DAY`, `after:DAY`: messages from before that day, or since it. A day is one of UTC; `2026-11` and `2026` are
   their first day. With any other value, what looks like a filter is a term.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from chatkeep.chat import words
from chatkeep.chat.types import Role, Value

_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<bare>\S+))')
_FILTER = re.compile(r"(?P<name>from|assistant|before|after):(?P<value>\S+)", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


class Term(NamedTuple):
    """Words that stand next to each other. `is_open`: the last one may be the beginning of a longer one."""

    words: tuple[str, ...]
    is_open: bool


class SearchQuery(Value, frozen=True):
    """The words that a message must have, and must not; its role and time.

    Times are RFC 3339: from `since` on, before `until`; None: any.
    """

    required: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()
    role: Role | None = None
    assistant: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def is_empty(self) -> bool:
        """True if it asks for nothing."""
        return self == SearchQuery()


def parse_query(text: str) -> SearchQuery:
    """Return what `text` asks for."""
    query = SearchQuery()
    for match in _TERM.finditer(text):
        bare = match["bare"] or ""
        if not match["minus"] and (found := _FILTER.fullmatch(bare)):
            filtered = _FILTERS[found["name"].lower()](query, found["value"])
            if filtered is not None:
                query = filtered
                continue
        if term := _to_term(bare or match["quoted"] or "", is_open=bool(bare)):
            name = "excluded" if match["minus"] else "required"
            query = replace(query, **{name: (*getattr(query, name), term)})
    return query


def matches(query: SearchQuery, text: str) -> bool:
    """Return True if `text` has the words that `query` asks for. (Whose it is, and of when, is not seen in it.)"""
    if not query.required and not query.excluded:
        return True
    joined = f" {' '.join(words.list_words(text))} "
    return all(_has(joined, term) for term in query.required) and not any(_has(joined, term) for term in query.excluded)


def is_of_words_alone(query: SearchQuery) -> bool:
    """Return True if an index of single words answers all of `query`: no term has several."""
    return all(len(term.words) == 1 for term in (*query.required, *query.excluded))


def _has(joined: str, term: Term) -> bool:
    return f" {' '.join(term.words)}{'' if term.is_open else ' '}" in joined


def _to_term(text: str, *, is_open: bool) -> Term | None:
    found = words.list_words(text)
    if len(found) > 1 and len(found[-1]) == 1 and words.is_paired(found[-1]) and words.is_paired(found[-2]):
        return Term(tuple(found[:-1]), is_open=False)  # in a longer text the last character may have a neighbour
    if not found:
        return None
    return Term(tuple(found), is_open=is_open or (words.is_paired(found[-1]) and len(found[-1]) == 1))


def _from(query: SearchQuery, value: str) -> SearchQuery | None:
    match value.lower():
        case "user" | "assistant" as role:
            return replace(query, role=role)
        case _:
            return None


def _assistant(query: SearchQuery, value: str) -> SearchQuery:
    return replace(query, assistant=value)


def _before(query: SearchQuery, value: str) -> SearchQuery | None:
    day = _parse_day(value)
    return replace(query, until=day) if day else None


def _after(query: SearchQuery, value: str) -> SearchQuery | None:
    day = _parse_day(value)
    return replace(query, since=day) if day else None


_FILTERS: dict[str, Callable[[SearchQuery, str], SearchQuery | None]] = {
    "from": _from,
    "assistant": _assistant,
    "before": _before,
    "after": _after,
}


def _parse_day(text: str) -> str | None:
    """Return the beginning of a day, of a month or of a year; None if `text` is none of them."""
    if (match := _DAY.fullmatch(text)) is None:
        return None
    try:
        day = date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return None
    return f"{day.isoformat()}T00:00:00.000000Z"
