"""What the scripts have in common: running the scenarios that are named on standard input, and printing the results."""

import asyncio
import inspect
import json
import os
import sys
import traceback

MODEL = "gpt-5.2"
SYSTEM = "You are a parrot."
TOOL = {
    "type": "function",
    "name": "add",
    "description": "Adds two numbers",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    "strict": False,
}


def scenarios(*functions):
    """Run the scenario that each line of the input names, in a fork of this process: importing takes seconds."""
    by_name = {each.__name__: each for each in functions}
    for line in sys.stdin:
        if os.fork() == 0:
            _run(by_name[line.strip()])
        _, status = os.wait()
        sys.stdout.write(f"ended {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(scenario):
    status = 1
    try:
        result = asyncio.run(scenario()) if inspect.iscoroutinefunction(scenario) else scenario()
        # Libraries may have printed something before; the last line is the result.
        sys.stdout.write("\n" + json.dumps(result) + "\n")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
