"""A film restored is the same film: times, colours, depth, shape, sound; and what is refused."""

import resource
import subprocess
import sys
from fractions import Fraction

import mindspore as ms
import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import RestoreError
from rvrt.restoration.encoding import Encoding
from rvrt.restoration.jobs import Job
from rvrt.restoration.media import open_frames
from rvrt.restoration.parts import Choice
from rvrt.restoration.pictures import read_deep_picture, save_picture
from rvrt.restoration.restore import restore
from rvrt.restoration.restorer import Cutting, Restorer
from tests.oracles.imresize_oracle import imresize as slow_imresize
from tests.rvrt.conftest import ROOT
from tests.rvrt.restoration.films import look_at, make_film, planes_of
from vimeo_tools.errors import FrameError, OutputError, VideoError

av = pytest.importorskip("av")
LIMITED, FULL = 1, 2


class Repeat:
    """A network that repeats each pixel, in float."""

    config = MODEL_PRESETS["rvrt-light-debug"]

    def __call__(self, frames):
        return ms.Tensor(frames.asnumpy().repeat(4, -1).repeat(4, -2))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"weights")
    return path


def run(source, target, weights, network=None, **how):
    job = Job(source, target, weights, **{"choice": Choice(cuts="none"), **how})
    cutting = Cutting(padding="borders", scratch=job.folder)
    return restore(job, Restorer(network or Repeat(), cutting))


def smooth(count=6, height=24, width=32):
    rows, columns = np.mgrid[0:height, 0:width]
    still = np.stack([rows * 6 + 40, columns * 5 + 20, 200 - rows * 4 + columns], axis=-1)
    return [(still + index).astype(np.uint8) for index in range(count)]


UNEVEN = [0, 3003, 6006, 12000, 12100, 30030]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_variable_rate_keeps_its_times(tmp_path, weights, suffix):
    source, target = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    unit = Fraction(1, 90000)
    make_film(av, source, smooth(), codec="libx264", unit=unit, ticks=UNEVEN)
    run(source, target, weights)
    pictures, stream = look_at(av, target)
    times = [picture.pts * picture.time_base for picture in pictures]
    if suffix == ".mkv":  # counts milliseconds
        assert [round(time * 1000) for time in times] == [round(t / 90) for t in UNEVEN]
    else:
        assert times == [tick * unit for tick in UNEVEN] and stream.time_base == unit
        whole = stream.duration * stream.time_base
        assert float(whole) == pytest.approx(30030 / 90000, abs=0.25)


COLOURS = {
    "bt601-limited": (6, LIMITED, 6, 6),
    "bt709-full": (1, FULL, 1, 1),
    "bt2020": (9, LIMITED, 9, 14),
    "unnamed-matrix": (2, LIMITED, 2, 2),
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("codec", ["h264", "hevc", "prores"])
def test_colours_are_kept(tmp_path, weights, name, codec):
    matrix, reach, primaries, transfer = COLOURS[name]
    marks = {
        "colorspace": matrix,
        "color_range": reach,
        "color_primaries": primaries,
        "color_trc": transfer,
    }
    source = tmp_path / "in.mkv"
    make_film(av, source, smooth(2), layout="yuv444p", **marks)
    target = tmp_path / ("out.mov" if codec == "prores" else "out.mp4")
    pix_fmt = "yuv444p10le" if codec == "prores" else "yuv444p"
    run(source, target, weights, encoding=Encoding(codec, pix_fmt=pix_fmt))
    (stored, *_), _ = look_at(av, target)
    said = (stored.colorspace, stored.color_primaries, stored.color_trc)
    assert said == (6 if matrix == 2 else matrix, primaries, transfer)
    assert stored.color_range == (LIMITED if codec == "prores" else reach)
    # The numbers, too: those of the source, where depth and range are the same.
    if codec != "prores":
        before = planes_of(look_at(av, source)[0][0])
        after = [plane[1::4, 1::4] for plane in planes_of(stored)]
        for ours, wanted in zip(after, before, strict=True):
            assert np.abs(ours.astype(int) - wanted).mean() < 1.2


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused(tmp_path, weights, transfer):
    make_film(av, tmp_path / "in.mkv", smooth(2), colorspace=9, color_trc=transfer)
    with pytest.raises(VideoError, match=r"in\.mkv: HDR.*(PQ|HLG).*tone mapping"):
        run(tmp_path / "in.mkv", tmp_path / "out.mp4", weights)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "w.bin"]


def test_colours_that_are_not_known_are_refused(tmp_path, weights):
    make_film(av, tmp_path / "in.mkv", smooth(2), layout="yuv444p", colorspace=10)
    with pytest.raises(VideoError, match=r"colour matrix is number 10.*convert it"):
        run(tmp_path / "in.mkv", tmp_path / "out.mp4", weights)


@pytest.mark.parametrize("turned", [0, 90, 180])
def test_shape_of_pixels_and_rotation(tmp_path, weights, turned):
    source, target = tmp_path / "in.mov", tmp_path / "out.mp4"
    frames = smooth(2)
    make_film(
        av, source, frames, codec="libx264", aspect=Fraction(16, 11), turned=turned, colorspace=1
    )
    run(source, target, weights)
    (stored, *_), stream = look_at(av, target)
    assert stored.rotation == 0
    assert stream.sample_aspect_ratio == (Fraction(11, 16) if turned == 90 else Fraction(16, 11))
    wanted = np.rot90(frames[0], turned // 90).repeat(4, 0).repeat(4, 1)
    assert (stored.height, stored.width) == wanted.shape[:2]
    shown = stored.reformat(format="rgb24").to_ndarray()
    assert np.abs(shown.astype(int) - wanted).mean() < 12  # upright; colours are tested elsewhere


def test_what_the_output_cannot_say_of_its_pixels_is_said(tmp_path, weights):
    make_film(av, tmp_path / "in.mp4", smooth(2), codec="libx264", aspect=Fraction(16, 11))
    done = run(tmp_path / "in.mp4", tmp_path / "out.mkv", weights)
    assert done.notes == ()
    assert open_frames(tmp_path / "out.mkv").pixel_aspect == Fraction(16, 11)
    for target, how in (("v.mkv", {"encoding": Encoding("ffv1")}), ("folder", {})):
        (note,) = run(tmp_path / "in.mp4", tmp_path / target, weights, **how).notes
        assert "its pixels are 16:11" in note


def ramp(bits, width=256):
    """Planes of Y that rises by one level, with neutral chroma."""
    y = np.tile(np.arange(width, dtype=np.uint16) + 20 * 2 ** (bits - 8), (16, 1))
    grey = np.full_like(y, 2 ** (bits - 1))
    return [y, grey, grey]


@pytest.mark.parametrize(
    ("bits", "encoding", "suffix", "layout"),
    [
        (10, Encoding(), ".mp4", None),
        (10, Encoding("hevc", pix_fmt="yuv444p10le", crf=0), ".mkv", None),
        (10, Encoding("prores"), ".mov", None),
        (12, Encoding("ffv1", pix_fmt="yuv444p12le"), ".mkv", "exact"),
        (10, Encoding("ffv1", pix_fmt="yuv444p10le"), ".mkv", "exact"),
        (10, Encoding("h264", lossless=True), ".mkv", "exact"),
    ],
    ids=lambda value: value.codec if isinstance(value, Encoding) else str(value),
)
def test_ten_bits_come_out_of_ten_bits(tmp_path, weights, bits, encoding, suffix, layout):
    """Levels between those of 8 bits survive."""
    source, target = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    wide = 700  # more than 256 levels
    planes = ramp(bits, wide)
    make_film(av, source, [planes] * 2, layout=f"yuv444p{bits}le", colorspace=1, color_range=1)
    run(source, target, weights, encoding=encoding)
    (stored, *_), _ = look_at(av, target)
    y = planes_of(stored, np.uint16)[0][32, 1::4]
    assert stored.format.components[0].bits == bits
    if layout == "exact":
        np.testing.assert_array_equal(y, planes[0][0])
    else:
        assert np.abs(y.astype(int) - planes[0][0]).max() <= 6
    assert len(np.unique(y)) > 350


def test_more_than_256_levels_in_a_folder_of_png(tmp_path, weights):
    source = tmp_path / "in.mkv"
    planes = ramp(10, 700)
    make_film(av, source, [planes] * 2, layout="yuv444p10le", colorspace=1, color_range=1)
    run(source, tmp_path / "out", weights)
    frame = read_deep_picture(tmp_path / "out" / "00000000.png")
    assert frame.dtype == np.uint16
    wanted = np.rint((planes[0][0].astype(float) - 64) / 876 * 65535)
    assert np.abs(frame[0, ::4, 1] - wanted).max() <= 1
    run(source, tmp_path / "eight", weights, bits=8)
    assert read_deep_picture(tmp_path / "eight" / "00000000.png").dtype == np.uint8


@pytest.mark.parametrize("reach", [LIMITED, FULL])
@pytest.mark.parametrize("layout", ["gray10le", "gbrp12le", "yuv422p10le", "yuv420p12le"])
def test_white_is_white_and_black_black_of_any_depth(tmp_path, layout, reach):
    bits = 12 if "12" in layout else 10
    rgb = layout.startswith("gbrp")
    full = reach == FULL or rgb
    low, high = (0, 2**bits - 1) if full else (16 << bits - 8, 235 << bits - 8)
    y = np.full((8, 16), low, np.uint16)
    y[:, 8:] = high
    grey = np.full((8 if "422" in layout else 4, 8), 2 ** (bits - 1), np.uint16)
    planes = [y] if "gray" in layout else [y, y, y] if rgb else [y, grey, grey]
    make_film(av, tmp_path / "v.mkv", [planes], layout=layout, colorspace=0 if rgb else 1,
              color_range=FULL if rgb else reach)  # fmt: skip
    frame = open_frames(tmp_path / "v.mkv").read(0, 1)[0]
    assert frame.dtype == np.uint16
    assert np.unique(frame[:, :6]).tolist() == [0]
    assert np.unique(frame[:, 10:]).tolist() == [65535]


def test_interlaced_films_come_with_a_note(tmp_path, weights):
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"x264-params": "interlaced=1"})
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for frame in smooth(4, 32, 32):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    done = run(tmp_path / "in.mkv", tmp_path / "out", weights)
    assert "interlaced" in done.notes[0]


def test_sixteen_bit_pictures_there_and_back(tmp_path, weights):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 65536, (3, 9, 11, 3), dtype=np.uint16)
    for index, frame in enumerate(frames):
        save_picture(tmp_path / "in" / f"{index}.png", frame)
        np.testing.assert_array_equal(read_deep_picture(tmp_path / "in" / f"{index}.png"), frame)
    run(tmp_path / "in", tmp_path / "out", weights)
    for index, frame in enumerate(frames):
        restored = read_deep_picture(tmp_path / "out" / f"{index}.png")
        np.testing.assert_array_equal(restored, frame.repeat(4, 0).repeat(4, 1))
    run(tmp_path / "in", tmp_path / "v.mkv", weights, encoding=Encoding("ffv1"))
    stored = look_at(av, tmp_path / "v.mkv")[0][1]
    assert stored.format.name == "gbrp16le"
    green, _, red = planes_of(stored, np.uint16)
    np.testing.assert_array_equal(red[::4, ::4], frames[1, ..., 0])
    np.testing.assert_array_equal(green[::4, ::4], frames[1, ..., 1])


@pytest.mark.parametrize(
    ("encoding", "suffix"),
    [
        (Encoding("ffv1"), ".mkv"),
        (Encoding("h264", lossless=True), ".mp4"),
        (Encoding("hevc", lossless=True), ".mkv"),
    ],
    ids=lambda value: value.codec if isinstance(value, Encoding) else value,
)
def test_without_loss_frames_are_those_of_the_folder(tmp_path, weights, encoding, suffix):
    rng = np.random.default_rng(1)
    for index in range(3):
        save_picture(tmp_path / "in" / f"{index}.png", rng.integers(0, 256, (8, 9, 3), np.uint8))
    run(tmp_path / "in", tmp_path / "out", weights)
    run(tmp_path / "in", tmp_path / f"v{suffix}", weights, encoding=encoding)
    for index, picture in enumerate(look_at(av, tmp_path / f"v{suffix}")[0]):
        wanted = read_deep_picture(tmp_path / "out" / f"{index}.png")
        np.testing.assert_array_equal(picture.reformat(format="rgb24").to_ndarray(), wanted)


@pytest.mark.parametrize(
    ("codec", "suffix", "name"),
    [("av1", ".mp4", "av1"), ("hevc", ".mp4", "hevc"), ("prores", ".mov", "prores")],
)
def test_codecs(tmp_path, weights, codec, suffix, name):
    frames = smooth(3, 40, 48)
    make_film(av, tmp_path / "in.mkv", frames, layout="bgr0")
    run(tmp_path / "in.mkv", tmp_path / f"out{suffix}", weights, encoding=Encoding(codec))
    pictures, stream = look_at(av, tmp_path / f"out{suffix}")
    assert len(pictures) == 3 and name in stream.codec
    shown = pictures[1].reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert np.abs(shown.astype(int) - frames[1].repeat(4, 0).repeat(4, 1)).mean() < 4


@pytest.mark.parametrize(
    ("encoding", "suffix", "says"),
    [
        (Encoding("ffv1"), ".mp4", r"--codec ffv1 in a \.mp4 file: it is stored in \.mkv"),
        (Encoding("prores", crf=3), ".mov", "--crf 3: it has a fixed quality"),
        (Encoding("h264", crf=90), ".mp4", "--crf 90: need 0 to 51"),
        (Encoding("av1", pix_fmt="yuv444p"), ".mp4", "--pix-fmt yuv444p: av1 .*yuv420p10le"),
        (Encoding("av1", lossless=True), ".mp4", "need one of h264, hevc or ffv1"),
        (Encoding(pix_fmt="gray"), ".mp4", "--pix-fmt gray: h264 .* has yuv420p"),
    ],
)
def test_encodings_that_cannot_be_are_refused_before_any_work(
    tmp_path, weights, encoding, suffix, says
):
    make_film(av, tmp_path / "in.mkv", smooth(2))
    with pytest.raises(RestoreError, match=says):
        run(tmp_path / "in.mkv", tmp_path / f"out{suffix}", weights, encoding=encoding)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "w.bin"]


def test_an_encoder_that_this_pyav_lacks(tmp_path, weights, monkeypatch):
    from rvrt.restoration import encoding

    lacking = encoding.Codec(("libnothing",), (".mp4",), {8: "yuv420p"}, (1, 2))
    monkeypatch.setitem(encoding.CODECS, "av1", lacking)
    make_film(av, tmp_path / "in.mkv", smooth(2))
    with pytest.raises(RestoreError, match=r"has no encoder libnothing; choose another codec"):
        run(tmp_path / "in.mkv", tmp_path / "out.mp4", weights, encoding=Encoding("av1"))


@pytest.mark.parametrize("bits", [8, 10])
def test_half_the_scale_is_matlabs_bicubic_of_the_whole(tmp_path, weights, bits):
    rng = np.random.default_rng(2)
    kind = np.uint8 if bits == 8 else np.uint16
    frame = rng.integers(0, np.iinfo(kind).max + 1, (7, 9, 3)).astype(kind)
    save_picture(tmp_path / "in" / "0.png", frame)
    run(tmp_path / "in", tmp_path / "out", weights, scale=2)
    most = np.iinfo(kind).max
    whole = frame.repeat(4, 0).repeat(4, 1) / np.float64(most)
    wanted = np.rint(np.clip(slow_imresize(whole, 0.5), 0, 1) * most)
    found = read_deep_picture(tmp_path / "out" / "0.png").astype(float)
    assert found.shape == (14, 18, 3)
    # In single precision a value next to a half may be rounded to its other side.
    assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < (0.001, 0.1)[bits > 8]
    with pytest.raises(RestoreError, match="--scale 5: the network enlarges 4 times"):
        run(tmp_path / "in", tmp_path / "five", weights, scale=5)
    with pytest.raises(RestoreError, match=r"27x21 in yuv420p.*another --pix-fmt or --scale"):
        run(
            tmp_path / "in",
            tmp_path / "odd.mp4",
            weights,
            scale=3,
            encoding=Encoding(pix_fmt="yuv420p"),
        )


def with_sound_and_text(path, seconds=2):
    """A film of 25 frames a second, a tone, and a subtitle each half second, as Matroska has it."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 32, 24, "yuv420p"
        sound = out.add_stream("flac", rate=16000)  # AAC begins before its beginning
        sound.layout, sound.format = "mono", "s16"
        wave = (9000 * np.sin(np.arange(16000 * seconds) / 8)).astype(np.int16)[None]
        block = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        block.sample_rate, block.pts = 16000, 0
        for frame in smooth(25 * seconds):
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux([*sound.encode(block), *sound.encode(None), *video.encode(None)])


def add_text(path, target):
    """The same with subtitles: SubRip made by hand, copied by PyAV."""
    text = "".join(
        f"{n + 1}\n00:00:0{n // 2},{n % 2 * 5}00 --> 00:00:0{n // 2},{n % 2 * 5 + 3}00\n"
        f"line {n}\n\n"
        for n in range(4)
    )
    path.with_suffix(".srt").write_text(text)
    with (
        av.open(str(path)) as film,
        av.open(str(path.with_suffix(".srt"))) as lines,
        av.open(str(target), "w") as out,
    ):
        streams = {}
        for container in (film, lines):
            for stream in container.streams:
                streams[container, stream.index] = out.add_stream_from_template(stream)
        for container in (lines, film):
            for packet in container.demux():
                if packet.size:
                    packet.stream = streams[container, packet.stream.index]
                    out.mux(packet)


def packets_of(path, kind):
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)
        if not stream:
            return []
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream[0])
            if packet.size
        ]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A film with sound and subtitles, made once."""
    folder = tmp_path_factory.mktemp("spoken")
    with_sound_and_text(folder / "plain.mkv")
    add_text(folder / "plain.mkv", folder / "in.mkv")
    return folder / "in.mkv"


def test_sound_and_subtitles_are_copied(tmp_path, weights, spoken):
    run(spoken, tmp_path / "out.mkv", weights)
    for kind in ("audio", "subtitles"):
        before, after = packets_of(spoken, kind), packets_of(tmp_path / "out.mkv", kind)
        assert [data for _, data in after] == [data for _, data in before] and len(after) >= 4
        assert [time for time, _ in after] == pytest.approx([t for t, _ in before], abs=0.003)
    run(spoken, tmp_path / "mute.mkv", weights, sound=False, subtitles=False)
    assert not packets_of(tmp_path / "mute.mkv", "audio")
    assert not packets_of(tmp_path / "mute.mkv", "subtitles")


def test_subtitles_that_a_container_cannot_hold_are_no_surprise_at_the_end(
    tmp_path, weights, spoken
):
    with pytest.raises(RestoreError, match=r"subtitle.*\.mkv.*--no-subtitles"):
        run(spoken, tmp_path / "out.mp4", weights)
    assert not list(tmp_path.glob("out*"))
    run(spoken, tmp_path / "out.mp4", weights, subtitles=False)
    assert packets_of(tmp_path / "out.mp4", "audio")


def test_a_part_has_its_part_of_the_sound(tmp_path, weights, spoken):
    choice = Choice(Fraction("0.5"), Fraction("1.5"), "none")
    run(spoken, tmp_path / "out.mkv", weights, choice=choice)
    whole = packets_of(spoken, "audio")
    wanted = [(t - 0.52, data) for t, data in whole if 0.52 <= t < 1.5]
    found = packets_of(tmp_path / "out.mkv", "audio")
    assert [data for _, data in found] == [data for _, data in wanted]
    assert [t for t, _ in found] == pytest.approx([t for t, _ in wanted], abs=0.002)
    assert len(look_at(av, tmp_path / "out.mkv")[0]) == 25
    text = packets_of(tmp_path / "out.mkv", "subtitles")
    assert [data for _, data in text] == [b"line 2"]


def test_transparent_films_are_refused_and_opaque_ones_are_not(tmp_path, weights):
    frames = np.full((2, 16, 16, 4), 255, np.uint8)
    for name, least in (("opaque.mkv", 255), ("glass.mkv", 100)):
        frames[1, 3, 4, 3] = least
        with av.open(str(tmp_path / name), "w") as out:
            stream = out.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = 16, 16, "bgra"
            for frame in frames:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgba")))
            out.mux(stream.encode(None))
    run(tmp_path / "opaque.mkv", tmp_path / "out", weights)
    with pytest.raises(VideoError, match=r"glass\.mkv: frame 1 is transparent"):
        run(tmp_path / "glass.mkv", tmp_path / "out2", weights)


def test_overwrite_replaces_what_another_run_made_and_nothing_else(tmp_path, weights):
    make_film(av, tmp_path / "in.mkv", smooth(3))
    target, folder = tmp_path / "out.mkv", tmp_path / "out"
    run(tmp_path / "in.mkv", target, weights)
    run(tmp_path / "in.mkv", folder, weights)
    before = target.read_bytes()
    with pytest.raises(RestoreError, match="choose another name"):
        run(tmp_path / "in.mkv", target, weights, scale=2)
    assert target.read_bytes() == before
    assert run(tmp_path / "in.mkv", target, weights, scale=2, overwrite=True).restored == 3
    assert look_at(av, target)[0][0].width == 64
    with pytest.raises(OutputError, match="choose another output"):
        run(tmp_path / "in.mkv", folder, weights, scale=2)
    (folder / "mine.png").write_bytes(b"mine")
    with pytest.raises(RestoreError, match=r"1 others are there, mine\.png the first"):
        run(tmp_path / "in.mkv", folder, weights, scale=2, overwrite=True)
    (folder / "mine.png").unlink()
    run(tmp_path / "in.mkv", folder, weights, scale=2, overwrite=True)
    assert read_deep_picture(folder / "00000002.png").shape == (48, 64, 3)


def test_bad_input(tmp_path, weights):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    with av.open(str(tmp_path / "none.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "yuv420p"
        out.start_encoding()
    for name, error, says in (
        ("empty.mp4", VideoError, "cannot be read as a video"),
        ("texts", FrameError, "no pictures"),
        ("none.mkv", VideoError, "(cannot be read|holds no)"),
        ("absent.mp4", RestoreError, "no such folder or video file"),
    ):
        with pytest.raises(error, match=f"{name}: .*{says}"):
            run(tmp_path / name, tmp_path / "out.mp4", weights)
        assert not list(tmp_path.glob("out*"))


def test_the_cover_of_a_song_is_no_film(tmp_path, weights):
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        cover = out.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = 0x400
        sound = out.add_stream("aac", rate=16000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate = 16000
        picture = av.VideoFrame(32, 32, "yuvj420p")
        picture.pts = 0
        out.mux([*cover.encode(picture), *cover.encode(None)])
        out.mux([*sound.encode(block), *sound.encode(None)])
    with pytest.raises(VideoError, match=r"song\.mp4: the file holds no video stream"):
        run(tmp_path / "song.mp4", tmp_path / "out", weights)


def test_folders_need_no_pyav(tmp_path, weights, monkeypatch):
    for index, frame in enumerate(smooth(3)):
        save_picture(tmp_path / "in" / f"{index}.png", frame)
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(tmp_path / "in", tmp_path / "out", weights, choice=Choice()).restored == 3
    with pytest.raises(VideoError, match="need PyAV"):
        run(tmp_path / "in", tmp_path / "out.mp4", weights)


NO_ROOM = """
import resource, sys
from pathlib import Path
from rvrt.restoration.jobs import Job
from rvrt.restoration.restore import restore
from rvrt.restoration.media import open_frames
from rvrt.restoration.parts import Choice
from tests.rvrt.restoration.test_films import Repeat
from rvrt.restoration.restorer import Cutting, Restorer
from vimeo_tools.errors import OutputError

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
source, target = map(Path, sys.argv[1:3])
job = Job(source, target, source, Choice(cuts="none"))
try:
    restore(job, Restorer(Repeat(), Cutting(padding="borders")))
except OutputError as error:
    print(error)
"""


def test_no_room_for_the_video(tmp_path):
    rng = np.random.default_rng(0)
    noise = list(rng.integers(0, 256, (12, 24, 32, 3), np.uint8))
    make_film(av, tmp_path / "in.mkv", noise, layout="bgr0")
    target = tmp_path / "out.mkv"
    room = 40_000  # for a frame, not for the film
    command = [sys.executable, "-c", NO_ROOM, tmp_path / "in.mkv", target, str(room)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "out.mkv: cannot be written: File too large" in done.stdout
    assert not target.exists()
    assert len(list((tmp_path / "out.mkv.frames").glob("*.png"))) == 12
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != room
