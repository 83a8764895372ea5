"""Concurrent streams of OpenAI's SDK: `sdk_streams.py BASE_URL KEY FIRST COUNT SECONDS`. Prints a JSON line for each.

They begin within that number of seconds. Each is requested again, as the SDK itself would, until it is complete; the
line has the errors before that.
"""

import asyncio
import json
import sys

import openai

EVENTS = 30
_MAX_ATTEMPTS = 8


async def main(base_url: str, key: str, first: int, count: int, seconds: float) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60) as client:
        await asyncio.gather(*(_stream(client, first + index, index * seconds / count) for index in range(count)))


async def _stream(client: openai.AsyncOpenAI, number: int, delay: float) -> None:
    await asyncio.sleep(delay)
    session, count_to = f"session-{number}", EVENTS + number % 20
    errors: list[dict[str, object]] = []
    text = ""
    for attempt in range(_MAX_ATTEMPTS):
        text = ""
        try:
            async with client.responses.stream(
                model="gpt-5.1-codex", input=f"count to {count_to}", extra_headers={"session-id": session}
            ) as stream:
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        text += event.delta
                final = await stream.get_final_response()
            if final.status == "completed":
                break
            errors.append({"error": final.status, "begun": bool(text)})
        except Exception as error:
            status = getattr(error, "status_code", None)
            errors.append({"error": type(error).__name__, "status": status, "begun": bool(text), "says": str(error)})
            await asyncio.sleep(0.2 * (attempt + 1))
    numbers = " ".join(map(str, range(1, count_to + 1)))
    result = {"session": session, "errors": errors, "whole": text == f"[sandbox] {numbers}"}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    url, key, *rest = sys.argv[1:]
    asyncio.run(main(url, key, int(rest[0]), int(rest[1]), float(rest[2])))
