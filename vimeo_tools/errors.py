"""The one family of errors that a user can cause; the commands print them without a traceback."""


class VimeoToolsError(Exception):
    """What was got, what is allowed, what to do."""


class AnnotationError(VimeoToolsError):
    """A list or annotation file, or a clip key in it, is not of a known form."""


class FrameError(VimeoToolsError):
    """A picture is missing, damaged, or not the 8-bit RGB PNG of the size asked for."""


class SettingsError(VimeoToolsError):
    """Options contradict each other, the machine, or what the output was made with."""


class OutputError(VimeoToolsError):
    """The output cannot be written or holds something that must not be mixed."""


class LmdbError(VimeoToolsError):
    """A database is missing, incomplete, or of another layout."""


class VideoError(VimeoToolsError):
    """A video cannot be read or gives no septuplet."""


class WorkerError(VimeoToolsError):
    """A process that did part of the work died."""


# Which extra of the distribution brings a module.
_EXTRAS = {
    "scipy": "eval",
    "matplotlib": "train",
    "jinja2": "eval",
    "mindspore": "train",
    "safetensors": "train",
    "yaml": "train",
    "tensorboardX": "tensorboard",
    "av": "video",
    "distributed": "dask",
}


def missing_extra(error: ModuleNotFoundError, what: str) -> str | None:
    """What to install, where a module of an extra is missing; None for any other module.

    Args:
        error: as Python raised it.
        what: needs the module; begins the message.
    """
    module = (error.name or "").partition(".")[0]
    if module not in _EXTRAS:
        return None
    return f"{what} needs {module}: pip install 'vimeo-tools[{_EXTRAS[module]}]'"
