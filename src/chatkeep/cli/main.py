"""The command line: serve, health, ask, eval, copy, import, migrate.

`cli/operating.py` has check, doctor, backup, restore, move-files and usage; `cli/people_parser.py` has user and token.

Each command imports its own code only when it runs, so that `--help` answers at once.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import chatkeep
from chatkeep.cli import operating
from chatkeep.cli.operating import AddParser, count
from chatkeep.cli.people_parser import add_people_commands
from chatkeep.cli.progress import show_progress
from chatkeep.errors import CannotStart


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status; 128 plus the signal's number after a signal."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except CannotStart as error:
        print(f"chatkeep: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output, e.g. `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatkeep", description="A self-hosted chat service.")
    parser.add_argument("--version", action="version", version=f"chatkeep {chatkeep.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_chat_commands(commands.add_parser)
    _add_eval_command(commands.add_parser)
    _add_database_commands(commands.add_parser)
    operating.add_commands(commands.add_parser)
    add_people_commands(commands.add_parser)
    return parser


def _add_chat_commands(add: AddParser) -> None:
    serve = add("serve", help="start the service")
    serve.add_argument("--host", default="127.0.0.1", help="address, or unix:PATH (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8000, help="port to listen on (default: %(default)s; 0: any free)")
    serve.add_argument("--reload", action="store_true", help="start again when a .py file here or below changes")
    serve.add_argument("--workers", type=count, default=1, metavar="N", help="processes (default: %(default)s)")
    serve.add_argument("--local", action="store_true", help="with a small real model beside it; no key is needed")
    serve.set_defaults(run=_serve)

    health = add("health", help="ask a running service if it is ready; exits with 1 if not")
    health.add_argument(
        "address",
        nargs="?",
        default="http://127.0.0.1:8000",
        help="http://HOST:PORT, or unix:PATH (default: %(default)s)",
    )
    health.set_defaults(run=_health)

    ask = add("ask", help="one question in the terminal; nothing is stored, no server is needed")
    ask.add_argument("text", help="what to say")
    ask.add_argument("--file", action="append", default=[], metavar="PATH", help="a file to ask about; may be repeated")
    ask.add_argument("--assistant", metavar="A", help="which assistant answers (default: CHATKEEP_ASSISTANT)")
    ask.add_argument("--model", metavar="M", help="which model answers (default: the assistant's, or CHATKEEP_MODEL)")
    ask.add_argument("--json", action="store_true", help="print the events, one JSON object a line")
    ask.set_defaults(run=_ask)


def _add_eval_command(add: AddParser) -> None:
    evaluate = add("eval", help="measure what an assistant's prompt is worth with a model")
    evaluate.add_argument(
        "suites", nargs="*", metavar="SUITE", help="by name, or a path (default: all that come along)"
    )
    evaluate.add_argument("--assistant", metavar="A", help="whom to measure (default: the suite's assistant)")
    evaluate.add_argument("--model", metavar="M", help="with which model (default: the assistant's, or CHATKEEP_MODEL)")
    evaluate.add_argument("--samples", type=count, default=3, metavar="N", help="of each case (default: %(default)s)")
    evaluate.add_argument(
        "--only", action="append", default=[], metavar="CASE", help="this case alone; may be repeated"
    )
    evaluate.add_argument("--json", type=_file, metavar="FILE", help="save the figures")
    evaluate.add_argument("--min-rate", type=_rate, metavar="R", help="exit with 1 if fewer pass, of 0 to 1")
    evaluate.set_defaults(run=_eval)


def _add_database_commands(add: AddParser) -> None:
    copy = add("copy", help="copy everything to another database, of either engine, and compare")
    copy.add_argument("source", metavar="FROM", help="a database's URL; no service may run on it")
    copy.add_argument("target", metavar="TO", help="the URL of an empty one")
    copy.add_argument("--resume", action="store_true", help="go on with a copy that was cut off")
    copy.set_defaults(run=_copy)

    bring = add("import", help="bring in an archive: of chatkeep, ChatGPT, Claude, Open WebUI, LibreChat, OpenAI's API")
    bring.add_argument("file", type=Path, metavar="FILE", help="a .jsonl, .zip or .json file")
    bring.add_argument("--user", default="local", metavar="ID", help="whose chats they become (default: %(default)s)")
    bring.set_defaults(run=_import)

    migrate = add("migrate", help="bring the database to this version's schema")
    migrate.set_defaults(run=_migrate)


def _serve(arguments: argparse.Namespace) -> int:
    from chatkeep import local
    from chatkeep.cli.serve import serve
    from chatkeep.settings import load_settings

    settings = load_settings()
    # Set in the environment, which the processes of --workers and --reload inherit. A local model is set there, too.
    os.environ["CHATKEEP_ALLOWED_HOSTS"] = ",".join([*settings.allowed_hosts, *_as_host(arguments.host)])
    with local.run_model(settings) if arguments.local else nullcontext():
        return serve(
            load_settings(), arguments.host, arguments.port, reload=arguments.reload, workers=arguments.workers
        )


def _health(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.health import read_health

    is_ready, checks = read_health(arguments.address)
    for name, value in checks.items():
        print(f"{name:<12}{value}")
    return 0 if is_ready else 1


def _ask(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.ask import ask
    from chatkeep.cli.asked_files import Question
    from chatkeep.settings import load_settings

    settings = load_settings()
    question = Question(arguments.text, arguments.file, settings.max_file_bytes)
    answer = ask(settings, question, arguments.assistant, arguments.model, as_json=arguments.json)
    return asyncio.run(answer)


def _eval(arguments: argparse.Namespace) -> int:
    from chatkeep.evals.measure import EvalFilter, measure, rate
    from chatkeep.evals.suite import builtin_suites
    from chatkeep.evals.table import progress, save, show
    from chatkeep.settings import load_settings

    selection = EvalFilter(arguments.assistant, arguments.model, arguments.only)
    with progress() as on_sample:
        reports = asyncio.run(
            measure(load_settings(), arguments.suites or builtin_suites(), selection, arguments.samples, on_sample)
        )
    show(reports)
    if arguments.json:
        save(reports, arguments.samples, arguments.json)
    passed_rate = rate([result for report in reports for result in report.results])
    return int(arguments.min_rate is not None and passed_rate < arguments.min_rate)


def _copy(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.copy import copy
    from chatkeep.settings import load_settings

    settings = load_settings()
    source, target = (settings.model_copy(update={"database_url": url}) for url in (arguments.source, arguments.target))
    with show_progress("copying and comparing") as on_progress:
        digests = asyncio.run(copy(source, target, on_progress, resume=arguments.resume))
    for name, digest in digests.items():
        print(f"{name:<20}{digest}")
    if settings.files_url:
        print(f"the bytes of files stay in {settings.files_url}, for the copy: never use the source with it again")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from chatkeep.cli.importing import import_file
    from chatkeep.settings import load_settings

    return import_file(load_settings(), arguments.file, arguments.user)


def _migrate(arguments: argparse.Namespace) -> int:
    del arguments
    from chatkeep.db.migrate import load_migrations
    from chatkeep.runs.loading import open_database
    from chatkeep.settings import load_settings

    async def migrate() -> None:
        with show_progress("bringing the database to this version's schema") as on_progress:
            db = await open_database(load_settings(), on_progress)
            await db.close()
        print(f"{db.name} is at migration {load_migrations(db.engine)[-1].version:04d}")

    asyncio.run(migrate())
    return 0


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return int(text)


def _rate(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (rate := float(text)) <= 1:
            return rate
    raise argparse.ArgumentTypeError("a rate is 0 to 1")


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"a file in a folder that is there, not {text!r}")
    return path


def _as_host(address: str) -> list[str]:
    """Return the `Host` of an address that is listened on; a unix socket has none."""
    if address.startswith("unix:"):
        return []
    return [f"[{address}]" if ":" in address else address]
