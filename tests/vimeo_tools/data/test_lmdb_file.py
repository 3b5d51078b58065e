"""Our reader of data.mdb against the lmdb library, and against damage of all kinds."""

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimeo_tools.data.lmdb_file import LmdbFile
from vimeo_tools.errors import LmdbError


def written(folder, batches, deleted=()):
    for batch in batches:  # an environment each, as the writer has it
        with lmdb.open(str(folder), map_size=1 << 26) as env, env.begin(write=True) as transaction:
            for key, value in batch.items():
                transaction.put(key, value)
            for key in deleted:
                transaction.delete(key)
    return folder / "data.mdb"


BATCHES = st.lists(
    st.dictionaries(
        st.integers(0, 400).map(lambda n: b"%05d/%04d/im1" % (n // 20, n)),
        st.integers(0, 20_000).map(lambda n: bytes([n % 251]) * n),
        min_size=1,
        max_size=60,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(BATCHES, st.integers(0, 3))
def test_it_reads_what_the_library_reads(tmp_path_factory, batches, gap):
    folder = tmp_path_factory.mktemp("database")
    deleted = list(batches[0])[:: gap + 1] if gap else []
    path = written(folder, batches, deleted)
    with lmdb.open(str(folder), readonly=True) as env, env.begin() as transaction:
        truth = dict(transaction.cursor().iternext())
    file = LmdbFile(path)
    assert list(file.items()) == sorted(truth.items())
    file.check_free_pages()
    for key in {*truth, *deleted, b"", b"00000/0000/im1", b"99999/0000/im9", b"\xff"}:
        assert file.get(key) == truth.get(key)


def test_an_empty_database(tmp_path):
    file = LmdbFile(written(tmp_path, [{}]))
    assert list(file.items()) == []
    assert file.get(b"00001/0001/im1") is None


RECORDS = {b"%05d/0001/im%d" % (n, n % 7): bytes([n]) * (n * 97) for n in range(120)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return written(tmp_path_factory.mktemp("whole"), [RECORDS])


def read_all(path):
    """Everything, in both ways; an LmdbError where that is not to be had."""
    file = LmdbFile(path)
    found = dict(file.items())
    file.check_free_pages()
    return found, {key: file.get(key) for key in RECORDS}


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_cut_anywhere_is_an_error_or_nothing_is_lost(whole, share):
    path = whole.with_name("cut.mdb")
    path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    try:
        found, single = read_all(path)
    except LmdbError as error:
        assert str(path) in str(error)
    else:
        assert found == single == RECORDS


# (page, byte of it, new value); half of them in the first bytes, where the structure is.
HITS = st.tuples(
    st.integers(0, 500), st.one_of(st.integers(0, 300), st.integers(0, 4095)), st.integers(0, 255)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(HITS, min_size=1, max_size=4))
def test_damage_anywhere_is_an_error_or_in_a_value(whole, hits):
    path = whole.with_name("damaged.mdb")
    damaged = bytearray(whole.read_bytes())
    for page, place, value in hits:
        damaged[(4096 * page + place) % len(damaged)] = value
    path.write_bytes(damaged)
    try:
        found, single = read_all(path)
    except LmdbError as error:
        assert str(path) in str(error)
        return
    assert all(isinstance(value, bytes) for value in found.values())
    assert all(value is None or isinstance(value, bytes) for value in single.values())
