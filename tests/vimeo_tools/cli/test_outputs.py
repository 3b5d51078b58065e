"""What a flag, a second process or a refusal does to what lies in an output folder: no harm."""

import os
import resource
import signal
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import TRAIN, tree_bytes
from vimeo_tools.cli.main import main
from vimeo_tools.data.lmdb_store import LmdbReader

LQ = ["--generate-lq", "--workers", 1]


@pytest.fixture
def prep(monkeypatch):
    """The command in this process, which is what makes so many calls affordable."""

    def run(*arguments, cwd):
        monkeypatch.chdir(cwd)
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


def refused(done):
    """Exit code 1 and one line, which recommends nothing that destroys."""
    if isinstance(done, subprocess.CompletedProcess):
        code, words = done.returncode, done.stdout + done.stderr
    else:
        code, words = done.exit_code, done.output
    assert code == 1, words
    assert words.startswith("Error: ") and words.count("\n") == 1
    assert "overwrite" not in words
    return words


# --- loss of data -------------------------------------------------------------------------------


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("sequences", "is the input"),
        ("link", "is the input"),
        ("sequences/../sequences", "is the input"),
        ("sequences/BIx4", "lies in the input"),
        (".", "holds the input"),
        ("..", "holds the input"),
    ],
)
def test_lq_frames_never_go_where_gt_is(prep, septuplets, output, words, overwrite):
    (septuplets / "link").symlink_to("sequences")
    before = tree_bytes(septuplets)
    done = prep(*LQ, "--output-dir", output, *overwrite, cwd=septuplets)
    assert words in refused(done)
    assert tree_bytes(septuplets) == before


@pytest.mark.parametrize("record", [None, b"{}", b'{"cut_from": ["a.mp4 (1 bytes)"]}'])
def test_overwrite_spares_frames_that_are_not_known_as_lq(prep, septuplets, record):
    mine = septuplets.parent / "mine"
    (septuplets / "sequences").rename(mine)
    (septuplets / "sequences").symlink_to(mine)
    copy = septuplets / "BIx4" / TRAIN[0]
    copy.mkdir(parents=True)
    (copy / "im1.png").write_bytes(b"my only copy")
    if record:
        (septuplets / "BIx4" / "vimeo-prep.json").write_bytes(record)
    before = tree_bytes(septuplets)
    refused(prep(*LQ, "--overwrite", cwd=septuplets))
    assert tree_bytes(septuplets) == before


PACK = ["pack-lmdb", "--content", "gt-all", "--overwrite"]


@pytest.mark.parametrize("name", [".", "..", "../x", "a/b", "x/", ""])
def test_the_name_of_a_database_is_a_name(prep, septuplets, name):
    before = tree_bytes(septuplets.parent)
    assert "need a plain name" in refused(prep(*PACK, "--name", name, cwd=septuplets))
    absolute = str(septuplets.parent / "elsewhere")
    assert "need a plain name" in refused(prep(*PACK, "--name", absolute, cwd=septuplets))
    assert tree_bytes(septuplets.parent) == before


@pytest.mark.parametrize("name", ["sequences", "BIx4", "notes", "notes.txt", "link"])
def test_pack_replaces_nothing_but_databases_of_its_own(prep, septuplets, name):
    assert prep(*LQ, cwd=septuplets).exit_code == 0
    (septuplets / "notes").mkdir()
    (septuplets / "notes" / "data.mdb").write_bytes(b"another program's")
    (septuplets / "notes.txt").write_bytes(b"mine")
    (septuplets / "link").symlink_to("notes")
    before = tree_bytes(septuplets)
    refused(prep(*PACK, "--name", name, cwd=septuplets))
    assert tree_bytes(septuplets) == before


def test_a_file_of_mine_in_a_database_is_spared(prep, septuplets):
    assert prep(*PACK, "--name", "a.lmdb", cwd=septuplets).exit_code == 0
    (septuplets / "a.lmdb" / "notes.txt").write_text("mine")
    before = tree_bytes(septuplets)
    done = refused(prep(*PACK, "--name", "a.lmdb", cwd=septuplets))
    assert "holds notes.txt, which this command did not make" in done
    assert tree_bytes(septuplets) == before


def test_the_old_database_and_its_neighbours(prep, septuplets):
    assert prep(*PACK, "--name", "a.lmdb", cwd=septuplets).exit_code == 0
    for other in ("a.lmdb.old", "a.lmdb.partial"):
        (septuplets / other).mkdir()
        (septuplets / other / "data.mdb").write_text("mine")
    refused(prep(*PACK, "--name", "a.lmdb", cwd=septuplets))
    (septuplets / "a.lmdb.partial" / "data.mdb").unlink()
    centre = ["pack-lmdb", "--content", "gt-centre", "--overwrite", "--name", "a.lmdb"]
    assert prep(*centre, cwd=septuplets).exit_code == 0
    assert len(list(LmdbReader(septuplets / "a.lmdb").frames())) == len(TRAIN)
    assert (septuplets / "a.lmdb.old" / "data.mdb").read_text() == "mine"


def test_from_video_and_synthesize_spare_their_input_and_strangers(prep, tmp_path):
    (tmp_path / "a.mp4").write_text("a video")
    before = tree_bytes(tmp_path)
    assert "holds the input" in refused(
        prep("from-video", "a.mp4", "--output-dir", ".", cwd=tmp_path)
    )
    assert "it holds a.mp4" in refused(
        prep("synthesize", "--output-dir", ".", "--clips", 30, cwd=tmp_path)
    )
    assert tree_bytes(tmp_path) == before


# --- two at once --------------------------------------------------------------------------------


def start_together(vimeo_prep, cwd, *commands):
    children = [
        subprocess.Popen(
            [vimeo_prep.path, *map(str, command)],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    words = [child.communicate(timeout=120) for child in children]
    return [child.returncode for child in children], words


def test_two_conventions_started_together_never_mix(vimeo_prep, many_clips):
    one, other = ([*LQ, "--convention", convention] for convention in ("double", "uint8"))
    codes, words = start_together(vimeo_prep, many_clips, one, other)
    assert sorted(codes) == [0, 1], words
    verified = vimeo_prep("verify", cwd=many_clips)
    assert verified.returncode == 0
    assert f"under convention {'double' if codes[0] == 0 else 'uint8'}" in verified.stdout


def test_two_of_the_same_started_together_leave_a_whole_tree(vimeo_prep, many_clips):
    codes, words = start_together(vimeo_prep, many_clips, LQ, LQ)
    assert codes == [0, 0], words
    assert "0 failed" in words[0][0] and "0 failed" in words[1][0]
    assert vimeo_prep("verify", cwd=many_clips).returncode == 0
    assert not [path for path in (many_clips / "BIx4").rglob(".*")]


def test_an_overwrite_does_not_start_under_a_run(vimeo_prep, many_clips):
    child = subprocess.Popen(
        [vimeo_prep.path, "--generate-lq", "--workers", "1"], cwd=many_clips, text=True
    )
    record = many_clips / "BIx4" / "vimeo-prep.json"
    while not record.exists():
        assert child.poll() is None
    child.send_signal(signal.SIGSTOP)
    other = [*LQ, "--convention", "uint8", "--overwrite"]
    assert "another process is at work there" in refused(vimeo_prep(*other, cwd=many_clips))
    child.send_signal(signal.SIGCONT)
    assert child.wait(timeout=120) == 0
    assert vimeo_prep("verify", cwd=many_clips).returncode == 0


# --- a refusal or a failure locks nobody out ----------------------------------------------------


def write_video(path, frames=14, height=48, width=64):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "bgr0"
        for level in range(frames):
            picture = np.full((height, width, 3), 9 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def test_a_failed_from_video_gives_way_to_the_corrected_one(prep, tmp_path):
    write_video(tmp_path / "a.mkv")
    cut = ["from-video", "--output-dir", "cut"]
    assert prep(*cut, "b.mkv", cwd=tmp_path).exit_code == 1
    assert prep(*cut, "a.mkv", cwd=tmp_path).exit_code == 1  # smaller than 448x256
    size = ["--size", "48x32"]
    assert prep(*cut, *size, "b.mkv", "a.mkv", cwd=tmp_path).exit_code == 1
    kept = tree_bytes(tmp_path / "cut" / "sequences")
    assert set(kept) >= {"00011/0001/im1.png"}
    write_video(tmp_path / "b.mkv", frames=7)
    assert prep(*cut, *size, "b.mkv", "a.mkv", cwd=tmp_path).exit_code == 0
    now = tree_bytes(tmp_path / "cut" / "sequences")
    assert "00001/0001/im1.png" in now and kept.items() <= now.items()
    done = refused(prep(*cut, *size, "a.mkv", "b.mkv", cwd=tmp_path))
    assert "was made with cut_from" in done


def test_a_synthesize_killed_before_its_first_clip_gives_way(prep, tmp_path):
    drawn = tmp_path / "drawn"
    (drawn / "sequences" / "00001" / "0001").mkdir(parents=True)
    (drawn / ".lock").touch()
    (drawn / ".vimeo-prep.json.0123456789ab.part").write_text("{")
    make = ["synthesize", "--output-dir", "drawn", "--test-clips", 0, "--size", "48x32"]
    assert prep(*make, "--clips", 1, cwd=tmp_path).exit_code == 0
    assert sorted(path.name for path in drawn.iterdir()) == [
        "sep_trainlist.txt",
        "sequences",
        "vimeo-prep.json",
    ]


# --- outputs that cannot be ---------------------------------------------------------------------

COMMANDS = {
    "generate-lq": [*LQ, "--output-dir"],
    "annotations": ["--output-dir"],
    "pack-lmdb": ["pack-lmdb", "--output-dir"],
    "synthesize": ["synthesize", "--clips", "2", "--test-clips", "0", "--output-dir"],
    "from-video": ["from-video", "sep_trainlist.txt", "--output-dir"],
}


@pytest.mark.parametrize(
    "output", ["sep_testlist.txt/out", "x" * 5000, "/proc/out", "a/" + "b" * 300]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_cannot_be_is_one_line(prep, septuplets, command, output):
    if command == "from-video":
        pytest.importorskip("av")
    before = sorted(septuplets.rglob("*"))
    done = prep(*COMMANDS[command], output, cwd=septuplets)
    refused(done)
    assert sorted(septuplets.rglob("*")) == before


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


@pytest.mark.parametrize("command", ["generate-lq", "pack-lmdb", "synthesize"])
def test_a_full_disk_is_one_line_and_no_obstacle(vimeo_prep, septuplets, command):
    before = sorted(septuplets.rglob("*"))
    call = [vimeo_prep.path, *map(str, COMMANDS[command]), "out"]
    done = subprocess.run(
        call, cwd=septuplets, capture_output=True, text=True, preexec_fn=small_files
    )
    assert "File too large" in refused(done)
    assert sorted(septuplets.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_output_is_one_line(prep, septuplets, command):
    (septuplets / "fixed").mkdir(mode=0o500)
    done = prep(*COMMANDS[command], "fixed/out", cwd=septuplets)
    assert "Permission denied" in refused(done)
