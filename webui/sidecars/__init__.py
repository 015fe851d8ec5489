"""What lies beside a file of weights and is called like it: a preview picture, words about it.

A1111 writes `NAME.png` or `NAME.preview.png`, `NAME.txt` and `NAME.json`, Civitai's helpers write
`NAME.civitai.info`. All of it may have come from anywhere: texts are read with limits, pictures are
made anew before anybody sees them. Knows nothing of weights.
"""

from webui.sidecars.pictures import Previews
from webui.sidecars.sidecars import Sidecar, Sidecars
from webui.sidecars.texts import SUITED

__all__ = ["SUITED", "Previews", "Sidecar", "Sidecars"]
