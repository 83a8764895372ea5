"""`usage`: tables of the recorded calls by day, by model, and by the cause of cache misses."""

import json
import time
from dataclasses import replace
from datetime import datetime

import pytest
from support.commands import Person

from codex_transform.usage.record import CacheVerdict, FailedAttempt, Record, Tokens
from codex_transform.usage.store import UsageStore

pytestmark = pytest.mark.usefixtures("same_day")


def day(ago: int = 0) -> str:
    return f"{datetime.fromtimestamp(time.time() - ago * 86400).astimezone():%Y-%m-%d}"


def put(person: Person, *records: Record) -> None:
    store = UsageStore(person.home / ".opencode" / "codex-usage.sqlite")
    for record in records:
        store.add(record)


REFUSED = FailedAttempt(rule="parameter", refused="HTTP 400: No.", done="sent again without include", edited=True)


def call(model: str, read: int, cached: int, *, days_ago: float = 0, missed: int = 0, failed: bool = False) -> Record:
    return Record(
        at=time.time() - days_ago * 86400,
        model=model,
        tokens=Tokens(input=read, cached=cached, output=read // 10),
        first_token=0.8,
        outcome="failed" if failed else "completed",
        cache=CacheVerdict(cause="tools", says="The tools changed.", missed=missed) if missed else None,
    )


def rows(output: str, head: str) -> list[list[str]]:
    """Return the cells of the table whose first line begins with `head`."""
    table = output[output.index(head) :].partition("\n\n")[0]
    return [line.split() for line in table.splitlines()[1:]]


def test_without_calls_a_sentence_is_printed_and_no_file_created(person: Person) -> None:
    done = person.call("usage")
    assert done.returncode == 0
    assert done.stdout.startswith("No calls since ")
    assert not list(person.home.iterdir())


def test_tables_by_day_by_model_and_by_cause_of_misses(person: Person) -> None:
    put(
        person,
        call("gpt-5.1", 1000, 500, days_ago=2),
        replace(call("gpt-5.1", 10_000, 9_000), attempts=(REFUSED,)),
        call("gpt-5.2", 10_000, 0, missed=7000, failed=True),
        call("gpt-5.1", 77_000, 0, days_ago=20),
    )
    done = person.call("usage")
    assert not done.stderr
    before, now = rows(done.stdout, "day ")
    assert now[:6] == [day(), "2", "1", "1", "20.0k", "45%"]
    assert now[-1] == "█" * 10 + "░" * 14
    assert before[:6] == [day(ago=2), "1", "-", "-", "1.0k", "50%"]
    assert before[-1] == "█░"
    assert [row[0] for row in rows(done.stdout, "model ")] == ["gpt-5.1", "gpt-5.2", "all"]
    assert rows(done.stdout, "model ")[-1][1:5] == ["3", "1", "1", "21.0k"]
    assert rows(done.stdout, "not cached") == [["tools", "1", "7.0k"]]
    assert "98.0k" in person.call("usage", "--days", "30").stdout


def test_json_has_days_models_total_and_misses(person: Person) -> None:
    put(person, call("gpt-5.1", 1000, 500))
    said = json.loads(person.call("usage", "--json", "--days", "1").stdout)
    assert said["since"] == day()
    assert said["days"][0]["name"] == day()
    assert said["models"][0]["tokens"] == {"input": 1000, "cached": 500, "output": 100, "reasoning": 0}
    assert said["total"]["requests"] == 1
    assert said["misses"] == []


def test_usage_by_address(person: Person) -> None:
    put(person, call("gpt-5.1", 1000, 500), replace(call("gpt-5.1", 9000, 0), address="203.0.113.7"))
    assert [row[0] for row in rows(person.call("usage", "--by", "address").stdout, "address ")] == [
        "203.0.113.7",
        "local",
        "all",
    ]
    said = json.loads(person.call("usage", "--json", "--by", "address").stdout)
    assert [each["name"] for each in said["addresses"]] == ["203.0.113.7", "local"]


def test_json_without_calls(person: Person) -> None:
    said = json.loads(person.call("usage", "--json").stdout)
    assert said["total"] is None
    assert said["days"] == []


@pytest.mark.parametrize("days", ["0", "x", "-1"])
def test_an_invalid_number_of_days_is_refused(days: str, person: Person) -> None:
    assert person.call("usage", "--days", days).returncode == 2


def test_a_damaged_database_is_reported_and_replaced(person: Person) -> None:
    file = person.home / ".opencode" / "codex-usage.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"not a database" * 1000)
    done = person.call("usage")
    assert done.returncode == 0
    assert "damaged" in done.stderr
    assert "No calls since" in done.stdout


def test_an_unreadable_home_is_reported(person: Person) -> None:
    done = person.call("usage", HOME=str(person.home / ("x" * 300)))  # stands in for a folder without permission
    assert "cannot be used" in done.stderr
    assert "No calls" in done.stdout
