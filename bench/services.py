"""Starts the services that are compared, each with the settings it needs and the URL of the provider."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypeAlias

from tools import HERE, OUR_CORE, THEIR_CORE, Service, post, started

QUESTION = "please explain the joke: why did the chicken cross the road?"
RIVALS = HERE.parent / ".venv" / "rivals"
Starter: TypeAlias = Callable[[Service, Path], "contextlib.AbstractContextManager[Service | None]"]
"""Starts a service with this provider, in this folder; None: it cannot be."""
KEY = "sk-bench-0123456789abcdef0123456789"


@contextlib.contextmanager
def chatkeep(provider: Service, folder: Path, checkout: Path = HERE.parent, proxy: str = "") -> Generator[Service]:
    """Start ours, with its defaults: SQLite (`FOLDER/chatkeep.db`), `synchronous = FULL`, stored before it is shown.

    `proxy`: the URL of a proxy that leads to the provider.
    """
    environment = {**_of(provider), "CHATKEEP_DATABASE_URL": f"sqlite:///{folder / 'chatkeep.db'}"}
    environment |= {"PYTHONPATH": str(checkout / "src"), "HTTPS_PROXY": proxy}
    command = [sys.executable, "-m", "chatkeep", "serve", "--port", "0"]
    with started(folder.name, command, THEIR_CORE, environment, folder) as service:
        asking(service)
        yield service


def asking(service: Service) -> None:
    """Set the requests of `service`: each asks for an answer in a new session."""

    def requests(count: int) -> list[bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        made: list[bytes] = []
        for _ in range(count):
            connection.request("POST", "/api/sessions", b"{}", {"content-type": "application/json"})
            session = json.loads(connection.getresponse().read())["id"]
            made.append(post(f"/api/sessions/{session}/messages", {"content": QUESTION}))
        connection.close()
        return made

    service.requests = requests
    service.repeats = ('data: {"type":"run.finished"',)


def _door(path: str, body: Callable[[str], object], repeats: Sequence[str] = ()) -> Starter:
    """Return what starts ours to be asked in the form of another service: `body` of a new chat with that id."""

    @contextlib.contextmanager
    def start(provider: Service, folder: Path) -> Generator[Service]:
        with chatkeep(provider, folder) as service:
            service.requests = lambda count: [post(path, body(str(uuid.uuid4()))) for _ in range(count)]
            service.repeats = repeats
            yield service

    return start


def _ui_message(chat_id: str) -> object:
    """Return what the AI SDK's transport sends (docs/dialects.md)."""
    message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
    return {"id": chat_id, "messages": [message], "trigger": "submit-message"}


def _agui_run(chat_id: str) -> object:
    """Return AG-UI's `RunAgentInput`."""
    message = {"id": "m", "role": "user", "content": QUESTION}
    empty: dict[str, object] = {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
    return {"threadId": chat_id, "runId": chat_id, "messages": [message], **empty}


def _completion(_: str) -> object:
    """Return a request of Chat Completions to the assistant that our own API asks, too."""
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": "assistant:default", "stream": True, "store": True, "messages": messages}


def _response(_: str) -> object:
    """Return a request of Responses to the same assistant."""
    return {"model": "assistant:default", "stream": True, "input": QUESTION}


_WHOLE_TEXT = ("output_text.done", "content_part.done", "output_item.done", "completed")
"""The events of a response that have its text again."""


@contextlib.contextmanager
def chatkeep_with_proxy(provider: Service, folder: Path) -> Generator[Service]:
    """Start ours, and a proxy (`tunnel.py`) on the provider's core that leads to the provider."""
    command = [sys.executable, str(HERE / "tunnel.py")]
    with contextlib.ExitStack() as stack:
        tunnel = stack.enter_context(started(f"{folder.name}-tunnel", command, OUR_CORE, {}, folder))
        yield stack.enter_context(chatkeep(provider, folder, proxy=f"http://127.0.0.1:{tunnel.port}"))


@contextlib.contextmanager
def naive(provider: Service, folder: Path) -> Generator[Service]:
    """Start the service as it is written in an afternoon (`naive.py`)."""
    environment = {**_of(provider), "NAIVE_DATABASE": str(folder / "naive.db")}
    with started(folder.name, [sys.executable, str(HERE / "naive.py")], THEIR_CORE, environment, folder) as service:

        def requests(count: int) -> list[bytes]:
            name = time.monotonic_ns()
            return [post("/chat", {"conversation_id": f"{name}-{i}", "content": QUESTION}) for i in range(count)]

        service.requests = requests
        yield service


@contextlib.contextmanager
def nginx(provider: Service, folder: Path) -> Generator[Service | None]:
    """Start a pure relay: one worker, no buffering, idle connections to the provider stay open.

    It verifies the certificate of a provider with TLS. Yields None if nginx is not installed.
    """
    tls = ""
    if provider.certificate is not None:
        tls = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {provider.certificate}; proxy_ssl_name localhost;"
    with _relay(provider, folder, THEIR_CORE, "", tls) as relay:
        yield relay


@contextlib.contextmanager
def with_tls(provider: Service, folder: Path) -> Generator[Service | None]:
    """Give the provider TLS, as all hosted ones have: an nginx before it, on its core, with a new certificate.

    Yields None if openssl or nginx is not installed.
    """
    if (openssl := shutil.which("openssl")) is None:
        print("TLS: skipped, there is no openssl to make a certificate", file=sys.stderr)
        yield None
        return
    folder.chmod(0o755)  # nginx's worker is another user
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    server = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    with _relay(provider, folder, OUR_CORE, server, "") as relay:
        if relay is not None:
            relay.certificate = certificate
        yield relay


@contextlib.contextmanager
def _relay(provider: Service, folder: Path, core: int, server: str, client: str) -> Generator[Service | None]:
    """Start nginx before `provider`. `server` and `client`: its TLS towards its clients, and towards the provider."""
    if (program := shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")) is None:
        print("nginx: skipped, it is not installed (Debian: apt-get install nginx-light)", file=sys.stderr)
        yield None
        return
    port = _free_port()
    paths = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    scheme = "http" if provider.certificate is None else "https"
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
        events {{ worker_connections 8192; }}
        http {{ access_log off; keepalive_requests 100000; {paths}
          upstream provider {{ server 127.0.0.1:{provider.port}; keepalive 1024; keepalive_requests 100000; }}
          server {{ listen 127.0.0.1:{port} {"ssl" if server else ""} backlog=4096; {server}
            location / {{ proxy_pass {scheme}://provider; proxy_http_version 1.1; proxy_set_header Connection "";
                          proxy_buffering off; proxy_read_timeout 300s; {client} }} }} }}"""
    )
    folder.chmod(0o755)  # its worker is another user
    command = [program, "-e", f"{folder}/nginx.log", "-c", f"{folder}/nginx.conf", "-p", str(folder)]
    with started(folder.name, command, core, {}, folder, port) as service:
        service.requests = provider.requests
        yield service


@contextlib.contextmanager
def litellm(provider: Service, folder: Path) -> Generator[Service | None]:
    """Start LiteLLM's proxy, which parses and meters every chunk and stores nothing; None if it cannot be installed."""
    if (python := _installed("litellm")) is None:
        yield None
        return
    (folder / "litellm.yaml").write_text(
        f"""model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "{_of(provider)["OPENAI_BASE_URL"]}", api_key: x}}
litellm_settings: {{num_retries: 0, telemetry: false}}
"""
    )
    port = _free_port()
    command = [str(python.parent / "litellm"), "--config", str(folder / "litellm.yaml"), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", "1"]
    environment = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", **_of(provider)}
    with started(folder.name, command, THEIR_CORE, environment, folder, port) as service:
        body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        ask = post("/v1/chat/completions", body, f"authorization: Bearer {KEY}")
        service.requests = lambda count: [ask] * count
        yield service


@contextlib.contextmanager
def chatkit(provider: Service, folder: Path) -> Generator[Service | None]:
    """Start OpenAI's ChatKit server on a SQLite store (`rivals/serve_chatkit.py`); None if it cannot be installed."""
    if (python := _installed("chatkit")) is None:
        yield None
        return
    environment = {**_of(provider), "CHATKIT_DATABASE": str(folder / "chatkit.db")}
    command = [str(python), "-P", str(HERE / "rivals" / "serve_chatkit.py")]
    with started(folder.name, command, THEIR_CORE, environment, folder) as service:
        content = [{"type": "input_text", "text": QUESTION}]
        said = {"content": content, "attachments": [], "inference_options": {}}
        ask = post("/chatkit", {"type": "threads.create", "params": {"input": said}, "metadata": {}})
        service.requests = lambda count: [ask] * count
        service.repeats = ('data: {"type":"thread.item.done"',)
        yield service


SERVICES: dict[str, Starter] = {
    "chatkeep": chatkeep,
    "chatkeep-proxy": chatkeep_with_proxy,
    "AI SDK": _door("/api/chat", _ui_message),
    "AG-UI": _door("/agui", _agui_run),
    "Chat Completions": _door("/v1/chat/completions", _completion),
    "Responses": _door("/v1/responses", _response, [f'data: {{"type":"response.{each}"' for each in _WHOLE_TEXT]),
    "naive": naive,
    "nginx": nginx,
    "litellm": litellm,
    "chatkit": chatkit,
}


def _of(provider: Service) -> dict[str, str]:
    """Return the environment in which the SDK, and OpenSSL below it, find and trust the provider."""
    if provider.certificate is None:
        return {"OPENAI_BASE_URL": f"http://127.0.0.1:{provider.port}/v1", "OPENAI_API_KEY": "x"}
    url, certificate = f"https://localhost:{provider.port}/v1", str(provider.certificate)
    return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "x", "SSL_CERT_FILE": certificate}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _installed(rival: str) -> Path | None:
    """Return the Python of a rival's own environment, created from its pins on first use; None if that fails."""
    folder = RIVALS / rival
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"{rival}: installing it into {folder}", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
            subprocess.run([*pip, str(HERE / "rivals" / f"{rival}.txt")], check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{rival}: skipped, it cannot be installed: {error}", file=sys.stderr)
            return None
        (folder / "complete").touch()
    return python
