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
