"""Which functions a message names, and what it says to call them with. For the practice model.

A function is named by its name, or by its name in words ("opening hours"). After it may stand its arguments as JSON,
which are taken as they are; else a quoted string is the first argument that is free text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_QUOTED = re.compile(r"[\"“„]([^\"“”„]+)[\"”“]")
_READ = 8_000
"""Characters of a message in which names and quotes are looked for."""
_JSON = re.compile(r"[\s:(`]*(?=\{)")
"""What may stand between a name and its arguments."""


class Named(NamedTuple):
    """A function that is named.

    `exactly`: as it is written in a program, which nobody does by chance. `arguments`: JSON text, if any was there;
    `quoted`: else a string in quotes.
    """

    name: str
    exactly: bool
    arguments: str | None
    quoted: str | None


class _Mention(NamedTuple):
    named: Named
    start: int
    end: int


def named_in(asked: str, offered: Sequence[str]) -> list[Named]:
    """The functions of `offered` that `asked` names, in its order; each once, or once for each JSON given for it."""
    mentions = list(_mentions(asked, offered))
    strings = [(match.start(), match[1]) for match in _QUOTED.finditer(asked, 0, _READ) if not _is_in(match, mentions)]
    given = {each.named.name for each in mentions if each.named.arguments is not None}
    found: dict[tuple[str, int], Named] = {}
    for each, ends in zip(mentions, [*(each.start for each in mentions), len(asked)][1:], strict=True):
        name = each.named.name
        if each.named.arguments is not None:
            found[name, each.start] = each.named
        elif name not in given:
            own = [text for start, text in strings if each.start <= start < ends]
            quoted = next((text for text in [*own, *(text for _, text in strings)]), None)
            found.setdefault((name, 0), each.named._replace(quoted=quoted))
    return list(found.values())


def _mentions(asked: str, offered: Sequence[str]) -> Iterator[_Mention]:
    names: Mapping[str, str] = {_spoken(name): name for name in offered}
    if not names:
        return
    longest_first = sorted(names, key=len, reverse=True)
    any_of = "|".join("[ _-]".join(map(re.escape, each.split(" "))) for each in longest_first)
    pattern = re.compile(rf"(?<!\w)(?:{any_of})(?!\w)", re.IGNORECASE)
    at = 0
    while match := pattern.search(asked, at, _READ):
        at = match.end()
        if inside := next((each for each in _QUOTED.finditer(asked, 0, _READ) if _holds(each, match)), None):
            at = inside.end()  # words in quotes are an argument
            continue
        name = match[0] if match[0] in offered else names[_spoken(match[0])]
        begun = _JSON.match(asked, at)
        arguments = _object(asked, begun.end()) if begun else None
        at = begun.end() + len(arguments) if begun and arguments else at
        exactly = match[0] == name and (name != _spoken(name) or arguments is not None)
        yield _Mention(Named(name, exactly, arguments, None), match.start(), at)


def _spoken(name: str) -> str:
    return re.sub(r"[_-]", " ", name).lower()


def _object(asked: str, at: int) -> str:
    """The JSON object that begins at `at`; all that follows where it is none: broken arguments are told as such."""
    try:
        _, end = json.JSONDecoder().raw_decode(asked, at)
    except (ValueError, RecursionError):
        end = len(asked)
    return asked[at:end]


def _holds(quoted: "re.Match[str]", match: "re.Match[str]") -> bool:
    """Whether `match` is only a part of what is quoted."""
    return quoted.start() < match.start() and match.end() < quoted.end() and quoted[1] != match[0]


def _is_in(quoted: "re.Match[str]", mentions: Sequence[_Mention]) -> bool:
    """Whether what is quoted is a function's name, or in the JSON after one."""
    return any(each.start - 1 <= quoted.start() < each.end for each in mentions)
