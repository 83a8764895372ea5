"""`login`, `logout` and `whoami`, in a real terminal where they ask."""

import json
import stat
from typing import Any

import pexpect
import pytest
from support.commands import Person

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

KEY = "sk-of-the-endpoint-0123456789"


def saved(person: Person) -> object:
    return json.loads(person.config.read_text())


def test_only_a_key_that_the_endpoint_accepts_is_saved(person: Person, sandbox: Sandbox) -> None:
    with person.at_terminal("login") as child:
        child.expect("Base URL of your Codex endpoint.*: ")
        child.sendline("ftp://h")
        child.expect("Invalid base URL: the scheme is 'ftp'")
        child.expect("Base URL.*: ")
        child.sendline(sandbox.url)
        child.expect_exact(f"Requests will go to {sandbox.url}/backend-api/codex/responses")
        child.expect(r"API key \(not shown as you type\): ")
        child.sendline("two words")
        child.expect("Invalid API key: ")
        child.expect("not shown")
        child.sendline("sk-wrong-0123456789abcdef")
        child.expect("✗ .*key")
        assert not person.config.exists()
        child.expect("not shown")
        child.sendline(sandbox.key)
        child.expect("✓ stream: answered")
        child.expect("Saved to")
        child.expect("codex-transform run opencode")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert saved(person) == {"baseURL": sandbox.url, "apiKey": sandbox.key}
    assert stat.S_IMODE(person.config.stat().st_mode) == 0o600
    assert len(sandbox.requests) == 2  # one for each key


def test_the_key_is_not_shown_while_it_is_typed(person: Person, sandbox: Sandbox) -> None:
    with person.at_terminal("login", "--base-url", sandbox.url) as child:
        child.expect("not shown")
        child.sendline(sandbox.key)
        said = child.read()
    assert "Saved to" in said
    assert sandbox.key not in said


@pytest.mark.parametrize("answer", ["y", "n"])
def test_answers_for_an_unreachable_endpoint_are_saved_only_on_request(
    answer: str, person: Person, nobody: str, sandbox: Sandbox
) -> None:
    with person.at_terminal("login") as child:
        child.expect("Base URL.*: ")
        child.sendline(nobody)
        child.expect("not shown")
        child.sendline(KEY)
        child.expect("✗ tcp: nothing listens")
        child.expect("Save it anyway")
        child.sendline(answer)
        if answer == "n":
            child.expect("Base URL.*: ")
            assert not person.config.exists()
            child.sendline(sandbox.url)
            child.expect("not shown")
            child.sendline(sandbox.key)
        child.expect("Saved to")
        child.expect(pexpect.EOF)
    expected = (nobody, KEY) if answer == "y" else (sandbox.url, sandbox.key)
    assert saved(person) == dict(zip(("baseURL", "apiKey"), expected, strict=True))


def keep_the_url(child: Any, sandbox: Sandbox, saved: str) -> None:
    """Answer with Enter for the base URL, and with the key."""
    child.expect_exact(f"[{sandbox.url}]: ")
    child.sendline()
    child.expect("not shown")
    child.sendline(sandbox.key)
    child.expect(saved)
    child.expect(pexpect.EOF)


def test_enter_keeps_the_saved_url(person: Person, sandbox: Sandbox) -> None:
    person.call("login", "--base-url", sandbox.url, "--api-key-stdin", stdin=sandbox.key)
    with person.at_terminal("login") as child:
        keep_the_url(child, sandbox, "Saved to")
    assert saved(person) == {"baseURL": sandbox.url, "apiKey": sandbox.key}


@pytest.mark.parametrize("keys", ["\x03", "\x04"])
def test_cancelling_at_the_question_for_the_key_saves_nothing(keys: str, person: Person) -> None:
    with person.at_terminal("login", "--base-url", "https://h") as child:
        child.expect("not shown.*: ")
        child.send(keys)
        child.expect("Nothing was saved")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 1
    assert not person.config.exists()


def test_a_script_saves_the_url_and_the_key_without_a_terminal(person: Person, sandbox: Sandbox) -> None:
    done = person.call("login", "--base-url", sandbox.url, "--api-key-stdin", stdin=f"{sandbox.key}\n")
    assert done.returncode == 0, done.stderr
    assert saved(person) == {"baseURL": sandbox.url, "apiKey": sandbox.key}
    assert not done.stdout
    assert sandbox.key not in done.stderr


def test_a_script_with_a_wrong_key_saves_nothing(person: Person, sandbox: Sandbox) -> None:
    done = person.call("login", "--base-url", sandbox.url, "--api-key-stdin", stdin="sk-wrong-0123456789abcdef")
    assert done.returncode == 1
    assert "Nothing was saved" in done.stderr
    assert not person.config.exists()


def test_no_check_saves_an_endpoint_that_cannot_be_reached(person: Person, nobody: str) -> None:
    arguments = ["login", "--base-url", nobody, "--api-key-stdin"]
    assert person.call(*arguments, stdin=KEY).returncode == 1
    assert not person.config.exists()
    assert person.call(*arguments, "--no-check", stdin=KEY).returncode == 0
    assert saved(person) == {"baseURL": nobody, "apiKey": KEY}


def test_a_script_can_change_only_the_key_and_the_rest_of_the_file_stays(person: Person, sandbox: Sandbox) -> None:
    person.config.parent.mkdir()
    person.config.write_text(json.dumps({"codexMode": False, "other": [1], "baseURL": sandbox.url, "apiKey": "sk-old"}))
    assert person.call("login", "--api-key-stdin", stdin=sandbox.key).returncode == 0
    assert saved(person) == {"codexMode": False, "other": [1], "baseURL": sandbox.url, "apiKey": sandbox.key}


@pytest.mark.parametrize(
    ("arguments", "text", "status", "says"),
    [
        ((), "", 2, "give --base-url and --api-key-stdin"),
        (("--base-url", "https://h"), "", 2, "give --api-key-stdin as well"),
        (("--api-key-stdin",), KEY, 2, "give --base-url as well"),
        (("--base-url", "ftp://h", "--api-key-stdin"), KEY, 1, "Invalid base URL: the scheme is 'ftp'"),
        (("--base-url", "https://h", "--api-key-stdin"), "", 1, "There is no key on standard input"),
    ],
)
def test_missing_or_invalid_arguments_of_a_script_are_named(
    arguments: list[str], text: str, status: int, says: str, person: Person
) -> None:
    done = person.call("login", *arguments, stdin=text)
    assert done.returncode == status
    assert says in done.stderr
    assert not person.config.exists()


def test_a_damaged_file_is_reported_and_left_unchanged(person: Person) -> None:
    person.config.parent.mkdir()
    person.config.write_text('{"codexMode": tru}')
    for command in ("login", "logout"):
        done = (
            person.call(command, "--base-url", "https://h", "--no-check")
            if command == "login"
            else person.call(command)
        )
        assert done.returncode == 1
        assert "is damaged, line 1" in done.stderr
    assert person.config.read_text() == '{"codexMode": tru}'


def test_a_variable_that_overrides_the_saved_key_is_named(person: Person, sandbox: Sandbox) -> None:
    arguments = ["login", "--base-url", sandbox.url, "--api-key-stdin"]
    done = person.call(*arguments, stdin=sandbox.key, CODEX_API_KEY="sk-another-0123456789")
    assert done.returncode == 0
    assert "CODEX_API_KEY overrides the file" in done.stderr
    assert "CODEX_BASE_URL" not in done.stderr


def test_logout_removes_the_key_and_names_the_source_of_another(person: Person) -> None:
    person.call("login", "--base-url", "https://h", "--api-key-stdin", "--no-check", stdin=KEY)
    done = person.call("logout")
    assert done.returncode == 0, done.stderr
    assert saved(person) == {"baseURL": "https://h"}
    assert "no longer in" in done.stdout
    assert not done.stderr
    done = person.call("logout", CODEX_API_KEY=KEY)
    assert "still comes from CODEX_API_KEY" in done.stderr
    assert KEY not in done.stdout + done.stderr


FIRST = "sk-of-the-first-0123456789"
BACKUP = "sk-of-the-backup-0123456789"


def several(person: Person, nobody: str, **first: object) -> None:
    """Save an endpoint, then another one beside it; both are untried."""
    person.call("login", "--base-url", nobody, "--api-key-stdin", "--no-check", stdin=FIRST)
    backup = ("--name", "backup", "--priority", "1", "--base-url", nobody, "--api-key-stdin", "--no-check")
    done = person.call("login", *backup, stdin=BACKUP)
    assert done.returncode == 0, done.stderr
    document = json.loads(person.config.read_text())
    document["endpoints"][0] |= first
    person.config.write_text(json.dumps({"codexMode": False, **document}))


def test_login_changes_the_default_of_several_endpoints(person: Person, nobody: str, sandbox: Sandbox) -> None:
    several(person, nobody, weight=3)
    done = person.call("login", "--base-url", sandbox.url, "--api-key-stdin", stdin=sandbox.key)
    assert done.returncode == 0, done.stderr
    assert "Saved default to" in done.stderr
    document = json.loads(person.config.read_text())
    assert document["endpoints"] == [
        {"name": "default", "baseURL": sandbox.url, "apiKey": sandbox.key, "weight": 3},
        {"name": "backup", "baseURL": nobody, "apiKey": BACKUP, "priority": 1},
    ]
    assert document["codexMode"] is False
    assert FIRST not in person.config.read_text()
    assert f"{sandbox.url}  (default of endpoints in {person.config})" in person.call("whoami").stdout


def test_a_new_key_of_the_default_is_tried_at_its_own_base_url(person: Person, nobody: str, sandbox: Sandbox) -> None:
    several(person, nobody, baseURL=sandbox.url)
    document = json.loads(person.config.read_text())
    document["endpoints"].reverse()  # so that another endpoint is the first
    person.config.write_text(json.dumps(document))
    assert person.call("login", "--api-key-stdin", stdin="sk-wrong-0123456789abcdef").returncode == 1
    assert json.loads(person.config.read_text()) == document
    assert person.call("login", "--api-key-stdin", stdin=sandbox.key).returncode == 0
    document["endpoints"][1]["apiKey"] = sandbox.key
    assert json.loads(person.config.read_text())["endpoints"] == document["endpoints"]


def test_login_at_a_terminal_changes_the_default(person: Person, nobody: str, sandbox: Sandbox) -> None:
    several(person, nobody, baseURL=sandbox.url)
    with person.at_terminal("login") as child:
        keep_the_url(child, sandbox, "Saved default to")
    assert json.loads(person.config.read_text())["endpoints"][0]["apiKey"] == sandbox.key


def test_without_a_default_login_says_which_endpoints_there_are(person: Person, nobody: str) -> None:
    several(person, nobody, name="main")
    before = person.config.read_text()
    done = person.call("login", "--base-url", nobody, "--api-key-stdin", "--no-check", stdin=KEY)
    assert done.returncode == 2
    assert "has no endpoint default: give --name as well. It has main, backup." in done.stderr
    assert person.config.read_text() == before


@pytest.mark.parametrize("command", ["login", "run"])
def test_a_list_that_cannot_be_used_has_to_be_fixed_first(command: str, person: Person, nobody: str) -> None:
    several(person, nobody, weight=0)
    before = person.config.read_text()
    arguments = ("--base-url", nobody, "--api-key-stdin", "--no-check") if command == "login" else ("--", "true")
    done = person.call(command, *arguments, stdin=KEY)
    assert done.returncode == 1
    assert f"endpoints in {person.config}: entry 0, weight" in done.stderr
    assert "Fix that first." in done.stderr
    assert person.config.read_text() == before


def test_a_variable_because_of_which_the_list_is_not_used_is_named(person: Person, nobody: str) -> None:
    several(person, nobody)
    arguments = ("login", "--base-url", "https://h", "--api-key-stdin", "--no-check")
    done = person.call(*arguments, stdin=KEY, CODEX_API_KEY="sk-another-0123456789")
    assert done.returncode == 0
    assert "not used, because CODEX_API_KEY is set" in done.stderr


def test_logout_removes_the_keys_of_all_endpoints_and_names_them(person: Person, nobody: str) -> None:
    several(person, nobody)
    done = person.call("logout")
    assert done.returncode == 0, done.stderr
    assert "The keys of default, backup are no longer in" in done.stdout
    assert not done.stderr
    assert saved(person) == {"codexMode": False, "baseURL": nobody}
    assert "There was no key in" in person.call("logout").stdout


def test_logout_with_a_name_removes_only_that_endpoint(person: Person, nobody: str) -> None:
    several(person, nobody)
    assert person.call("logout", "--name", "default").returncode == 0
    backup = {"name": "backup", "baseURL": nobody, "apiKey": BACKUP, "priority": 1}
    assert saved(person) == {"codexMode": False, "endpoints": [backup]}
    assert FIRST not in person.config.read_text()


def test_logout_without_a_file_creates_none(person: Person) -> None:
    assert person.call("logout").returncode == 0
    assert not list(person.home.iterdir())


def test_whoami_shows_the_endpoint_and_the_redacted_key_with_its_source(person: Person) -> None:
    assert person.call("whoami").returncode == 1
    person.call("login", "--base-url", "https://h/v1", "--api-key-stdin", "--no-check", stdin=KEY)
    done = person.call("whoami")
    assert done.returncode == 0
    assert "https://h/v1/responses" in done.stdout
    assert f"sk-…{KEY[-4:]}  (apiKey in {person.config})" in done.stdout
    assert KEY not in done.stdout
    assert "(CODEX_API_KEY)" in person.call("whoami", CODEX_API_KEY="sk-another-0123456789").stdout


def test_an_unreadable_home_is_reported(person: Person) -> None:
    home = str(person.home / ("x" * 300))  # stands in for a folder without permission, which root could read
    done = person.call("whoami", HOME=home)
    assert done.returncode == 1
    assert "cannot be read (File name too long): make it a file of yours" in done.stderr
    assert "not there yet" not in done.stdout
    done = person.call("logout", HOME=home)
    assert done.returncode == 1
    assert done.stderr.count("cannot be read") == 1


def test_a_folder_that_cannot_be_created_is_reported_without_an_errno(person: Person) -> None:
    (person.home / ".opencode").symlink_to(person.home / "none" / ("x" * 300))
    done = person.call("login", "--base-url", "http://h", "--api-key-stdin", "--no-check", stdin=f"{KEY}\n")
    assert done.returncode == 1
    assert "[Errno" not in done.stderr
