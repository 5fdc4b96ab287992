"""The models file: what it means, and the one line that says what is wrong and where."""

from pathlib import Path

import pytest

from chatkeep.errors import CannotStart
from chatkeep.settings.key_reference import read_key
from chatkeep.settings.models_file import ModelParams, Price, parse_models

SECRET = "Swordfish"
FILE = """\
[providers.openai]
base_url = "https://api.openai.com/v1"
api_key = "env:SOME_KEY"

[models.fast]
provider = "openai"
model = "gpt-5-mini"
context_tokens = 400_000
input = ["text", "image", "file"]
price = {input = 0.25, cached_input = 0.025, output = 2}
params = {reasoning_effort = "low", stop = ["END"]}
omit = [
    "stream_options",
    "strict",
]
fallback = ["local"]

# Nearer.
[models.local]
provider = "home"
model = "qwen3:8b"

[providers.home]
base_url = "http://localhost:11434/v1"
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f" {SECRET}\n")


def refusal(text: str) -> str:
    with pytest.raises(CannotStart) as refused:
        parse_models("models.toml", text)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_the_file_says_what_it_says() -> None:
    found = parse_models("models.toml", FILE)
    fast, local = found.models["fast"], found.models["local"]
    assert found.provider_of(fast).read_key() == SECRET
    assert found.provider_of(local).read_key() is None
    assert (fast.provider, fast.model, fast.context_tokens) == ("openai", "gpt-5-mini", 400_000)
    assert (fast.input, local.input) == (["text", "image", "file"], ["text"])
    assert (fast.price, local.price) == (Price(input=0.25, cached_input=0.025, output=2.0), None)
    assert fast.params == ModelParams(reasoning_effort="low", stop=["END"])
    assert (fast.omit, fast.fallback, local.fallback) == (["stream_options", "strict"], ["local"], [])


@pytest.mark.parametrize("text", [FILE, FILE.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_line_ends_of_both_kinds_are_read(text: str) -> None:
    assert list(parse_models("models.toml", text).models) == ["fast", "local"]
    assert refusal(text.replace("qwen3:8b", "")).startswith("models.toml:21: ")


MISTAKES = [
    ("base_url = ", "bas_url = ", "2: unknown key 'bas_url'; known: base_url, api_key, api"),
    ("https://", "ftp://", "2: providers.openai.base_url: a URL here begins with http:// or https://"),
    ("com/v1", "com/v1/chat/completions", "2: providers.openai.base_url: leave out /chat/completions"),
    (
        "env:SOME_KEY",
        SECRET,
        "3: providers.openai.api_key: a key stands elsewhere: env:NAME of a variable, or file:PATH",
    ),
    ("SOME_KEY", "NO_KEY", "3: providers.openai.api_key: the variable NO_KEY is not set"),
    ("env:SOME_KEY", "file:/no/key", "3: providers.openai.api_key: cannot read /no/key: No such file or directory"),
    ("# Nearer.", "[providers.x]", "18: providers.x.base_url: Field required"),
    ("[models.fast]", 'api = "chats"\n[models.fast]', "5: providers.openai.api: Input should be 'chat' or 'responses'"),
    (
        "[models.fast]",
        'api = "responses"\n[models.slow]\nprovider = "openai"\nmodel = "x"\nparams.seed = 7\n[models.fast]',
        "9: models.slow.params.seed: the Responses API has no such parameter",
    ),
    ('= "openai"', '= "opnai"', "6: models.fast.provider: unknown provider 'opnai'; known: openai, home"),
    ('provider = "openai"\n', "", "5: models.fast.provider: Field required"),
    ("400_000", "0", "8: models.fast.context_tokens: Input should be greater than 0"),
    ("400_000", '"many"', "8: models.fast.context_tokens: Input should be a valid integer"),
    ('"image"', '"video"', "9: models.fast.input.1: Input should be 'text', 'image', 'audio' or 'file'"),
    ("0.25", "nan", "10: models.fast.price.input: Input should be a finite number"),
    ("cached_input", "cached", "10: unknown key 'cached'; known: input, cached_input, output"),
    ("reasoning_effort", "effort", "11: unknown key 'effort'; known: temperature, top_p, max_output_tokens, "),
    ('"strict"', '"strikt"', "12: models.fast.omit.1: Input should be 'stream_options', 'strict', "),
    ('["local"]', '["locl"]', "16: models.fast.fallback: unknown model 'locl'; known: fast, local"),
    ('["local"]', '["fast"]', "16: models.fast.fallback: it leads back to 'fast'"),
    ("# Nearer.", '[models.c]\nprovider="home"\nmodel="c"\nfallback=["fast", "d"]', "21: models.c.fallback: unknown"),
    ('qwen3:8b"', 'qwen3:8b"\nfallback = ["fast"]', "16: models.fast.fallback: it leads back to 'fast'"),
    ("[models.local]", '[models."my own"]', "19: models.my own: String should match pattern"),
    ("[models.local]", "[model.local]", "19: unknown key 'model'; known: providers, models"),
    ("# Nearer.", "Nearer.", "18: Invalid initial character for a key part"),
    ('11434/v1"\n', "11434/v1", "24: Unterminated string"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_refused_with_its_line(old: str, new: str, message: str) -> None:
    assert FILE.count(old)
    assert refusal(FILE.replace(old, new, 1)).startswith(f"models.toml:{message}")


NO_FILES = ["", "x = 1\na = " + "[" * 5_000, "\0", "a = " + "9" * 5_000, "[providers]\n", "models = 3"]


@pytest.mark.parametrize("text", NO_FILES, ids=range(6))
def test_a_file_that_is_none_is_refused(text: str) -> None:
    assert refusal(text).startswith("models.toml:")


def test_keys_may_be_written_in_any_way() -> None:
    dotted = 'models.fast.model = "m"\nmodels.fast.provider = "x"\nproviders = {"x" = {base_url = "http://h"}}\n'
    assert parse_models("models.toml", dotted).models["fast"].model == "m"
    assert refusal(dotted.replace("http", "ftp")).startswith("models.toml:3: providers.x.base_url: ")
    assert refusal(dotted.replace('"m"', "1")).startswith("models.toml:1: models.fast.model: ")


def test_a_key_in_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "key"
    for key in ("one", "two"):
        file.write_text(f"{key}\n")
        assert read_key(f"file:{file}") == key


@pytest.mark.parametrize("content", [b" \n", b"two words", b"\xff", b"a\0b"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match=r"is empty|has no blanks|not UTF-8"):
        read_key(f"file:{tmp_path / 'key'}")


def test_a_variable_may_stand_in_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SOME_KEY=in-file\nOTHER_KEY=in-file\n")
    assert (read_key("env:SOME_KEY"), read_key("env:OTHER_KEY")) == (SECRET, "in-file")
