"""`clients`: keys are shown only once, limits can be changed, and a refused command changes nothing."""

import json
import stat
import time

import pytest
from support.commands import Person

from codex_transform.people import register
from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.store import UsageStore


def run(person: Person, *arguments: str, **variables: str) -> str:
    done = person.call("clients", *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def known(person: Person) -> register.Register:
    return register.load(person.home / ".opencode" / "codex-clients.json")


def row(person: Person, name: str) -> list[str]:
    (found,) = [line.split() for line in run(person, "list").splitlines() if line.startswith(f"{name} ")]
    return found


def test_a_key_is_created_replaced_and_revoked(person: Person) -> None:
    assert "none is required" in run(person, "list")
    assert not list(person.home.iterdir())
    key = run(person, "add", "alice").removesuffix("\n")
    assert key.startswith("ct-")
    file = person.home / ".opencode" / "codex-clients.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in file.read_text()
    (alice,) = known(person).people
    assert known(person).find(f"Bearer {key}") == alice
    assert row(person, "alice")[1] == f"ct-…{key[-4:]}"
    new = run(person, "rotate", "alice").strip()
    assert known(person).find(f"Bearer {key}") is None
    rotated = known(person).find(f"Bearer {new}")
    assert rotated
    assert rotated.owner == alice.owner
    run(person, "add", "bob")
    run(person, "remove", "alice")
    assert [each.name for each in known(person).people] == ["bob"]
    assert "nobody is served" in person.call("clients", "remove", "bob").stderr
    assert known(person).defined
    assert f"delete {file}" in run(person, "list")


@pytest.mark.usefixtures("same_day")
def test_limits_are_set_changed_and_removed(person: Person) -> None:
    limits = ("--models", "gpt-5.1, gpt-5.2", "--requests-per-minute", "30", "--tokens-per-day", "2,000,000")
    run(person, "add", "bob", *limits)
    now = time.time()
    UsageStore(person.home / ".opencode" / "codex-usage.sqlite").add(
        Record(at=now, model="gpt-5.1", person="bob", tokens=Tokens(input=11_000, output=1_000)),
        Record(at=now, model="gpt-5.1", tokens=Tokens(input=500)),
        Record(at=now - 40 * 86400, model="gpt-5.1", person="bob", tokens=Tokens(input=77_000)),
    )
    assert row(person, "bob")[3:] == ["30", "12.0k", "of", "2.0M", "12.0k", "gpt-5.1,", "gpt-5.2"]
    before = known(person).people[0]
    run(person, "limit", "bob", "--tokens-per-day", "none", "--tokens-per-month", "5000000", "--models", "none")
    assert row(person, "bob")[3:] == ["30", "12.0k", "12.0k", "of", "5.0M", "all"]
    changes = {"models": (), "tokens_per_day": None, "tokens_per_month": 5_000_000}
    assert known(person).people[0] == before.model_copy(update=changes)


def test_usage_is_shown_by_client(person: Person) -> None:
    UsageStore(person.home / ".opencode" / "codex-usage.sqlite").add(
        Record(at=time.time(), model="gpt-5.1", person="bob", tokens=Tokens(input=2_000, output=10)),
        Record(at=time.time(), model="gpt-5.1", tokens=Tokens(input=500)),
    )
    table = person.call("usage", "--by", "client").stdout.partition("client ")[2].splitlines()
    assert [line.split()[:2] for line in table[1:4]] == [["bob", "1"], ["none", "1"], ["all", "2"]]
    said = json.loads(person.call("usage", "--by", "client", "--json").stdout)
    assert [each["name"] for each in said["clients"]] == ["bob", "none"]
    assert "models" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "alice"), "rotate alice"),
        (("add", "ALICE"), "has a key already"),
        (("add", "none"), "must be up to 64"),
        (("add", "bob", "--tokens-per-day", "0"), "positive whole number"),
        (("add", "bob", "--tokens-per-day", "9" * 30), "positive whole number"),
        (("add", "bob", "--models", "m" * 201), "200 characters"),
        (("remove", "bob"), "the clients are: alice"),
        (("rotate", "bob"), "no client 'bob'"),
        (("limit", "bob", "--tokens-per-day", "5"), "no client 'bob'"),
        (("limit", "alice"), "Name a limit"),
    ],
)
def test_a_refused_command_changes_nothing(person: Person, arguments: tuple[str, ...], said: str) -> None:
    run(person, "add", "alice")
    before = known(person)
    done = person.call("clients", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert not done.stdout
    assert known(person) == before


def test_a_damaged_file_is_reported_and_left_unchanged(person: Person) -> None:
    file = person.home / ".opencode" / "codex-clients.json"
    file.parent.mkdir()
    file.write_text('{"clients": [}')
    for arguments in (("list",), ("add", "bob"), ("remove", "bob")):
        done = person.call("clients", *arguments)
        assert done.returncode == 1
        assert str(file) in done.stderr
    assert file.read_text() == '{"clients": [}'


def test_no_key_is_created_if_it_would_be_forwarded_to_the_endpoint(person: Person) -> None:
    done = person.call("clients", "add", "alice", CODEX_FORWARD_CLIENT_KEY="1")
    assert done.returncode == 1
    assert "codex_forward_client_key" in done.stderr
    assert not known(person).defined


def test_doctor_checks_the_file(person: Person) -> None:
    run(person, "add", "alice")
    assert "1 client in" in person.call("doctor", "--offline").stdout
    (person.home / ".opencode" / "codex-clients.json").write_text("{")
    assert "nobody is served" in person.call("doctor", "--offline").stdout
