"""The proxy as a child process of `run`: started, waited for, and stopped with its owner.

It is a session of its own, so no key that is pressed reaches it. Its standard input stays open as long as this program
lives: when this program ends, in whatever way, the proxy ends by itself (see `codex_transform/proxy/embed.py`). Its
output goes to a log file, because the terminal is the command's.
"""

import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread

import click

from codex_transform import paths
from codex_transform.launcher import pipes, ports
from codex_transform.launcher.loading import launch
from codex_transform.launcher.proxy_log import ProxyLog

_LISTENING = re.compile(r" listening at (?:\w+://)?127\.0\.0\.1:(\d+)")
_WEB = re.compile(r"Web server listening at ([^\s\"]+)")
_CLIENTS = re.compile(r"\bconnections of clients: (\d+)\b")  # see `codex_transform/proxy/addons/client_count.py`

# In seconds: until it listens, on a busy machine with a cold disk; until its certificate is whole; until it has ended,
# which is more than it gives itself: see `embed.py`.
_START_TIMEOUT, _TRUST_TIMEOUT, _STOP_TIMEOUT = 60, 10, 10

# Until the last line of a proxy that has ended is read.
_LAST_LINE_TIMEOUT = 2

# So many certificates that do not fit the file in a row, and they never will.
_MAX_CA_MISMATCHES = 10

_CONFIG = "An option in ~/.mitmproxy/config.yaml can be the reason."


class NoProxyError(click.ClickException):
    """The proxy does not run: `reason` is why, in one line, and `log` has its output, if there is any.

    `message`, which click prints, also quotes the end of the log.
    """

    def __init__(self, reason: str, log: ProxyLog | None = None) -> None:
        super().__init__(f"{reason}\n{log_tail(log)}" if log else reason)
        self.reason = reason
        self.log = log


def log_tail(log: ProxyLog) -> str:
    """Return the end of what a proxy said, and what may help."""
    lines = "\n".join(f"  {line}" for line in log.last)
    return f"{lines}\nAll of it is in {log.path}; `codex-transform doctor` looks for the cause."


class ProxyProcess:
    """A running proxy.

    `port` is where it listens, `authority` the certificate to trust it by, `log` the file with what it says. mitmweb's
    address for the browser is in `web`.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: ProxyLog, drain_timeout: float) -> None:
        self.port = 0
        self.authority = ""
        self.log = log
        self.web: str | None = None
        self._process = process
        self._drain_timeout = drain_timeout
        self._changed = Condition()
        self._ended = False
        self._own_connections = 0
        self._connections: int | None = None
        Thread(target=self._read, daemon=True).start()

    @property
    def url(self) -> str:
        """What goes into HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.port}"

    def has_ended(self) -> bool:
        """Return whether it is no longer there."""
        return self._process.poll() is not None

    def stayed_unused(self) -> bool:
        """Return whether no client but this program has connected to a proxy that was stopped; False if in doubt."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, _LAST_LINE_TIMEOUT)
        return self._connections is not None and self._connections <= self._own_connections

    def wait_until_listening(self, web: bool) -> None:
        """Raise NoProxyError when it ends instead or takes too long."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self.port and (self.web or not web)), _START_TIMEOUT)
        if self._ended:
            raise NoProxyError("The proxy did not start.", self.log)
        if not self.port:
            raise NoProxyError(f"The proxy did not say where it listens. {_CONFIG}", self.log)

    def wait_for_authority(self, file: Path, host: tuple[str, int] | None) -> bool:
        """Return True once `authority` is set, with which TLS to `host` through the proxy works.

        False if it never does.
        """
        until, strangers = time.monotonic() + _TRUST_TIMEOUT, 0
        while not self._ended and strangers < _MAX_CA_MISMATCHES and time.monotonic() < until:
            try:
                if authority := self._trusted(file, host):
                    self.authority = authority
                    return True
            except ssl.SSLCertVerificationError:
                strangers += 1
            with self._changed:
                self._changed.wait(0.05)
        return False

    def _trusted(self, file: Path, host: tuple[str, int] | None) -> str | None:
        """Return what is in the file, if the proxy's connections can be trusted by it.

        Raises SSLCertVerificationError if its certificates are somebody else's.
        """
        try:
            authority = file.read_text("ascii")
            context = ssl.create_default_context(cadata=authority)
            # Stricter than OpenCode would refuse what mitmproxy made years ago.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if host is None:
                return authority
            name, target = host[0], f"{host[0]}:{host[1]}"
            with socket.create_connection(("127.0.0.1", self.port), _TRUST_TIMEOUT) as connection:
                self._own_connections += 1
                connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
                if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    return None
                with context.wrap_socket(connection, server_hostname=name):
                    return authority
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, ValueError):  # of ssl too: the file is not there yet, or half of it
            return None

    def stop(self) -> None:
        """End it; waits for that."""
        assert self._process.stdin is not None
        with pipes.reader_may_be_gone():
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT + self._drain_timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip()
                self.log.write(line)
                with self._changed:
                    if match := _WEB.search(line):
                        self.web = match[1]
                    elif match := _LISTENING.search(line):
                        self.port = self.port or int(match[1])
                    elif match := _CLIENTS.search(line):
                        self._connections = int(match[1])
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextmanager
def running(
    file: Path,
    host: tuple[str, int] | None,
    arguments: Sequence[str] = (),
    *,
    process: subprocess.Popen[bytes] | None = None,
    web: bool = False,
    drain_timeout: float = 0,
) -> Iterator[ProxyProcess]:
    """Yield the proxy with the addon on a free port of this machine, until the block is left.

    `file` is where mitmproxy keeps its certificate: when the block begins the proxy's TLS to `host`, a name and a port,
    can be trusted by what was in it (`authority`). `arguments` are more of mitmproxy's, `process` is one that
    `loading` has begun, `web` has mitmweb run in the place of mitmdump, `drain_timeout` is how many seconds its calls
    may take when it is stopped. Raises NoProxyError when that does not work out.
    """
    # The addon has a line for each call: mitmdump's own would stand around it.
    program = (
        ["mitmweb", "--web-port", str(ports.require_free_port(0))] if web else ["mitmdump", "--set", "flow_detail=0"]
    )
    # The user's config.yaml, which may be meant for another proxy, goes before --set, but not before these.
    listen = ["--listen-host", "127.0.0.1", "--listen-port", "0", "--proxyauth", ""]
    # It serves the one command of the person who has the endpoint's key.
    listen += ["--set", "codex_clients=false"]
    if "--mode" not in arguments:
        listen += ["--mode", "regular"]
    log_folder = paths.log_folder(paths.home())
    try:
        log = ProxyLog(log_folder)
    except OSError as error:
        raise NoProxyError(f"No log can be written to {log_folder}: {error.strerror or error}.") from None
    with log:
        # Of two first starts at once one may find the other's certificate in the place of its own: it starts again.
        for last in (False, True):
            command = [*program, "-s", str(paths.addon()), *listen, *arguments]
            proxy = _start(command, launch() if last or process is None else process, log, drain_timeout)
            try:
                proxy.wait_until_listening(web)
                if proxy.wait_for_authority(file, host):
                    yield proxy
                    return
                if last:
                    raise NoProxyError(f"The proxy and {file} do not match. {_CONFIG}", log)
            finally:
                proxy.stop()


def _start(command: list[str], process: subprocess.Popen[bytes], log: ProxyLog, drain_timeout: float) -> ProxyProcess:
    proxy = ProxyProcess(process, log, drain_timeout)
    assert process.stdin is not None
    # A process that has ended already has said why.
    with pipes.reader_may_be_gone():
        process.stdin.write(json.dumps(command).encode() + b"\n")
        process.stdin.flush()
    return proxy
