"""The report of an evaluation: one page that needs nothing but itself and shows every number.

The pictures called ours are mixtures made here, of no network.
"""

import base64
import csv
import hashlib
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rvrt.errors import EvaluationError
from rvrt.evaluation.metrics import luma
from rvrt.evaluation.report.page import write_comparison, write_report
from rvrt.evaluation.report.runs import SequenceScores, ranked
from vimeo_tools.errors import OutputError

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
COLUMNS = ["key", "group", *METRICS, *(f"bicubic_{name}" for name in METRICS), "seconds"]
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """A page as the tests ask about it; raises where its tags do not nest."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text, self.headings = [], [], "", []
        self.rows = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"style", "script"} & set(self.open):
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data

    def row(self, name):
        return next(
            [re.sub(r"\s+", " ", cell).strip() for cell in row]
            for row in self.rows
            if row[0].strip() == name
        )

    def pictures(self, alt):
        (source,) = [a["src"] for tag, a in self.tags if tag == "img" and a["alt"].startswith(alt)]
        head, _, data = source.partition(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert head == f"data:image/{picture.format.lower()}"
            return np.asarray(picture.convert("RGB"))


def scores(psnr_y, ssim_y=0.9):
    return dict(zip(METRICS, (psnr_y, ssim_y, psnr_y - 2, ssim_y - 0.01), strict=True))


def pictures(seed, height=64, width=112):
    rng = np.random.default_rng(seed)
    gt = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    bicubic = rng.integers(0, 256, gt.shape, dtype=np.uint8)
    mixture = (gt // 2 + bicubic // 2).astype(np.uint8)
    return {"lq": gt[::4, ::4], "bicubic": bicubic, "ours": mixture, "gt": gt}


def write_pictures(folder, key, images):
    home = folder / "pictures" / key.replace("/", "_")
    home.mkdir(parents=True)
    for name, image in images.items():
        Image.fromarray(np.ascontiguousarray(image)).save(home / f"{name}.png")


def write_evaluation(folder, sequences, **changes):
    """results.json and per_sequence.csv as rvrt-eval writes them; key -> (group, ours, bicubic)."""
    results = {
        "title": "rvrt on vimeo_septuplet test",
        "protocol": "vimeo-centre",
        "split": "test",
        "sequences": len(sequences),
        "frames": len(sequences),
        "nan_frames": 0,
        "settings": {
            "gt": str(folder.parent / "data" / "sequences"),
            "lq": "made from GT, convention double",
            "protocol": "vimeo-centre",
            "weights_sha256": "0f" * 32,
            "device": "CPU",
            "tile": None,
        },
        "weights": {"path": "w.safetensors", "sha256": "0f" * 32, "preset": "rvrt"},
        "versions": {"numpy": "1.26.4"},
        "device": "CPU, 2 cores",
        "seconds_per_call": 41.25,
        "peak_memory_bytes": 5_250_000_000,
        "means": {"ours": scores(36.789, 0.9432), "bicubic": scores(31.321, 0.8684)},
        "groups": {},
        "published": [
            {
                "name": "RVRT, authors",
                "psnr_y": 38.15,
                "ssim_y": 0.9527,
                "protocol": "vimeo-centre",
            },
            {
                "name": "RVRT, mindediting",
                "psnr_y": 38.12,
                "ssim_y": None,
                "protocol": "vimeo-centre",
            },
        ],
    }
    (folder / "results.json").write_text(json.dumps({**results, **changes}))
    with (folder / "per_sequence.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for key, (group, ours, bicubic) in sequences.items():
            ours = scores(ours).values() if ours is not None else [""] * 4
            writer.writerow([key, group, *ours, *scores(bicubic).values(), 1.5])


def report(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    assert not [other for other in folder.iterdir() if ".part" in other.name]
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def three(tmp_path):
    """Three sequences, of which two have pictures."""
    groups = {
        "slow": {"sequences": 2, "ours": scores(40.5), "bicubic": scores(33.25)},
        "fast": {"sequences": 1, "ours": scores(29.0), "bicubic": scores(29.5)},
    }
    sequences = {
        "00001/0001": ("slow", 40.0, 33.0),
        "00001/0002": ("fast", 29.0, 29.5),
        "00001/0003": ("slow", 41.0, 33.5),
    }
    write_evaluation(tmp_path, sequences, groups=groups)
    for seed, key in enumerate(["00001/0002", "00001/0003"]):
        write_pictures(tmp_path, key, pictures(seed))
    return tmp_path


def test_every_number_of_the_means_and_groups_is_in_the_tables(three):
    page = report(three)
    assert page.row("this run") == ["this run", "36.79 / 0.9432", "34.79 / 0.9332"]
    assert page.row("bicubic, this run")[1:] == ["31.32 / 0.8684", "29.32 / 0.8584"]
    assert page.row("RVRT, authors published")[1:] == ["38.15 / 0.9527", "\N{EN DASH}"]
    assert page.row("RVRT, mindediting published")[1:] == ["38.12", "\N{EN DASH}"]
    assert page.row("slow 2")[1:] == ["40.50 / 0.9000", "33.25 / 0.9000", "+7.25"]
    assert page.row("fast 1")[1:] == ["29.00 / 0.9000", "29.50 / 0.9000", "-0.50"]
    for shown in (
        "+5.47",
        "2 of 3 are better",
        "0f" * 32,
        "1.26.4",
        "41.25 s",
        "5.25 GB",
        "double",
    ):
        assert shown in page.text, shown
    assert "this run measured 3" in " ".join(page.text.split())


def test_the_page_loads_nothing(three):
    page = report(three)
    html = (three / "report.html").read_text()
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "base", "form"), tag
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "data", "srcset", "poster", "action"):
                assert value.startswith(("data:image/", "#")), (tag, name, value[:60])
            assert not name.startswith("on")
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))", html)
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html and "default-src 'none'; img-src data:;" in html
    namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert "http://" not in namespaces and "https://" not in namespaces


def test_ids_are_unique_and_references_find_theirs(three):
    page = report(three)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0
    used = [
        attributes[name].removeprefix("#")
        for _, attributes in page.tags
        for name in ("href", "aria-labelledby", "data-status")
        if name in attributes
    ]
    assert used and set(used) <= set(ids)


def test_the_worst_come_first_and_pictures_are_exact(three):
    page = report(three)
    assert page.headings.index("00001/0002") < page.headings.index("00001/0003")
    images = pictures(0)
    errors = {name: (luma(images[name]) - luma(images["gt"])) ** 2 for name in ("bicubic", "ours")}
    gain = errors["bicubic"] - errors["ours"]
    sums = {(y, x): gain[y : y + 36, x : x + 64].sum() for y in range(29) for x in range(49)}
    for what, corner in (
        ("ours gains most over bicubic", max(sums, key=sums.get)),
        ("ours loses most to bicubic", min(sums, key=sums.get)),
    ):
        top, left = (place // 4 * 4 for place in corner)
        for title in ("bicubic", "ours", "GT"):
            detail = page.pictures(f"{what}, 00001/0002, {title}")
            whole = images[title.lower()]
            assert np.array_equal(detail, whole[top : top + 36, left : left + 64])
            assert page.pictures(f"00001/0002, {title}").shape == whole.shape
        lq = page.pictures(f"{what}, 00001/0002, LQ")
        small = images["lq"][top // 4 : top // 4 + 9, left // 4 : left // 4 + 16]
        assert np.array_equal(lq, small)
        style = (
            f"left:{100 * left / 112:.3f}%;top:{100 * top / 64:.3f}%;"
            f"width:{100 * 64 / 112:.3f}%;height:56.250%"
        )
        assert style in [attributes.get("style") for _, attributes in page.tags]


def test_large_pictures_are_shown_small_and_their_details_exact(tmp_path):
    write_evaluation(tmp_path, {"city": ("", 30.0, 25.0)})
    write_pictures(tmp_path, "city", pictures(0, 540, 960))
    page = report(tmp_path)
    assert page.pictures("city, GT").shape == (360, 640, 3)
    assert page.pictures("ours gains most over bicubic, city, GT").shape == (36, 64, 3)
    assert page.pictures("ours gains most over bicubic, city, LQ").shape == (9, 16, 3)


def test_a_malicious_name_stays_text(tmp_path):
    evil = "<script>alert('1')<|script>\"&"
    groups = {evil: {"sequences": 1, "ours": scores(30.0), "bicubic": scores(29.0)}}
    write_evaluation(
        tmp_path,
        {evil: (evil, 30.0, 29.0)},
        title=evil,
        split=evil,
        protocol=evil,
        device=evil,
        groups=groups,
        settings={evil: evil},
        versions={evil: evil},
        weights={"path": evil, "sha256": evil, "preset": None},
        published=[{"name": evil, "psnr_y": 1, "ssim_y": 1, "protocol": evil}],
    )
    write_pictures(tmp_path, evil, pictures(0))
    page = report(tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert page.headings.count(evil) == 2 and page.text.count(evil) >= 12
    assert f"{evil}, GT" in {attributes.get("alt") for _, attributes in page.tags}


def test_bicubic_alone(tmp_path):
    write_evaluation(
        tmp_path,
        {"00001/0001": ("slow", None, 33.0), "00001/0002": ("slow", None, 30.0)},
        means={"ours": None, "bicubic": scores(31.5)},
        groups={"slow": {"sequences": 2, "ours": None, "bicubic": scores(31.5)}},
        weights=None,
        seconds_per_call=None,
        peak_memory_bytes=None,
    )
    images = pictures(0)
    del images["ours"]
    write_pictures(tmp_path, "00001/0002", images)
    page = report(tmp_path)
    assert "bicubic alone, no network" in page.text and "this run measured 2" in page.text
    assert page.row("slow 2") == ["slow 2", "31.50 / 0.9000"]
    titles = [a["alt"] for tag, a in page.tags if tag == "img" and a["alt"]]
    assert len(titles) == 6 and not any("ours" in title for title in titles)
    assert "Each sequence against bicubic" not in page.headings
    assert "None" not in page.text and "nan" not in page.text


def test_everything_is_said_once(three):
    text = " ".join(report(three).text.split())
    assert text.count("0f" * 32) == 1 and text.count("CPU") == 1
    assert "network rvrt" in text.replace("networkrvrt", "network rvrt")


def test_a_network_of_no_preset_has_the_name_of_its_file(tmp_path):
    weights = {"path": "/home/me/runs/best.safetensors", "sha256": "0f" * 32, "preset": None}
    write_evaluation(tmp_path, {"a": ("", 30.0, 29.0)}, weights=weights)
    page = report(tmp_path)
    assert "Y, best." in " ".join(page.text.split())
    assert "best.safetensors" in page.text and "/home/me" not in page.text


def test_paths_of_the_data_are_relative(tmp_path):
    (tmp_path / "out").mkdir()
    write_evaluation(tmp_path / "out", {"a": ("", 30.0, 29.0)})
    page = report(tmp_path / "out")
    assert "../data/sequences" in page.text and str(tmp_path) not in page.text


def test_the_same_results_give_the_same_bytes(three):
    report(three)
    first = (three / "report.html").read_bytes()
    (three / "report.html").unlink()
    report(three)
    assert (three / "report.html").read_bytes() == first


def test_both_series_of_the_histogram_share_their_bins(tmp_path):
    rng = np.random.default_rng(0)
    bicubic, ours = rng.normal(30, 3, 200), rng.normal(34.3, 2, 200)
    sequences = {f"{i}": ("", a, b) for i, (a, b) in enumerate(zip(ours, bicubic, strict=True))}
    write_evaluation(tmp_path, sequences)
    html = report(tmp_path) and (tmp_path / "report.html").read_text()
    drawn = re.findall(r'<path class="bars (\w+)" d="([^"]+)"', html)
    assert [kind for kind, _ in drawn] == ["bicubic", "run0"]
    places = [[float(x) for x, _ in re.findall(r"([\d.]+) ([\d.]+)", path)] for _, path in drawn]
    assert places[0] == places[1]
    edges = sorted(set(places[0]))
    assert np.ptp(np.diff(edges)) <= 0.2 and len(edges) > 6
    (dots,) = re.findall(r'<path class="dots run0" d="([^"]+)"', html)
    assert dots.count("M") == 200


def test_vid4_is_set_beside_its_own_figures(tmp_path):
    published = [{"name": "RVRT, authors", "psnr_y": 27.99, "ssim_y": 0.8462, "protocol": "vid4"}]
    published += [
        {"name": "x", "psnr_y": None, "ssim_y": None, "psnr_rgb": 32.75, "protocol": "vimeo-centre"}
    ]
    write_evaluation(tmp_path, {"city": ("", 28.0, 25.0)}, published=published, protocol="vid4")
    page = report(tmp_path)
    assert page.row("RVRT, authors published")[1] == "27.99 / 0.8462"
    assert page.row("x published, vimeo-centre")[1:] == ["\N{EN DASH}", "32.75"]
    assert "7,824" not in page.text and "all frames" in page.text


def test_one_sequence_without_pictures_or_groups(tmp_path):
    write_evaluation(tmp_path, {"00001/0001": ("", 33.0, 30.0)}, published=[])
    page = report(tmp_path)
    assert page.headings.count("PSNR of the sequences") == 1
    assert "By motion" not in page.headings and not [t for t, _ in page.tags if t == "img"]


def test_infinite_scores_are_shown_and_not_drawn(tmp_path):
    means = {"ours": scores(30.0) | {"psnr_y": "inf", "psnr_rgb": "inf"}, "bicubic": scores(30.0)}
    sequences = {"a": ("", math.inf, 30.0), "b": ("", 31.0, 30.0)}
    write_evaluation(tmp_path, sequences, means=means)
    page = report(tmp_path)
    assert page.row("this run")[1] == "inf / 0.9000"
    assert "2 of 2 are better" in page.text and "Not drawn: 1 without" in page.text


def test_nothing_finite_leaves_the_plots_out(tmp_path):
    means = {"ours": scores(30.0) | {"psnr_y": "inf"}, "bicubic": scores(30.0) | {"psnr_y": "inf"}}
    write_evaluation(tmp_path, {"a": ("", math.inf, math.inf)}, means=means)
    assert "svg" not in {tag for tag, _ in report(tmp_path).tags}


def test_nan_frames_are_a_warning(three):
    assert "NaN" not in report(three).text
    results = json.loads((three / "results.json").read_text())
    (three / "results.json").write_text(json.dumps(results | {"nan_frames": 1234}))
    page = report(three)
    assert {"class": "warning", "role": "alert"} in [attributes for _, attributes in page.tags]
    assert "1,234 restored frames held NaN" in " ".join(page.text.split())


def test_rank_puts_nan_first_and_infinity_last():
    def one(key, value):
        return SequenceScores(scores(value), scores(1.0), key=key)

    order = [one("a", math.inf), one("b", 30.0), one("c", math.nan), one("d", 29.0)]
    assert [item.key for item in ranked(order, "psnr_y")] == ["c", "d", "b", "a"]


def test_the_full_list_gives_a_small_page(tmp_path):
    rng = np.random.default_rng(0)
    sequences = {
        f"{i:05}/0001": ("", 31 + 3 * gain, 31 - gain)
        for i, gain in enumerate(rng.standard_normal(7824))
    }
    write_evaluation(tmp_path, sequences)
    page = report(tmp_path)
    assert "this run measured" not in page.text
    assert (tmp_path / "report.html").stat().st_size < 400_000


def test_what_is_missing_or_damaged_is_named(three):
    home = three / "pictures" / "00001_0002"
    good = (home / "ours.png").read_bytes()
    (home / "ours.png").write_bytes(good[:60])
    with pytest.raises(OutputError, match=r"00001_0002/ours\.png: the picture cannot be decoded"):
        write_report(three)
    Image.fromarray(pictures(0)["gt"][:60]).save(home / "ours.png")
    with pytest.raises(OutputError, match=r"do not belong together: LQ 28x16, .*ours 112x60"):
        write_report(three)
    (home / "ours.png").unlink()
    with pytest.raises(OutputError, match=r"ours\.png"):
        write_report(three)
    (home / "ours.png").write_bytes(good)
    write_report(three)
    with (three / "per_sequence.csv").open("a") as file:
        file.write("00001/0004,slow,high,1,1,1,1,1,1,1,1\n")
    with pytest.raises(OutputError, match=r"per_sequence\.csv:5: not a line of scores"):
        write_report(three)
    (three / "per_sequence.csv").unlink()
    with pytest.raises(OutputError, match=r"per_sequence\.csv: cannot be read"):
        write_report(three)


def test_results_that_are_absent_or_of_another_form_are_named(tmp_path):
    with pytest.raises(OutputError, match=r"results\.json: not there; rvrt-eval writes it"):
        write_report(tmp_path)
    write_evaluation(tmp_path, {"a": ("", 30.0, 29.0)}, means={"ours": None})
    with pytest.raises(OutputError, match=r"results\.json: not of the form .*'bicubic'"):
        write_report(tmp_path)


def write_frames(folder, values):
    """per_frame.csv of key -> [(ours, bicubic), ...]."""
    with (folder / "per_frame.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["key", "frame", "psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y"])
        for key, frames in values.items():
            for number, (ours, bicubic) in enumerate(frames, 1):
                writer.writerow([key, f"im{number}", ours, ours / 100, bicubic, bicubic / 100])


def test_curves_and_slices_of_sequences_of_several_frames(three):
    write_frames(three, {"00001/0002": [(29.0, 28.0), (math.nan, 29.0), (31.0, 27.5)]})
    home = three / "pictures" / "00001_0002"
    rng = np.random.default_rng(3)
    for name, width in (("lq", 28), ("bicubic", 112), ("ours", 112), ("gt", 112)):
        picture = rng.integers(0, 256, (3, width, 3), dtype=np.uint8)
        Image.fromarray(picture).save(home / f"xt_{name}.png")
    page = report(three)
    html = (three / "report.html").read_text()
    labels = [a["aria-label"] for tag, a in page.tags if tag == "svg"]
    assert any(label.startswith("PSNR on Y of 00001/0002 by frame, 3 frames") for label in labels)
    assert any(label.startswith("SSIM on Y of 00001/0002") for label in labels)
    lines = re.findall(r'<path class="line (run0|bicubic)" d="([^"]+)"', html)
    assert [kind for kind, _ in lines] == ["bicubic", "run0"] * 2
    assert lines[1][1].count("M") == 2 and lines[0][1].count("M") == 1  # NaN breaks the line
    for name in ("LQ", "bicubic", "ours", "GT"):
        assert page.pictures(f"x-t slice of 00001/0002, {name}").shape[0] == 3


def test_every_sequence_is_in_the_table_of_scores(three):
    page = report(three)
    assert page.row("00001/0002") == [
        "00001/0002",
        "fast",
        "29.00",
        "0.9000",
        "29.50",
        "0.9000",
        "-0.50",
    ]


def test_the_mean_gain_has_its_interval(three):
    text = " ".join(report(three).text.split())
    assert (
        "ours over bicubic: +4.67 dB, 95 % interval -0.50 to +7.50 (paired bootstrap over 3" in text
    )


@pytest.fixture
def two_runs(three, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    sequences = {"00001/0001": ("slow", 40.5, 33.0), "00001/0002": ("fast", 29.25, 29.5)}
    write_evaluation(other, sequences)
    images = pictures(0)
    images["ours"] = images["gt"] // 3 * 2 + images["bicubic"] // 3
    write_pictures(other, "00001/0002", images)
    return three, other


def test_runs_side_by_side(two_runs, tmp_path):
    first, second = two_runs
    path = write_comparison([first, second], tmp_path / "both")
    page = Page(path.read_text())
    a, b = first.name, second.name
    text = " ".join(page.text.split())
    assert f"{a} and {b} compared" in page.headings
    assert f"{b} over {a}: +0.38 dB" in text and "1 sequence left out" in text
    assert "own figures differ" not in text
    assert page.row("00001/0002")[2:] == [
        "29.00",
        "0.9000",
        "29.25",
        "0.9000",
        "29.50",
        "0.9000",
        "-0.25",
    ]
    alts = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert [f"00001/0002, {name}" in alts for name in ("LQ", "bicubic", a, b, "GT")] == [True] * 5
    assert f"{b} gains most over {a}, 00001/0002, GT" in alts


def test_runs_that_cannot_be_compared(two_runs, tmp_path):
    first, second = two_runs
    write_evaluation(second, {"x": ("", 30.0, 29.0)})
    with pytest.raises(EvaluationError, match="no sequence in common"):
        write_comparison([first, second], tmp_path / "both")
    write_evaluation(second, {"00001/0001": ("", 30.0, 29.0)}, protocol="duf")
    with pytest.raises(EvaluationError, match=r"by protocol vimeo-centre, .* by duf"):
        write_comparison([first, second], tmp_path / "both")
    write_evaluation(second, {"00001/0001": ("", 40.0, 33.5)})
    page = Page(write_comparison([first, second], tmp_path / "both").read_text())
    assert "own figures differ from run to run" in " ".join(page.text.split())


@pytest.mark.slow
def test_pictures_become_coarser_before_a_page_is_too_large(tmp_path):
    rng = np.random.default_rng(0)
    write_evaluation(tmp_path, {f"{n}": ("", 30.0 + n, 25.0) for n in range(3)})
    noise = rng.integers(0, 256, (360, 640, 3), dtype=np.uint8)
    images = {"lq": noise[::4, ::4], "bicubic": noise, "ours": noise, "gt": noise}
    for n in range(3):
        write_pictures(tmp_path, f"{n}", images)
    page = report(tmp_path)
    assert (tmp_path / "report.html").stat().st_size <= 3_000_000
    assert page.pictures("2, GT").shape[1] < 640
