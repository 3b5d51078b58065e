"""The errors a user of rvrt can cause, one family; commands print them without a traceback."""

from vimeo_tools.errors import VimeoToolsError


class RvrtError(VimeoToolsError):
    """What was got, what is allowed, what to do."""


class ConfigError(RvrtError, ValueError):
    """A setting is unknown, out of range, or contradicts another one."""


class WorldError(RvrtError):
    """The processes of a job that was started by msrun do not find each other."""


class CheckpointError(RvrtError):
    """A weights file is missing, damaged, not of a known form, or of another network."""


class RestoreError(RvrtError):
    """Frames cannot be read, written or restored as asked."""


class MemoryLimitError(RestoreError):
    """Not even the smallest tile fits the memory that was allowed."""


class MetricError(RvrtError, ValueError):
    """Pictures cannot be compared: their shapes differ, or they are too small."""


class EvaluationError(RvrtError):
    """Sequences cannot be read, paired or measured as asked, or results must not be mixed."""


class TrainingError(RvrtError):
    """A training cannot begin, go on, or be resumed as asked."""
