"""What is to be restored and into what, and what follows from it before any work is done."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rvrt.restoration.encoding import VIDEO_SUFFIXES, Encoder, Encoding
from rvrt.restoration.film import Film
from rvrt.restoration.pace import clock_text
from rvrt.restoration.parts import Choice, Material
from vimeo_tools.running.records import Record

_JOB_FILE = ".rvrt-restore.json"


@dataclass(frozen=True)
class Job:
    """What to restore, and into what.

    Attributes:
        source: folder of frames or video file.
        target: folder of PNG frames, or video file to make.
        weights: the file of weights, which frames on the disk must come from.
        choice: which frames, where scenes begin, and the rate of a video made from a folder.
        scale: how many times larger frames come out; None for the network's, else below it.
        bits: of PNG frames, 8 or 16; None for 16 where the source has more than 8.
        encoding: of a video.
        sound: a video gets the sound of its source.
        subtitles: a video gets the subtitles of its source.
        overwrite: replace what another job made under the target's name.
    """

    source: Path
    target: Path
    weights: Path
    choice: Choice = field(default_factory=Choice)
    scale: int | None = None
    bits: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    sound: bool = True
    subtitles: bool = True
    overwrite: bool = False

    @property
    def makes_video(self) -> bool:
        """Whether the target is a video file."""
        return self.target.suffix.lower() in VIDEO_SUFFIXES

    @property
    def folder(self) -> Path:
        """Where restored frames are kept; for a video, until it is encoded."""
        if self.makes_video:
            return self.target.with_name(f"{self.target.name}.frames")
        return self.target


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        restored: frames.
        found: frames that were there already.
        scenes: of the frames that were wanted.
        seconds: that restoring took.
        compiling: of these, those of tiles for whose shape a graph was compiled.
        at_speed: the share of the work that was done in the rest.
        tiles: the largest, for people.
        notes: what a person should know.
    """

    restored: int
    found: int
    scenes: int = field(default=1, compare=False)
    seconds: float = field(default=0.0, compare=False)
    compiling: float = field(default=0.0, compare=False)
    at_speed: float = field(default=1.0, compare=False)
    tiles: str = field(default="", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def text(self) -> str:
        """For a person."""
        found = f", {self.found} were there already" if self.found else ""
        speed, tiles = "", ""
        if self.restored and self.seconds:
            speed = f" in {clock_text(self.seconds)}"
            if self.compiling:
                speed += f", {clock_text(self.compiling)} of it compiling"
            working = self.seconds - self.compiling
            if self.at_speed > 0 and working > 0:
                speed += f", {self.restored * self.at_speed / working:.2f} frames/s"
        if self.restored and self.tiles:
            tiles = f"; {self.tiles}"
        scenes = f"; {self.scenes} scene{'s' if self.scenes > 1 else ''}"
        return f"{self.restored} frames restored{found}{speed}{scenes}{tiles}"


@dataclass(frozen=True)
class Work:
    """A job with its input opened.

    Attributes:
        job: as given.
        material: its input.
        scale: how many times larger frames come out.
        bits: of the PNG frames.
        encoder: of the video; None for a folder.
    """

    job: Job
    material: Material
    scale: int
    bits: int
    encoder: Encoder | None

    @property
    def film(self) -> Film:
        """What the video is besides its pictures."""
        job, material, video = self.job, self.material, self.material.video
        if video is None:
            return Film(material.timing.part(material.start, material.stop))
        choice = job.choice
        begin = material.timing.seconds(material.start) if choice.start else None
        timing = material.timing
        return Film(
            timing if begin is None else timing.part(material.start, material.stop),
            video.colours,
            video.pixel_aspect,
            job.source,
            job.sound,
            job.subtitles,
            begin,
            choice.end,
        )

    @property
    def paths(self) -> list[Path]:
        """Of all restored frames, in order."""
        names = self.material.source.names[self.material.start : self.material.stop]
        return [self.job.folder / f"{name}.png" for name in names]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        video, encoder = self.material.video, self.encoder
        if video is None:
            return ()
        notes = []
        if video.interlaced:
            notes.append("frames are interlaced; deinterlace them first, or they come out combed")
        in_matroska = self.job.target.suffix.lower() == ".mkv"
        if video.pixel_aspect != 1 and not (encoder and encoder.says_aspect(in_matroska)):
            told = f"{video.pixel_aspect.numerator}:{video.pixel_aspect.denominator}"
            notes.append(f"its pixels are {told}, which the output cannot say; show it so")
        return tuple(notes)

    def record(self) -> JobRecord:
        """Of the restored frames."""
        material = self.material
        settings = [material.start, material.stop, list(material.cuts), self.scale, self.bits]
        return JobRecord(
            {
                "weights": zlib.crc32(self.job.weights.read_bytes()),
                "input": _checksum(material.source.identity),
                "settings": _checksum(settings),
            }
        )

    def comment(self) -> str:
        """What the video says of its job."""
        encoding, job = self.job.encoding, self.job
        how = [encoding.codec, encoding.crf, encoding.pix_fmt, encoding.lossless]
        how += [str(job.choice.rate), job.sound, job.subtitles]
        return json.dumps({**self.record().settings, "encoding": _checksum(how)})


class JobRecord(Record):
    """Checksums of the weights, of what is known about the input, and of settings."""

    def __init__(self, mark: dict[str, int]) -> None:
        super().__init__(mark, _JOB_FILE, remedy="choose another output")

    def refusal(self, found: Mapping[str, Any]) -> str:
        """Why a folder with another record is not taken."""
        return (
            f"holds frames of another input, of other weights or of other settings; {self.remedy}"
        )


def _checksum(value: Any) -> int:
    return zlib.crc32(json.dumps(value).encode())
