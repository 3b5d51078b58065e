"""PNG files of kinds that the project itself does not write."""

import io
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def saved(image, **options):
    """What Pillow writes, PNG unless `options` say otherwise."""
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def chunk(content):
    """A chunk of its four letters and data, with length and checksum."""
    return (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")


def assembled(*contents):
    """A file of such chunks."""
    return SIGNATURE + b"".join(map(chunk, contents))
