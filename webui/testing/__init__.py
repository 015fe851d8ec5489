"""For the tests of extensions, and public to them: an extension's folder run in this process, on a
model in miniature that needs neither a download nor a card.

    from webui.testing import Extension, check

What is called here is what the program calls; a failure is contained as there, and told. The server
half needs no torch; the first picture loads it.
"""

from webui.extensions import Mishap
from webui.testing.extension import Extension
from webui.testing.results import Filtered, Made
from webui.testing.verdict import Verdict, check

__all__ = ["Extension", "Filtered", "Made", "Mishap", "Verdict", "check"]
