"""The database by itself: transactions, growth, reading in any process."""

import multiprocessing
import pickle

import pytest

from vimeo_tools.data.lmdb_store import LmdbReader, LmdbWriter, meta_info_text
from vimeo_tools.data.png import FrameSize, check_png
from vimeo_tools.errors import FrameError, LmdbError, OutputError


def build(folder, records, names=None, **how):
    with LmdbWriter(folder, **how) as writer:
        writer.put_all([(name.encode(), value) for name, value in records.items()])
    names = list(records) if names is None else names
    (folder / "meta_info.txt").write_text(meta_info_text(names, FrameSize(256, 448)))
    return folder


def test_meta_info_is_as_the_scripts_of_basicsr_write_it():
    text = meta_info_text(["00001/0001/im1", "00001/0001/im2"], FrameSize(256, 448))
    assert text == "00001/0001/im1.png (256,448,3) 1\n00001/0001/im2.png (256,448,3) 1\n"


@pytest.mark.parametrize("key", ["00001/0002/im3", "00001_0002_3"])
def test_records_of_both_profiles(tmp_path, key):
    reader = LmdbReader(build(tmp_path / "a.lmdb", {key: b"three"}))
    assert list(reader.frames()) == ["00001/0002/im3"]
    assert reader.read("00001/0002/im3") == b"three"
    with pytest.raises(FrameError, match="no record"):
        reader.read("00001/0002/im4")
    assert not (tmp_path / "a.lmdb" / "lock.mdb").exists()


def test_the_map_grows_as_needed(tmp_path):
    records = {f"00001/{n:04d}/im1": bytes([n]) * 50_000 for n in range(1, 60)}
    reader = LmdbReader(build(tmp_path / "a.lmdb", records, first_map_size=1 << 16))
    assert all(reader.read(key) == value for key, value in records.items())


def test_a_batch_is_all_there_or_not_at_all(tmp_path):
    with LmdbWriter(tmp_path / "a.lmdb") as writer:
        writer.put_all([(b"00001/0001/im1", b"1")])
        with pytest.raises(OutputError, match="run the same command again"):
            writer.put_all([(b"00001/0001/im2", b"2"), (b"", b"an empty key is refused")])
        assert writer.keys() == {b"00001/0001/im1"}


def _read_in_child(reader, queue):
    queue.put(reader.read("00001/0001/im1"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_used_reader_goes_to_other_processes(tmp_path, method):
    reader = LmdbReader(build(tmp_path / "a.lmdb", {"00001/0001/im1": b"one"}))
    assert reader.read("00001/0001/im1") == b"one"
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(reader, queue))
    child.start()
    assert queue.get(timeout=30) == b"one"
    child.join()
    assert pickle.loads(pickle.dumps(reader)).read("00001/0001/im1") == b"one"


def test_what_is_no_database(tmp_path):
    with pytest.raises(LmdbError, match=r"no data\.mdb"):
        LmdbReader(tmp_path)
    folder = build(tmp_path / "a.lmdb", {"frame one": b"1"})
    with pytest.raises(LmdbError, match="none of the profiles"):
        LmdbReader(folder)
    (folder / "meta_info.txt").write_text("00001/0001/im1.png (4,4,3) 1\nx.png (4,4,3) 1\n")
    with pytest.raises(LmdbError, match=r"meta_info.txt:2"):
        list(LmdbReader(folder).frames())
    (folder / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(LmdbError, match=r"data\.mdb: is not a database"):
        LmdbReader(folder)
    (folder / "meta_info.txt").unlink()
    with pytest.raises(LmdbError, match=r"no meta_info\.txt"):
        LmdbReader(folder)


@pytest.mark.parametrize("kept", [0, 1, 100, 4096, 8192, 20_000, -4096, -3500])
def test_a_database_cut_short_is_said_to_be(tmp_path, kept):
    records = {f"00001/{n:04d}/im1": bytes([n]) * 9000 for n in range(1, 9)}
    data = build(tmp_path / "a.lmdb", records) / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[:kept])
    with pytest.raises(LmdbError, match="cut short"):
        LmdbReader(tmp_path / "a.lmdb")


def test_a_damaged_build_is_not_gone_on_with(tmp_path):
    folder = build(tmp_path / "a.lmdb", {"00001/0001/im1": b"x" * 9000})
    data = folder / "data.mdb"
    whole = data.read_bytes()
    with LmdbWriter(folder) as writer:
        assert writer.keys(lambda value: None) == {b"00001/0001/im1"}
        with pytest.raises(LmdbError, match="is damaged: the file is empty; what is there are"):
            writer.keys(lambda value: check_png(b""))
        data.write_bytes(whole[:-4096])
        with pytest.raises(LmdbError, match="cut short"):
            writer.keys()
