import numpy as np
import pytest

from rvrt.errors import RestoreError
from rvrt.restoration.frames import finished
from tests.oracles import imresize_oracle


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (16, np.uint16)])
@pytest.mark.parametrize("factor", [0.5, 0.75])
def test_a_smaller_scale_is_matlabs_resize_of_the_double_picture(bits, kind, factor):
    picture = np.random.default_rng(3).normal(0.5, 0.4, (3, 44, 36)).astype(np.float32)
    double = np.clip(picture, 0, 1).transpose(1, 2, 0).astype(np.float64)
    wanted = np.clip(imresize_oracle.imresize(double, factor), 0, 1) * (2**bits - 1)
    stored = finished(picture, factor, bits)
    assert stored.dtype == kind
    np.testing.assert_array_equal(stored, np.rint(wanted))


@pytest.mark.parametrize("factor", [1, 0.5])
def test_what_is_no_picture_is_refused(factor):
    picture = np.zeros((3, 8, 8), np.float32)
    picture[1, 2, 3] = np.nan
    with pytest.raises(RestoreError, match="NaN or infinity"):
        finished(picture, factor, 8)
