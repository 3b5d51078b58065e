"""Every command killed at each of its steps, run again, and compared with an undisturbed run.

    python -m tests.kill_points                 # every step of every command; minutes
    python -m tests.kill_points --points 5      # five steps of each, spread
    python -m tests.kill_points --only pack

A step is what changes files: open for writing, rename, remove, mkdir, rmdir, truncate, lock. The
process kills itself (SIGKILL) before the N-th; N = 1, 2, ... to the last. Then the same command
runs again: it must exit with 0, and every file below the work folder, hidden ones too, must be
what an undisturbed run leaves. All of it is also done with three kills at the same step in a row.
Files that already differ between two undisturbed runs must be there; they are named.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from rvrt.restoration.tiling import TilePlan
from tests.conftest import tree_bytes
from vimeo_tools.data.pictures import FrameSource
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
_LOCKS = {"fcntl.lockf", "fcntl.flock"}
_KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
        make: writes its inputs into the current folder.
        run: does the work in the current folder; raises what the command would raise.
    """

    make: Callable[[], None]
    run: Callable[[], None]


def _cli(module: str, *arguments: str) -> Callable[[], None]:
    def run() -> None:
        from importlib import import_module

        sys.argv = ["command", *arguments]
        import_module(module).main()

    return run


def _prep(*arguments: str) -> Callable[[], None]:
    return _cli("vimeo_tools.cli.main", *arguments)


def _septuplets() -> None:
    synthesize(Path("in"), 2, test_clips=1, size=FrameSize(32, 48), seed=5)


def _with_lq() -> None:
    _septuplets()
    _quietly(_prep(*_LQ, "--convention", "uint8"))


def _packed() -> None:
    _septuplets()
    _quietly(_prep(*_PACK, "--profile", "mmagic"))


def _video() -> None:
    import av

    with av.open("in.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "bgr0"
        for level in range(14):
            picture = np.full((32, 48, 3), 9 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _frames() -> None:
    from rvrt.restoration.pictures import save_picture

    rng = np.random.default_rng(0)
    for index in range(3):
        picture = rng.integers(0, 256, (40, 48, 3), np.uint8)
        save_picture(Path("in") / f"im{index}.png", picture)


class _Enlarge:
    """Takes the place of rvrt.Restorer: enlarges by repeating pixels, and loads no MindSpore."""

    scale, compiling, graphs, told = 4, 0.0, 0, ""

    def plan(self, source: FrameSource) -> TilePlan:
        return TilePlan([(0, len(source.names))], [(0, source.height)], [(0, source.width)])

    def restore(
        self, source: FrameSource, wanted: set[int], update: Callable[[], object]
    ) -> Iterator[tuple[int, np.ndarray]]:
        for index in sorted(wanted):
            frame = source.read(index, index + 1)[0].transpose(2, 0, 1)
            yield index, frame.repeat(4, axis=1).repeat(4, axis=2) / np.float32(255)
            update()


def _restore(source: str, target: str) -> Callable[[], None]:
    def run() -> None:
        from rvrt.restoration.jobs import Job
        from rvrt.restoration.restore import restore

        restore(Job(Path(source), Path(target), Path(__file__)), _Enlarge())

    return run


def _train() -> None:
    """The folder of a training, without a network: claim, journal, states, resume."""
    from rvrt.config.loading import load_config
    from rvrt.training.journal import Journal
    from rvrt.training.run_folder import claimed
    from rvrt.training.state import Checkpoints, TrainState

    config = load_config("rvrt-debug", None, ["data.root=in"])
    with claimed(Path("out"), config), Journal(Path("out")) as journal:
        states = Checkpoints(Path("out") / "checkpoints", keep=2)
        last = states.load_last(print)
        done = last.step if last else 0
        journal.rewind(done)
        for step in range(done + 1, 6):
            journal.write(step, loss=1 / step)
            states.save(TrainState(step, {"weight": np.full(3, step, np.float32)}, {}))


_LQ = ("--images-root", "in/sequences", "--generate-lq", "--output-dir", "BIx4", "--workers", "1")
_PACK = ("pack-lmdb", "--images-root", "in/sequences", "--lq-root", "none")
_DRAW = ("synthesize", "--clips", "2", "--test-clips", "1", "--size", "48x32", "--workers", "1")
_EVAL = ("--weights", "none", "--gt", "in/sequences", "--output-dir", "results")
COMMANDS = {
    "generate-lq": Command(_septuplets, _prep(*_LQ)),
    "generate-lq-overwrite": Command(_with_lq, _prep(*_LQ, "--overwrite")),
    "pack": Command(_septuplets, _prep(*_PACK)),
    "pack-overwrite": Command(_packed, _prep(*_PACK, "--overwrite")),
    "synthesize": Command(lambda: None, _prep(*_DRAW, "--output-dir", "drawn")),
    "from-video": Command(
        _video, _prep("from-video", "in.mkv", "--size", "48x32", "--output-dir", "cut")
    ),
    "restore-folder": Command(_frames, _restore("in", "out")),
    "restore-video": Command(_video, _restore("in.mkv", "out.mp4")),
    "evaluate": Command(_septuplets, _cli("rvrt.cli.evaluate", *_EVAL)),
    "train-folder": Command(_septuplets, _train),
}


@dataclass
class Tried:
    """What came of one command: steps there are, steps tried, files that vary, what went wrong."""

    steps: int
    tried: int
    varying: list[str]
    wrong: list[str]


def try_command(command: Command, work: Path, points: int | None) -> Tried:
    """Kill a command at its steps.

    Args:
        command: to kill.
        work: an empty folder.
        points: how many steps, spread evenly, killed once each; None for all, and thrice too.
    """
    inputs, count = work.with_name("inputs"), work.with_name("count")
    inputs.mkdir()
    _child(command.make, inputs)
    wholes = []
    for _ in range(2):
        _reset(inputs, work)
        result, words = _child(command.run, work, None, count)
        if result:
            return Tried(0, 0, [], [f"undisturbed: exit {result}: {words}"])
        wholes.append(_content(work))
    steps = int(count.read_text())
    whole = {name: data if wholes[1][name] == data else None for name, data in wholes[0].items()}
    tried = Tried(steps, 0, [name for name, data in whole.items() if data is None], [])
    spread = np.unique(np.linspace(1, steps, points or steps).round().astype(int))
    for step in map(int, spread):
        tried.tried += 1
        for kills in (1,) if points else (1, 3):
            _reset(inputs, work)
            _try_point(command, work, step, kills, whole, tried.wrong)
    return tried


def _try_point(
    command: Command,
    work: Path,
    step: int,
    kills: int,
    whole: dict[str, bytes | None],
    wrong: list[str],
) -> None:
    where = f"step {step}, {kills} kills"
    for _ in range(kills):
        result, words = _child(command.run, work, step)
        if result not in (_KILLED, 0):
            wrong.append(f"{where}: exit {result}: {words}")
    result, words = _child(command.run, work)
    if result:
        wrong.append(f"{where}, again: exit {result}: {words}")
    found = _content(work)
    for name in sorted(whole.keys() | found.keys()):
        if name not in found:
            wrong.append(f"{where}: {name} is missing")
        elif name not in whole:
            wrong.append(f"{where}: {name} is left over")
        elif whole[name] not in (None, found[name]):
            wrong.append(f"{where}: {name} has other bytes")


def _content(work: Path) -> dict[str, bytes]:
    """All files; of safetensors, whose header has no order, with a sorted one."""
    files = tree_bytes(work)
    for name, data in files.items():
        if name.endswith(".safetensors"):
            end = 8 + int.from_bytes(data[:8], "little")
            header = json.dumps(json.loads(data[8:end]), sort_keys=True)
            files[name] = header.encode() + data[end:]
    return files


def _reset(inputs: Path, work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(inputs, work)


def _child(
    run: Callable[[], None], folder: Path, kill_at: int | None = None, count: Path | None = None
) -> tuple[int, str]:
    """Exit code and last words of a process that does it, and is killed at a step."""
    words = folder.with_name("words")
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(folder)
            steps = _Steps(folder, kill_at)
            sys.addaudithook(steps)
            with words.open("w") as file, _output(file):
                code = _exit_code(run)
            if count is not None:
                count.write_text(str(steps.seen))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), (words.read_text().strip().splitlines() or [""])[-1]


class _Steps:
    """An audit hook that counts the steps below a folder, and kills the process at one of them."""

    def __init__(self, folder: Path, kill_at: int | None) -> None:
        self.seen = 0
        self._folder = str(folder)
        self._kill_at = kill_at

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._is_step(event, arguments):
            return
        self.seen += 1
        if self.seen == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_step(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event in _LOCKS:
            return True
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return bool(writes) and self._below(path)
        return event in _CHANGES and self._below(arguments[0])

    def _below(self, path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return str(Path.cwd() / os.fsdecode(path)).startswith(self._folder)


def _exit_code(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001  # said by the parent, whatever it is
        traceback.print_exc()
        return 70
    return 0


@contextlib.contextmanager
def _output(file: io.TextIOBase):
    with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield


def _quietly(run: Callable[[], None]) -> None:
    with contextlib.suppress(SystemExit):
        run()


@click.command()
@click.option("--points", type=click.IntRange(1), help="Steps of each command.  [default: all]")
@click.option("--only", type=click.Choice(list(COMMANDS)), multiple=True)
def main(points: int | None, only: tuple[str, ...]) -> None:
    """Kill every command at each of its steps."""
    failed = tried = 0
    for name in only or COMMANDS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder).resolve() / "work"
            done = try_command(COMMANDS[name], work, points)
        seconds = time.monotonic() - started
        vary = f"; vary by themselves: {', '.join(done.varying)}" if done.varying else ""
        click.echo(
            f"{name}: {done.tried} of {done.steps} steps, {len(done.wrong)} wrong, "
            f"{seconds:.1f} s{vary}"
        )
        for line in done.wrong[:20]:
            click.echo(f"  {line}")
        failed += len(done.wrong)
        tried += done.tried
    click.echo(f"{tried} kill points, {failed} wrong")
    sys.exit(int(bool(failed)))


if __name__ == "__main__":
    # Everything is imported before the first fork.
    import rvrt.cli.evaluate
    import rvrt.restoration.restore
    import rvrt.training.state  # noqa: F401
    import vimeo_tools.cli.main  # noqa: F401

    main()
