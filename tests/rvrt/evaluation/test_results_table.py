import math

from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.results_table import results_table
from rvrt.evaluation.summary import Facts, Part, Results

BICUBIC = {"psnr_y": 31.321, "ssim_y": 0.86844, "psnr_rgb": 29.75, "ssim_rgb": 0.8476}


def facts(published):
    title = "bicubic on vimeo_septuplet test"
    return Facts(title, "vimeo-centre", "test", None, {}, "CPU, 2 cores", published, {})


def test_the_baseline_beside_published_figures():
    results = Results(
        facts(PROTOCOLS["vimeo-centre"].published), 3, 0, None, None, Part(3, None, BICUBIC)
    )
    title, heads, bicubic, *published = results_table(results)
    assert title == "bicubic on vimeo_septuplet test, protocol vimeo-centre, means over sequences"
    assert heads.split() == ["PSNR-Y", "SSIM-Y", "PSNR-RGB", "SSIM-RGB"]
    assert bicubic.split() == ["bicubic,", "all", "(3)", "31.32", "0.8684", "29.75", "0.8476"]
    assert published[0].split()[-2:] == ["38.15", "0.9527"]
    ends = {line.index(".") for line in (bicubic, *published)}
    assert len(ends) == 1  # one column


def test_a_network_with_groups_and_nan():
    whole = Part(3, dict.fromkeys(BICUBIC, math.nan), BICUBIC)
    slow = Part(1, BICUBIC, BICUBIC)
    results = Results(facts(()), 3, 1, 2.319, 11_700_000_000, whole, {"slow": slow})
    lines = list(results_table(results))
    assert lines[2].split() == ["ours,", "all", "(3)", *["nan"] * 4]
    assert lines[4].startswith("ours, slow (1)") and lines[5].startswith("bicubic, slow (1)")
    assert "2.32 s a sequence" in lines[-1] and "11.7 GB, CPU, 2 cores" in lines[-1]
