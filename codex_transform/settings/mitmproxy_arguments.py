"""The options of mitmproxy that stand on its command line."""

import itertools
from collections.abc import Sequence


def set_options(arguments: Sequence[str]) -> dict[str, str]:
    """Return the options in the `--set name=value` arguments of mitmproxy, by name."""
    pairs = [value for flag, value in itertools.pairwise(arguments) if flag == "--set"]
    pairs += [each.removeprefix("--set=") for each in arguments if each.startswith("--set=")]
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
