"""Spares the garbage collector what never becomes garbage.

mitmproxy and this addon load some hundred thousand objects that stay until the end, and every now and then Python looks
at them all to find that out: a pause of 30 to 70 ms, in the middle of every stream. Once mitmproxy is running they are
frozen; what requests leave behind is collected as before, in a fraction of the time. There is no collection before
that: it found some forty objects among a hundred thousand, and delayed the first request by 60 ms.
"""

import gc


class GcFreeze:
    """Addon: freezes what has been loaded."""

    def running(self) -> None:
        """Freeze all objects that there are once mitmproxy is running."""
        gc.freeze()

    def done(self) -> None:
        """Unfreeze them: mitmproxy ends, or reloads the script."""
        gc.unfreeze()
