"""What the scripts have in common: a script runs the scenario that is its argument and prints the result."""

import asyncio
import inspect
import json
import sys

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
    chosen = next(each for each in functions if each.__name__ == sys.argv[1])
    result = asyncio.run(chosen()) if inspect.iscoroutinefunction(chosen) else chosen()
    # Libraries may have printed something: the last line counts.
    sys.stdout.write("\n" + json.dumps(result) + "\n")
