"""The process that reads files: `python -m chatkeep.files.child`. It has no keys, no database and no connections.

    service ──job──▶ this process ──fork──▶ a process for the job, with limits of time and memory
            ◀─answer─             ◀─pipe───

1. Each job is done in a fork that ends with it. A file that makes it crash, hang or grow harms that one answer.
2. The libraries are loaded before, so a fork takes some milliseconds.
3. It ends when its standard input ends, which happens whenever its parent has ended.
"""

import os
import resource
import signal
import sys
import warnings

from chatkeep.files.documents import draw_first_page, inspect_document, read_document
from chatkeep.files.jobs import LENGTH_BYTES, Answer, Job, job_from, to_frame
from chatkeep.files.media_types import PDF
from chatkeep.files.office import read_converted
from chatkeep.files.pictures import inspect_picture, scale_picture

JOB_SECONDS = 20
"""How long a job may take, by the clock."""
JOB_CPU_SECONDS = 10
JOB_MEMORY_BYTES = 1_073_741_824
"""How much memory a job may map. The libraries alone map some 200 MB."""
MAX_ANSWER_BYTES = 33_554_432
UNREADABLE = "it cannot be read within the limits of time and memory"


def main() -> None:
    """Answer jobs until the parent process closes the standard input."""
    warnings.simplefilter("ignore")
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    while length := sys.stdin.buffer.read(LENGTH_BYTES):
        job = sys.stdin.buffer.read(int.from_bytes(length))
        _write_all(answers, _do_in_fork(job))


def _do_in_fork(job: bytes) -> bytes:
    """Return the frame of the answer to a job."""
    ours, theirs = os.pipe()
    if (process := os.fork()) == 0:
        os.close(ours)
        _do_and_exit(job, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        frame = pipe.read(MAX_ANSWER_BYTES + 1)
    os.kill(process, signal.SIGKILL)  # it has ended, or answers without an end
    os.waitpid(process, 0)
    is_whole = len(frame) > LENGTH_BYTES and int.from_bytes(frame[:LENGTH_BYTES]) == len(frame) - LENGTH_BYTES
    return frame if is_whole else to_frame(Answer(problem=UNREADABLE))


def _do_and_exit(job: bytes, pipe: int) -> None:
    """Do the job within the limits, write the frame of its answer, and end this process."""
    try:
        signal.alarm(JOB_SECONDS)  # its default action ends the process
        resource.setrlimit(resource.RLIMIT_CPU, (JOB_CPU_SECONDS, JOB_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (JOB_MEMORY_BYTES, JOB_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _write_all(pipe, to_frame(_do(job_from(job))))
    finally:
        os._exit(0)


def _do(job: Job) -> Answer:
    try:
        if job.media_type == PDF:
            match job.kind:
                case "inspect":
                    return inspect_document(job.content)
                case "document":
                    return read_document(job.content)
                case _:
                    return draw_first_page(job.content, job.edge)
        if job.kind == "document":
            return read_converted(job.media_type, job.content)
        return inspect_picture(job.content) if job.kind == "inspect" else scale_picture(job.content, job.edge)
    except Exception as error:  # noqa: BLE001  # a library's, of any kind: it is the answer
        return Answer(problem=f"it cannot be read ({type(error).__name__})")


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


if __name__ == "__main__":
    main()
