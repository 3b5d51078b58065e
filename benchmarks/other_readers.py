"""Do the readers of BasicSR and KAIR read what vimeo-prep makes of REDS, unchanged?

    pip download basicsr --no-deps && tar xf basicsr-*.tar.gz      # and a checkout of KAIR
    python benchmarks/other_readers.py REDS basicsr-1.4.2 [KAIR]

REDS is a folder of the layout "reds", with BIx4 from `vimeo-prep --layout reds --generate-lq`, the
databases from `vimeo-prep pack-lmdb --layout reds`, and lists in four fields in the folder kair,
`vimeo-prep --layout reds --annotation-form kair --output-dir kair`. Needs torch, cv2 and lmdb.
Nothing of theirs is copied or changed; what their packages import first, whole frameworks, is not.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import cv2
import numpy as np


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    data = Path(sys.argv[1]).resolve()
    basicsr(data, Path(sys.argv[2]).resolve())
    if len(sys.argv) > 3:
        kair(data, Path(sys.argv[3]).resolve())


def stub(name: str, folder: Path | None = None, **names: object) -> types.ModuleType:
    """A package without its first file."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)] if folder else []  # type: ignore[attr-defined]
    vars(module).update(names)
    sys.modules[name] = module
    return module


def load(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def basicsr(data: Path, root: Path) -> None:
    """REDSRecurrentDataset and REDSDataset on folders and databases; VideoTestDataset."""
    import logging

    root /= "basicsr"
    stub("basicsr", root)
    stub("basicsr.data", root / "data")
    utils = stub("basicsr.utils", root / "utils", get_root_logger=lambda: logging.getLogger())
    registry = load("basicsr.utils.registry", root / "utils" / "registry.py")
    for name in ("file_client", "img_util", "matlab_functions", "flow_util", "misc"):
        vars(utils).update(vars(load(f"basicsr.utils.{name}", root / "utils" / f"{name}.py")))
    for name in ("transforms", "data_util", "reds_dataset", "video_test_dataset"):
        load(f"basicsr.data.{name}", root / "data" / f"{name}.py")
    readers = registry.DATASET_REGISTRY
    annotation = data / "BIx4" / "meta_info_REDS_train_GT.txt"
    common = {
        "meta_info_file": str(annotation),
        "val_partition": "REDS4",
        "test_mode": False,
        "gt_size": 128,
        "scale": 4,
        "interval_list": [1],
        "random_reverse": False,
        "use_hflip": False,
        "use_rot": False,
        "dataroot_flow": None,
    }
    for kind, gt, lq in stores(data):
        for name in ("REDSDataset", "REDSRecurrentDataset"):
            frames = 5 if name == "REDSDataset" else 15
            options = {**common, "num_frame": frames, "io_backend": {"type": kind}}
            reader = readers.get(name)({**options, "dataroot_gt": str(gt), "dataroot_lq": str(lq)})
            sample = reader[0]
            shapes = shape(sample["lq"]), shape(sample["gt"])
            print(f"BasicSR {name}, {kind}: {len(reader)} keys, {shapes}")
    test = {
        "dataroot_gt": str(data / "train_sharp"),
        "dataroot_lq": str(data / "BIx4"),
        "io_backend": {"type": "disk"},
        "cache_data": False,
        "name": "REDS4",
        "num_frame": 5,
        "padding": "reflection",
    }
    reader = readers.get("VideoTestDataset")(test)
    sample = reader[0]
    shapes = shape(sample["lq"]), shape(sample["gt"])
    print(f"BasicSR VideoTestDataset: {len(reader)} frames, {shapes}")
    first = cv2.imread(str(next(iter(sorted((data / "BIx4").glob("*/*.png"))))))
    stored = (sample["lq"][2].numpy().transpose(1, 2, 0)[..., ::-1] * 255).round()
    print("  its middle frame is the stored one:", bool(np.array_equal(stored, first)))


def kair(data: Path, root: Path) -> None:
    """VideoRecurrentTrainDataset on folders and databases, its list of four fields."""
    sys.path.insert(0, str(root))
    readers = load("dataset_video_train", root / "data" / "dataset_video_train.py")
    annotation = data / "kair" / "meta_info_REDS_train_GT.txt"
    for kind, gt, lq in stores(data):
        options = {
            "dataroot_gt": str(gt),
            "dataroot_lq": str(lq),
            "name": "train_dataset",
            "test_mode": False,
            "meta_info_file": str(annotation),
            "filename_tmpl": "08d",
            "filename_ext": "png",
            "num_frame": 30,
            "gt_size": 128,
            "scale": 4,
            "interval_list": [1],
            "random_reverse": False,
            "use_hflip": True,
            "use_rot": True,
            "io_backend": {"type": kind},
        }
        reader = readers.VideoRecurrentTrainDataset(options)
        shapes = {(shape(s["L"]), shape(s["H"])) for s in (reader[i] for i in (0, len(reader) - 1))}
        print(f"KAIR VideoRecurrentTrainDataset, {kind}: {len(reader)} keys, {shapes}")


def stores(data: Path) -> list[tuple[str, Path, Path]]:
    return [
        ("disk", data / "train_sharp", data / "BIx4"),
        ("lmdb", data / "train_sharp_with_val.lmdb", data / "train_sharp_bicubic_with_val.lmdb"),
    ]


def shape(tensor: object) -> tuple[int, ...]:
    return tuple(tensor.shape)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
