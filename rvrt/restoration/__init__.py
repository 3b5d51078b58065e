"""From LQ frames to restored ones: networks on tiles, pictures and videos in and out."""
