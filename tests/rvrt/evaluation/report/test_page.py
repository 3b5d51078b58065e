"""The report of an evaluation: one page that needs nothing but itself and shows every number.

The pictures called ours are mixtures made here, of no network.
"""

import base64
import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rvrt.evaluation.report.page import SequenceScores, ranked, write_report
from rvrt.evaluation.sheets import most_different
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
        if "style" in self.open:
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
        "protocol": "centre",
        "split": "test",
        "sequences": len(sequences),
        "frames": len(sequences),
        "nan_frames": 0,
        "settings": {
            "gt": str(folder.parent / "data" / "sequences"),
            "lq": "made from GT, convention double",
            "protocol": "centre",
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
            {"name": "RVRT, authors", "psnr_y": 38.15, "ssim_y": 0.9527, "protocol": "centre"},
            {"name": "RVRT, mindediting", "psnr_y": 38.12, "ssim_y": None, "protocol": "centre"},
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
        assert tag not in ("script", "link", "iframe", "object", "base", "form"), tag
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "data", "srcset", "poster", "action"):
                assert value.startswith(("data:image/", "#")), (tag, name, value[:60])
            assert not name.startswith("on")
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))", html)
    namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    assert "http://" not in namespaces and "https://" not in namespaces


def test_ids_are_unique_and_references_find_theirs(three):
    page = report(three)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0
    html = (three / "report.html").read_text()
    used = re.findall(r'xlink:href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html)
    assert used and set(used) <= set(ids)


def test_the_worst_come_first_and_pictures_are_exact(three):
    page = report(three)
    worst, best = page.headings.index("00001/0002"), page.headings.index("00001/0003")
    assert page.headings[worst - 1] == "The worst sequences"
    assert page.headings[best - 1] == "The best sequences"
    images = pictures(0)
    top, left = most_different(images["bicubic"], images["ours"], (16, 28))
    top, left = top // 4 * 4, left // 4 * 4
    for title in ("bicubic", "ours", "GT"):
        detail = page.pictures(f"detail of 00001/0002, {title}")
        whole = images[title.lower()]
        assert np.array_equal(detail, whole[top : top + 16, left : left + 28])
        assert page.pictures(f"00001/0002, {title}").shape == whole.shape
    lq = page.pictures("detail of 00001/0002, LQ")
    assert np.array_equal(lq, images["lq"][top // 4 : top // 4 + 4, left // 4 : left // 4 + 7])
    boxes = [attributes["style"] for _, attributes in page.tags if attributes.get("class") == "box"]
    assert boxes[0] == (
        f"left:{100 * left / 112:.3f}%;top:{100 * top / 64:.3f}%;width:25.000%;height:25.000%"
    )


def test_large_pictures_are_shown_small_and_their_details_exact(tmp_path):
    write_evaluation(tmp_path, {"city": ("", 30.0, 25.0)})
    write_pictures(tmp_path, "city", pictures(0, 540, 960))
    page = report(tmp_path)
    assert page.pictures("city, GT").shape == (360, 640, 3)
    assert page.pictures("detail of city, GT").shape == (88, 160, 3)
    assert page.pictures("detail of city, LQ").shape == (22, 40, 3)


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
    assert "script" not in {tag for tag, _ in page.tags}
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
    titles = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert len(titles) == 6 and not any("ours" in title for title in titles)
    assert "Gain of each sequence" not in page.headings
    assert "None" not in page.text and "nan" not in page.text


def test_everything_is_said_once(three):
    text = " ".join(report(three).text.split())
    assert text.count("0f" * 32) == 1 and text.count("CPU") == 1
    assert "network rvrt" in text.replace("networkrvrt", "network rvrt")


def test_a_network_of_no_preset_has_the_name_of_its_file(tmp_path):
    weights = {"path": "/home/me/runs/best.safetensors", "sha256": "0f" * 32, "preset": None}
    write_evaluation(tmp_path, {"a": ("", 30.0, 29.0)}, weights=weights)
    page = report(tmp_path)
    assert "centre frame, best." in " ".join(page.text.split())
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
    svg = html[html.index("<svg") : html.index("</svg>")]
    steps = []
    for path, style in re.findall(r'<path d="([^"]+)"[^>]*style="([^"]+)"', svg):
        if "var(--ours)" in style or "var(--bicubic)" in style:
            steps.append({float(x) for x, _ in re.findall(r"([\d.]+) ([\d.]+)", path)})
    steps = [edges for edges in steps if len(edges) > 4]
    assert len(steps) >= 2
    edges = sorted(set().union(*steps))
    assert np.ptp(np.diff(edges)) < 1e-3 * (edges[1] - edges[0])


def test_vid4_is_set_beside_its_own_figures(tmp_path):
    published = [{"name": "RVRT, authors", "psnr_y": 27.99, "ssim_y": 0.8462, "protocol": "all"}]
    published += [
        {"name": "x", "psnr_y": None, "ssim_y": None, "psnr_rgb": 32.75, "protocol": "centre"}
    ]
    write_evaluation(tmp_path, {"city": ("", 28.0, 25.0)}, published=published, protocol="all")
    page = report(tmp_path)
    assert page.row("RVRT, authors published")[1] == "27.99 / 0.8462"
    assert page.row("x published, centre frame")[1:] == ["\N{EN DASH}", "32.75"]
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
        return SequenceScores(key, "", scores(value), scores(1.0))

    order = [one("a", math.inf), one("b", 30.0), one("c", math.nan), one("d", 29.0)]
    assert [item.key for item in ranked(order)] == ["c", "d", "b", "a"]


def test_the_full_list_gives_a_small_page(tmp_path):
    rng = np.random.default_rng(0)
    sequences = {
        f"{i:05}/0001": ("", 31 + 3 * gain, 31 - gain)
        for i, gain in enumerate(rng.standard_normal(7824))
    }
    write_evaluation(tmp_path, sequences)
    page = report(tmp_path)
    assert "this run measured" not in page.text
    assert (tmp_path / "report.html").stat().st_size < 150_000


def test_what_is_missing_or_damaged_is_named(three):
    home = three / "pictures" / "00001_0002"
    good = (home / "ours.png").read_bytes()
    (home / "ours.png").write_bytes(good[:60])
    with pytest.raises(OutputError, match=r"00001_0002/ours\.png: the picture cannot be decoded"):
        write_report(three)
    Image.fromarray(pictures(0)["gt"][:60]).save(home / "ours.png")
    with pytest.raises(OutputError, match=r"do not belong together: lq 28x16, .*ours 112x60"):
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
