"""H.264 in MP4, by the FFmpeg that PyAV brings: what every browser and phone plays."""

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from PIL import Image


def mp4(frames: Sequence[Image.Image], rate: float) -> bytes:
    """`rate` in frames a second. A side of odd length loses its last row."""
    import av  # late: its libraries are large, and few look at a film

    buffer = io.BytesIO()
    width, height = (side // 2 * 2 for side in frames[0].size)  # as 4:2:0 needs it
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", Fraction(rate).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "threads": "1"}
        for frame in frames:
            pixels = np.asarray(frame.crop((0, 0, width, height)))
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()
