import math

from rvrt.evaluation.protocol import PUBLISHED_VIMEO
from rvrt.evaluation.results_table import results_table

BICUBIC = {"psnr_y": 31.321, "ssim_y": 0.86844, "psnr_rgb": 29.75, "ssim_rgb": 0.8476}
RESULTS = {
    "title": "bicubic on vimeo_septuplet test",
    "protocol": "centre",
    "sequences": 3,
    "means": {"ours": None, "bicubic": BICUBIC},
    "groups": {},
    "published": PUBLISHED_VIMEO,
    "seconds_per_call": None,
    "peak_memory_bytes": None,
    "device": "CPU, 2 cores",
}


def test_the_baseline_beside_published_figures():
    title, heads, bicubic, *published = results_table(RESULTS)
    assert title == "bicubic on vimeo_septuplet test, protocol centre, means over sequences"
    assert heads.split() == ["PSNR-Y", "SSIM-Y", "PSNR-RGB", "SSIM-RGB"]
    assert bicubic.split() == ["bicubic,", "all", "(3)", "31.32", "0.8684", "29.75", "0.8476"]
    assert published[0].split()[-2:] == ["38.15", "0.9527"]
    ends = {line.index(".") for line in (bicubic, *published)}
    assert len(ends) == 1  # one column


def test_a_network_with_groups_and_nan():
    ours = dict.fromkeys(BICUBIC, math.nan)
    group = {"sequences": 1, "ours": BICUBIC, "bicubic": BICUBIC}
    lines = list(
        results_table(
            {
                **RESULTS,
                "means": {"ours": ours, "bicubic": BICUBIC},
                "groups": {"slow": group},
                "published": [],
                "seconds_per_call": 2.319,
                "peak_memory_bytes": 11_700_000_000,
            }
        )
    )
    assert lines[2].split() == ["ours,", "all", "(3)", *["nan"] * 4]
    assert lines[4].startswith("ours, slow (1)") and lines[5].startswith("bicubic, slow (1)")
    assert "2.32 s a sequence" in lines[-1] and "11.7 GB, CPU, 2 cores" in lines[-1]
