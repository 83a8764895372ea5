"""The proxy as a child process of `run`: started, awaited, and stopped when `run` ends.

It runs in a session of its own, so Ctrl-C in the terminal does not reach it. Its standard input stays open as long as
this program lives: when this program ends, in whatever way, the proxy ends too (see `codex_transform/proxy/embed.py`).
Its output goes to a log file, because the terminal belongs to the command.
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
from codex_transform.fsutil import fix_for
from codex_transform.launcher import pipes, ports
from codex_transform.launcher.loading import launch
from codex_transform.launcher.proxy_log import ProxyLog

_LISTENING = re.compile(r" listening at (?:\w+://)?127\.0\.0\.1:(\d+)")
_WEB = re.compile(r"Web server listening at ([^\s\"]+)")
_CLIENTS = re.compile(r"\bconnections of clients: (\d+)\b")  # see `codex_transform/proxy/addons/client_count.py`

# Seconds until the proxy must listen, even on a busy machine with a cold disk; until its certificate file must be
# complete; and until it must have ended, longer than the time that `embed.py` gives itself.
_START_TIMEOUT, _TRUST_TIMEOUT, _STOP_TIMEOUT = 60, 10, 10

# Seconds to wait for the last line of a proxy that has ended.
_LAST_LINE_TIMEOUT = 2

# After this many certificates that do not match the file there is no hope that one will.
_MAX_CA_MISMATCHES = 10

_CONFIG = "An option in ~/.mitmproxy/config.yaml can be the reason."


class NoProxyError(click.ClickException):
    """The proxy does not run: `reason` says why, in one line, and `fix` what to do; `log` has its output, if any.

    click prints `message`, which also quotes the end of the log.
    """

    def __init__(self, reason: str, log: ProxyLog | None = None, fix: str = "") -> None:
        said = next((line for line in log.last if " Fix: " in line), "") if log else ""
        if said:
            reason, _, fix = said.partition(" Fix: ")
        message = f"{reason} Fix: {fix}" if fix else reason
        super().__init__(f"{message}\n{log_tail(log)}" if log and not said else message)
        self.reason = reason
        self.fix = fix
        self.log = log


def log_tail(log: ProxyLog) -> str:
    """Return the last lines of a proxy's log, and where to look further."""
    lines = "\n".join(f"  {line}" for line in log.last)
    return f"{lines}\nThe whole log is {log.path}; `codex-transform doctor` looks for the cause."


class ProxyProcess:
    """A running proxy.

    `port` is where it listens on 127.0.0.1, `authority` its CA certificate as PEM, `log` its output, and `web` the
    address of mitmweb's page; None without mitmweb. `drain_timeout` is how many seconds running calls get when the
    proxy is stopped.
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
        """The value for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.port}"

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def stayed_unused(self) -> bool:
        """Return whether only this program has connected to the proxy, which was stopped; False if that is unknown."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, _LAST_LINE_TIMEOUT)
        return self._connections is not None and self._connections <= self._own_connections

    def wait_until_listening(self, web: bool) -> None:
        """Wait until the port is known, and mitmweb's address if `web`. Raises NoProxyError if that fails."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self.port and (self.web or not web)), _START_TIMEOUT)
        if self._ended:
            raise NoProxyError("The proxy did not start.", self.log)
        if not self.port:
            raise NoProxyError(f"The proxy did not report its port. {_CONFIG}", self.log)

    def wait_for_authority(self, file: Path, host: tuple[str, int] | None) -> bool:
        """Wait until TLS to `host` through the proxy works with the CA in `file`; set `authority` and return True.

        Returns False if it does not work in time. Without a `host`, the file need only hold a certificate.
        """
        deadline, mismatches = time.monotonic() + _TRUST_TIMEOUT, 0
        while not self._ended and mismatches < _MAX_CA_MISMATCHES and time.monotonic() < deadline:
            try:
                if authority := self._trusted(file, host):
                    self.authority = authority
                    return True
            except ssl.SSLCertVerificationError:
                mismatches += 1
            with self._changed:
                self._changed.wait(0.05)
        return False

    def _trusted(self, file: Path, host: tuple[str, int] | None) -> str | None:
        """Return the content of `file` if TLS to `host` through the proxy works with it; None if not yet.

        Raises SSLCertVerificationError if the proxy's certificate is from another CA.
        """
        try:
            authority = file.read_text("ascii")
            context = ssl.create_default_context(cadata=authority)
            # OpenCode is not this strict either; CAs that mitmproxy made years ago would not pass.
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
        except (OSError, ValueError):  # also from ssl: the file does not exist yet, or is incomplete
            return None

    def stop(self) -> None:
        """Tell the proxy to end and wait until it has; kill it if it takes too long."""
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
    """Run the proxy with the addon on a free port of this machine, and yield it; stop it when the block is left.

    `file` is mitmproxy's CA certificate: the block begins once TLS to `host`, a name and a port, works through the
    proxy with it. `arguments` are further arguments of mitmproxy, `process` is one that `loading` has begun, `web` runs
    mitmweb instead of mitmdump, and `drain_timeout` is how many seconds running calls get when the proxy is stopped.
    Raises NoProxyError if the proxy does not start, or does not match `file`.
    """
    # The addon prints one line per call; mitmdump's own lines would surround it.
    program = (
        ["mitmweb", "--web-port", str(ports.require_free_port(0))] if web else ["mitmdump", "--set", "flow_detail=0"]
    )
    # Options in the user's config.yaml, which may be meant for another proxy, override --set, but not these.
    listen = ["--listen-host", "127.0.0.1", "--listen-port", "0", "--proxyauth", ""]
    # This proxy serves one command only, that of the owner of the endpoint's key.
    listen += ["--set", "codex_clients=false"]
    if "--mode" not in arguments:
        listen += ["--mode", "regular"]
    log_folder = paths.log_folder(paths.home())
    try:
        log = ProxyLog(log_folder)
    except OSError as error:
        reason = f"No log can be written to {log_folder}: {error.strerror or error}."
        raise NoProxyError(reason, fix=f"{fix_for(error)}.") from None
    with log:
        # If two proxies start for the first time at once, one may overwrite the other's new CA file: start again.
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
    # If the process has already ended, its output says why.
    with pipes.reader_may_be_gone():
        process.stdin.write(json.dumps(command).encode() + b"\n")
        process.stdin.flush()
    return proxy
