"""A training that takes seconds: for tests of everything around the network."""

from rvrt.config.loading import override
from rvrt.config.presets import TRAIN_PRESETS

TINY = {
    "model": {
        "embed_dim": 8,
        "num_blocks": [1, 1, 1],
        "depths": [1, 1, 1],
        "num_heads": [1, 1, 1],
        "attention_heads": 2,
        "upsample_dim": 8,
        "mlp_ratio": 1,
    },
    "data": {"crop": 8, "frames": 4, "workers": 1},
    "train": {"steps": 4, "batch_size": 1, "micro_batch": 1},
    "validation": {"clips": 0},
}


def tiny_config(root, **sections):
    """RVRT Light with 20,000 numbers on the clips below `root`; sections as in YAML."""
    tiny = override(TRAIN_PRESETS["rvrt-light-debug"], TINY)
    sections["data"] = {"root": str(root), **sections.get("data", {})}
    return override(tiny, sections)
