"""The corpora of what providers stream, one for each API: `NAME.sse` is the body as it came, `NAME.json` what it says.

However the bytes are divided over reads, they say the same.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from chatkeep.llm.completions.parser import CompletionsParser
from chatkeep.llm.responses.parser import ResponsesParser
from chatkeep.llm.sse_parser import SseParser
from tests.llm.corpus import ParsedBody, read_body

HERE = Path(__file__).parent


class Body(NamedTuple):
    """A recorded body, and the parser of its API."""

    path: Path
    make_parser: Callable[[], SseParser]

    def read(self, pieces: Iterable[bytes]) -> ParsedBody:
        return read_body(pieces, self.make_parser)


COMPLETIONS = [Body(path, CompletionsParser) for path in sorted(HERE.glob("*.sse"))]
RESPONSES = [Body(path, ResponsesParser) for path in sorted((HERE / "responses").glob("*.sse"))]


@pytest.fixture(params=[*COMPLETIONS, *RESPONSES], ids=lambda body: f"{body.path.parent.name}/{body.path.stem}")
def body(request: pytest.FixtureRequest) -> Body:
    """Each body of the corpora."""
    return request.param


def test_a_body_gives_the_result_recorded_beside_it(body: Body) -> None:
    recorded = body.path.with_suffix(".json").read_bytes()
    assert body.read([body.path.read_bytes()]) == msgspec.json.decode(recorded, type=ParsedBody)


def test_a_body_parses_the_same_cut_in_two_anywhere(body: Body) -> None:
    data = body.path.read_bytes()
    whole = body.read([data])
    for place in range(len(data) + 1):
        assert body.read([data[:place], data[place:]]) == whole, f"cut at {place}: {data[:place]!r}"


def test_a_body_parses_the_same_byte_by_byte(body: Body) -> None:
    data = body.path.read_bytes()
    assert body.read(data[place : place + 1] for place in range(len(data))) == body.read([data])


@pytest.mark.parametrize(("bodies", "least"), [(COMPLETIONS, 80), (RESPONSES, 60)])
def test_a_corpus_is_complete(bodies: list[Body], least: int) -> None:
    paths = [body.path for body in bodies]
    assert {path.stem for path in paths} == {path.stem for path in paths[0].parent.glob("*.json")}
    assert len(bodies) > least
