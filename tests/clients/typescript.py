"""The client of `clients/typescript` as an npm package: built, packed, and driven in a process of Node."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.needs import ROOT, needs, node_and_npm
from tests.node import NodeProgram, State, running_node

SOURCE = ROOT / "clients" / "typescript"
COMPILER = ROOT / "web" / "node_modules" / "typescript" / "bin" / "tsc"
DRIVER = Path(__file__).parent / "driver.mjs"


def run_node(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Node, and return what it wrote; the test is skipped if the compiler is not installed."""
    needs("installed" if COMPILER.exists() else None, "the compiler is not installed: make web")
    node, _ = node_and_npm()
    path = f"{Path(node).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [node, *words],
        cwd=cwd,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def pack(folder: Path) -> Path:
    """Build and pack the client in a copy of its folder. Returns the packed file."""
    copy = folder / "client"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("dist", "node_modules"))
    built = run_node(COMPILER, "-p", copy, cwd=folder)
    assert built.returncode == 0, built.stdout
    _, npm = node_and_npm()
    packed = run_node(npm, "pack", "--json", copy, cwd=folder)
    assert packed.returncode == 0, packed.stderr
    (file,) = folder.glob("*.tgz")
    return file


def install(packed: Path, project: Path) -> Path:
    """Unpack the client where programs of `project` import it from, and return that folder."""
    target = project / "node_modules" / "chatkeep"
    with tarfile.open(packed) as archive:
        archive.extractall(project / "unpacked", filter="data")
    target.parent.mkdir(parents=True, exist_ok=True)
    (project / "unpacked" / "package").rename(target)
    (project / "package.json").write_text('{"private": true, "type": "module"}')
    shutil.copy(DRIVER, project)
    return target


class TypeScriptClient:
    """A client in a process of its own. Its state: `result`, `error`, `last`, `values`, `isOver`, `losses`."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method, and return its result."""
        await self.begin_call(method, *arguments)
        return await self.result()

    async def attempt(self, method: str, *arguments: Any) -> State:
        """Call a method that may fail, and return the state with `error`."""
        return await self._program.do({"call": method, "with": arguments})

    async def begin_call(self, method: str, *arguments: Any) -> None:
        """Begin to call a method; `result` waits for it."""
        await self._program.send({"call": method, "with": arguments})

    async def result(self) -> Any:
        """Return the result of the call that was begun."""
        state = await self._program.receive()
        assert "result" in state, state
        return state["result"]

    async def begin(self, method: str, *arguments: Any, until: str) -> State:
        """Begin to read, and wait until the last value has the text `until`."""
        await self._program.do({"begin": method, "with": arguments})
        return await self.until(until)

    async def until(self, text: str) -> State:
        """Wait until the last value has this text, or there are no more."""
        return await self._program.do({"until": text})

    async def without(self, text: str) -> State:
        """Wait until the last value has this text no longer."""
        return await self._program.do({"without": text})

    async def settle(self) -> State:
        """Wait until there are no more values."""
        return await self._program.do({"settle": True})

    async def read(self, run_id: str) -> Any:
        """Read an answer to its end, and return it."""
        await self._program.do({"begin": "read", "with": [run_id]})
        state = await self.settle()
        assert state.get("error") is None, state
        return state["last"]


@asynccontextmanager
async def typescript_client(project: Path, url: str) -> AsyncGenerator[TypeScriptClient]:
    """Run a client of the service at `url` until the block ends."""
    async with running_node(node_and_npm()[0], "driver.mjs", json.dumps({"url": url}), cwd=project) as program:
        yield TypeScriptClient(program)
