"""Addon: spares the garbage collector what never becomes garbage.

mitmproxy and this addon load some hundred thousand objects that stay until the end, and every now and then Python looks
at them all to find that out: a pause of 30 to 70 ms, in the middle of every stream there is. Once mitmproxy is up, they
are put aside; what requests leave behind is collected as before, in a fraction of the time.
"""

import gc


class Collector:
    """Puts aside what has been loaded."""

    def running(self) -> None:
        """mitmproxy is up."""
        gc.collect()
        gc.freeze()

    def done(self) -> None:
        """mitmproxy ends, or reloads the script."""
        gc.unfreeze()
