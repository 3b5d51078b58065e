"""imresize of torch, MindSpore and JAX tensors: values, gradients, rounding; BasicSR's call."""

import importlib

import numpy as np
import pytest

from tests.expected.make import BASICSR_SCALES, FOLDER, band
from tests.oracles import imresize_oracle
from vimeo_tools import downscale, im2double, imresize
from vimeo_tools.resize import basicsr

PICTURE = np.random.default_rng(2).random((2, 3, 37, 46))
CALLS = [
    ((1 / 4,), {}),
    ((1 / 3,), {}),
    ((2,), {}),
    ((15, 60), {}),
    ((40, 11), {"method": "lanczos3"}),
    ((0.5,), {"antialiasing": False, "border": "replicate"}),
]


class Torch:
    def __init__(self):
        self.torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        self.imresize = importlib.import_module("vimeo_tools.resize.torch").imresize

    def tensor(self, array):
        return self.torch.from_numpy(array.copy())

    def array(self, tensor):
        return tensor.detach().numpy()

    def gradient(self, function, array):
        x = self.tensor(array).requires_grad_()
        function(x).backward()
        return x.grad.numpy()


class MindSpore:
    def __init__(self):
        self.mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
        self.imresize = importlib.import_module("vimeo_tools.resize.mindspore").imresize

    def tensor(self, array):
        return self.mindspore.Tensor(array)

    def array(self, tensor):
        return tensor.asnumpy()

    def gradient(self, function, array):
        return self.mindspore.grad(function)(self.tensor(array)).asnumpy()


class Jax:
    def __init__(self):
        self.jax = pytest.importorskip("jax", reason="JAX is not installed")
        self.jax.config.update("jax_enable_x64", True)
        self.imresize = importlib.import_module("vimeo_tools.resize.jax").imresize

    def tensor(self, array):
        return self.jax.numpy.asarray(array)

    def array(self, tensor):
        return np.asarray(tensor)

    def gradient(self, function, array):
        return np.asarray(self.jax.jit(self.jax.grad(function))(self.tensor(array)))


@pytest.fixture(scope="module", params=[Torch, MindSpore, Jax], ids=["torch", "mindspore", "jax"])
def library(request):
    return request.param()


def call_arguments(arguments):
    return arguments if len(arguments) == 1 else (arguments,)


@pytest.mark.parametrize("arguments, options", CALLS)
def test_float32_is_the_float64_result_within_a_millionth(library, arguments, options):
    arguments = call_arguments(arguments)
    made = library.imresize(library.tensor(PICTURE.astype(np.float32)), *arguments, **options)
    expected = imresize(
        PICTURE.astype(np.float32).astype(float), *arguments, channel_axis=1, **options
    )
    made = library.array(made)
    assert made.dtype == np.float32
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() < 1e-6


@pytest.mark.parametrize("arguments, options", CALLS)
def test_the_gradient_is_the_adjoint(library, arguments, options):
    """Of sum(w * imresize(x)): for all x and w, <imresize(x), w> = <x, gradient(w)>."""
    arguments = call_arguments(arguments)
    rng = np.random.default_rng(0)
    x = rng.random((1, 2, 21, 26)).astype(np.float32)
    small = imresize(x.astype(float), *arguments, channel_axis=1, **options)
    w = rng.random(small.shape).astype(np.float32)
    weights = library.tensor(w)
    gradient = library.gradient(
        lambda t: (library.imresize(t, *arguments, **options) * weights).sum(), x
    )
    assert gradient.shape == x.shape
    assert (gradient * x).sum(dtype=float) == pytest.approx((small * w).sum(), rel=1e-5)
    assert (np.abs(gradient) > 0).mean() > 0.9


def test_rounding_of_the_uint8_convention_is_exact_at_a_quarter(library):
    frames = np.random.default_rng(1).integers(0, 256, (2, 3, 32, 44), dtype=np.uint8)
    made = library.imresize(
        library.tensor((frames / 255).astype(np.float32)), 1 / 4, rounding="uint8"
    )
    expected = downscale(frames, 4, "uint8", channel_axis=1)
    assert (np.rint(library.array(made) * 255) == expected).all()
    assert np.abs(library.array(made) - expected / 255).max() < 1e-6


def test_rounding_of_the_double_convention(library):
    frames = np.random.default_rng(1).integers(0, 256, (2, 3, 33, 45), dtype=np.uint8)
    made = library.imresize(library.tensor(im2double(frames)), 1 / 3, rounding="double")
    expected = downscale(frames, 3, channel_axis=1)
    assert np.abs(library.array(made) - expected / 255).max() < 1e-12


@pytest.mark.parametrize("rounding", ["double", "uint8"])
def test_the_gradient_passes_the_rounding(library, rounding):
    x = np.random.default_rng(3).random((1, 1, 16, 16)).astype(np.float32)

    def total(**options):
        return library.gradient(lambda t: library.imresize(t, 1 / 4, **options).sum(), x)

    np.testing.assert_allclose(total(rounding=rounding), total(), atol=1e-6)


def test_a_loss_on_downscaled_outputs_teaches_the_picture(library):
    target = np.random.default_rng(4).random((1, 1, 5, 6)).astype(np.float32)
    goal = library.tensor(target)
    x = np.full((1, 1, 20, 24), 0.5, np.float32)

    def loss(t):
        return ((library.imresize(t, 1 / 4) - goal) ** 2).sum()

    for _ in range(60):
        x = x - 3 * library.gradient(loss, x)
    small = imresize(x.astype(float), 1 / 4, channel_axis=1)
    assert np.abs(small - target).max() < 0.02 < np.abs(0.5 - target).max()


def test_what_is_refused(library):
    tensor = library.tensor(PICTURE)
    for call, error, words in [
        (lambda: library.imresize(PICTURE, 2), TypeError, "ndarray"),
        (
            lambda: library.imresize(library.tensor(np.zeros((4, 4), np.int32)), 2),
            TypeError,
            "floating",
        ),
        (lambda: library.imresize(tensor[0, 0, 0], 2), ValueError, "rows, columns"),
        (lambda: library.imresize(tensor, 2, rounding="half"), ValueError, "double, uint8"),
        (lambda: library.imresize(tensor, 2, "spline"), ValueError, "bicubic"),
        (lambda: library.imresize(tensor, -1), ValueError, "positive"),
    ]:
        with pytest.raises(error, match=words):
            call()


# --- BasicSR ------------------------------------------------------------------------------------


@pytest.mark.parametrize("antialiasing", [True, False])
def test_basicsr_arrays(antialiasing):
    picture = PICTURE[0].transpose(1, 2, 0).astype(np.float32)
    expected = imresize(picture, 0.25, antialiasing=antialiasing)
    assert (basicsr.imresize(picture, 0.25, antialiasing) == expected).all()
    grey = basicsr.imresize(picture[:, :, 0], 0.25, antialiasing=antialiasing)
    assert (grey == expected[:, :, 0]).all()
    levels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    unrounded = basicsr.imresize(levels, 1 / 3)
    assert unrounded.dtype == np.float32
    assert (unrounded == imresize(levels.astype(np.float32), 1 / 3)).all()
    assert basicsr.imresize(picture.astype(float), 0.5).dtype == np.float64


@pytest.fixture(scope="module")
def theirs():
    with np.load(FOLDER / "basicsr.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", BASICSR_SCALES)
def test_basicsr_gives_the_same_but_for_its_coordinates_in_float32(theirs, name):
    scale = BASICSR_SCALES[name]
    right = imresize_oracle.imresize(band(), scale)
    assert np.array_equal(basicsr.imresize(band(), scale), right)
    off = np.abs(theirs[name] - right[:, ::21]).max()
    if name in ("0.7", "3"):  # 3 has no exact coordinates in float32
        assert 2e-6 < off < 1e-4
    else:
        assert off < 1e-6


def test_basicsr_tensors():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensor = torch.from_numpy(PICTURE[0])
    made = basicsr.imresize(tensor, 0.25)
    expected = imresize(PICTURE[0], 0.25, channel_axis=0)
    assert np.abs(made.numpy() - expected).max() < 1e-14
    assert basicsr.imresize((tensor * 255).byte(), 2).dtype == torch.float32


def test_basicsr_refuses_lists():
    with pytest.raises(TypeError, match="list"):
        basicsr.imresize([[1.0]], 2)
