"""`chatkeep ask`: one turn in the terminal, with the model and the functions of the service. Nothing is stored.

On a terminal it offers the client function `ask_user` and asks the question itself. If input or output is not a
terminal, it does not offer it.
"""

import sys
from datetime import UTC, datetime

from chatkeep import mcp
from chatkeep.agent import ephemeral
from chatkeep.agent.assistants import Assistant
from chatkeep.agent.turn_spec import build_spec
from chatkeep.cli.asked_files import Question, read_question
from chatkeep.cli.output import JsonPrinter, TerminalPrinter, print_error
from chatkeep.cli.printed_turn import run_printed_turn
from chatkeep.errors import TurnFailed
from chatkeep.llm import ModelLibrary, connect_model
from chatkeep.runs.loading import find_assistants, load_tools
from chatkeep.settings import Settings
from chatkeep.settings.mcp_servers import McpServer
from chatkeep.tools.client_tool import ClientTool


async def ask(
    settings: Settings, question: Question, assistant: str | None, model: str | None, *, as_json: bool
) -> int:
    """Ask the model, print the answer while it arrives, and return the exit status: 0, or 1 if the turn failed.

    Raises:
        CannotStart: there is no such assistant, model or file, or a setting is not valid.
    """
    declared_tools = load_tools(settings)
    models = ModelLibrary(settings)
    library = find_assistants(settings, declared_tools, models)
    selected = ephemeral.get_assistant(library, assistant or settings.assistant)
    model = ephemeral.choose_model(models, model or selected.model or settings.model)
    connected_model = connect_model(models, settings)
    printer = JsonPrinter() if as_json else TerminalPrinter()
    can_ask = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        async with mcp.offer_tools(_needed_servers(settings, selected), declared_tools) as tools:
            client_tools = [ClientTool(name="ask_user")] if can_ask else []
            spec = build_spec(tools, selected, datetime.now(UTC), settings.time_zone, client_tools=client_tools)
            asked = await read_question(question, models, connected_model, model)
            turn_input = ephemeral.ephemeral_input(settings, model, spec, [asked.message])
            turn_input = turn_input._replace(files=asked.contents)
            outcome = await run_printed_turn(connected_model, turn_input, printer)
    except TurnFailed as failure:
        printer.end()
        print_error(f"chatkeep: {failure.code}: {failure}")
        return 1
    finally:
        await connected_model.close()
    printer.end()
    if outcome.status == "incomplete":
        print_error(f"chatkeep: the answer is incomplete ({outcome.finish_reason})")
    return 0


def _needed_servers(settings: Settings, assistant: Assistant) -> list[McpServer]:
    """Return the MCP servers whose functions the assistant names. The turn does not wait for any other server."""
    prefixes = {name.partition("_")[0] for name in assistant.functions}
    return [server for server in settings.mcp_servers if server.name in prefixes]
