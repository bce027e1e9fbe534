"""A hub on loopback: what huggingface_hub asks of huggingface.co, answered by a real HTTP server.

    with HubServer({"org/model": {"main": {"config.json": b"{}"}}}) as hub:
        hub.faults["config.json"] = Fault(status=503)
        ...  # a client with HF_ENDPOINT=hub.url
        hub.gets("config.json")

Large files (by suffix) are served as LFS files, and from a second port when ``cdn`` is set, as the
real hub does.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

LISTING = "/api"  # the key of faults in listings

_BLOCK = 16 * 1024


@dataclass
class Fault:
    """What goes wrong with a path's answers, for the next ``times`` requests (None: for all).

    ``status``, ``code`` (X-Error-Code) and ``retry_after`` replace the answer. The others change
    the bytes of a GET: stop and close (``cut``) or go silent (``stall``) after so many bytes, flip
    one (``corrupt``), send so many a second (``rate``), ignore Range (``whole``). ``size`` is
    announced in listings instead of the true one, ``body`` is sent instead of the file.
    """

    status: int | None = None
    code: str = ""
    retry_after: str | None = None
    cut: int | None = None
    stall: int | None = None
    corrupt: int | None = None
    rate: int | None = None
    whole: bool = False
    size: int | None = None
    body: bytes | None = None
    times: int | None = None


@dataclass(frozen=True)
class Request:
    """A request that was answered; ``path`` is the file's in its repository, or LISTING."""

    method: str
    path: str
    range: str | None
    token: str | None
    port: int


@dataclass(frozen=True)
class Blob:
    data: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name for the file, or for the pointer that stands for a large one."""
        data = f"oid sha256:{self.sha256}\n".encode() if self.large else self.data
        return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass
class HubServer:
    """Repositories, as {id: {revision: {path: bytes}}}, behind HTTP for as long as a ``with``.

    A dataset's id begins with ``datasets/``, as its URL does.

    ``metadata`` off makes listings hold names alone, as some mirrors' do. ``token`` is the only one
    accepted, if any is sent; repositories in ``gated`` want it.
    """

    repositories: Mapping[str, Mapping[str, Mapping[str, bytes]]]
    cdn: bool = False
    metadata: bool = True
    gated: frozenset[str] = frozenset()
    token: str = "hf_right"
    large: tuple[str, ...] = (".safetensors", ".bin", ".model")
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self.serving = 0  # answers under way
        self.lock = threading.Lock()
        self._servers = [_Server(self), _Server(self)]

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def commit(self, repository: str, revision: str = "main") -> str:
        """The commit that a branch is; a revision of 40 hex digits is one itself."""
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision
        files = self.repositories[repository][revision]
        names = [f"{path} {self.blob(path, data).etag}" for path, data in sorted(files.items())]
        return hashlib.sha1("\n".join([repository, *names]).encode()).hexdigest()

    def find(self, repository: str, revision: str) -> tuple[str, Mapping[str, bytes]] | None:
        """The commit and the files of a branch or a commit; None if there is no such revision."""
        for name, files in self.repositories[repository].items():
            commit = self.commit(repository, name)
            if revision in {name, commit}:
                return commit, files
        return None

    def blob(self, path: str, data: bytes) -> Blob:
        return Blob(data, path.endswith(self.large))

    def gets(self, path: str) -> list[Request]:
        """The GET requests for a file or for listings, in order; a redirected one comes twice."""
        return [each for each in self.requests if (each.method, each.path) == ("GET", path)]

    def fault(self, path: str) -> Fault:
        """The fault of a path for one request, which uses up one of its ``times``."""
        with self.lock:
            fault = self.faults.get(path)
            if fault is None or fault.times == 0:
                return Fault()
            if fault.times is not None:
                fault.times -= 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that are killed or hang up: tests do that on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep standard error to the client under test."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self._count(+1)
        try:
            self._answer()
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self.server.hub.lock:
            self.server.hub.serving += change

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(
            r"/api/(?:models/)?((?:datasets/)?.+?)(?:/(revision|tree)/([^/]+))?", path
        ):
            self._list(match[1], match[3] or "main", as_tree=match[2] == "tree")
        elif match := re.fullmatch(
            r"/((?:datasets/)?[^/]+/[^/]+|[^/]+)/(resolve|cdn)/([^/]+)/(.+)", path
        ):
            self._resolve(match[1], match[3], match[4], on_cdn=match[2] == "cdn")
        else:
            self._refuse(404)

    def _refuse(
        self, status: int, code: str = "", message: str = "", retry_after: str | None = None
    ) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        if retry_after is not None:
            headers["Retry-After"] = retry_after
        self._send(status, b"", headers)

    def _look_up(
        self, repository: str, revision: str, path: str, fault: Fault
    ) -> tuple[str, Mapping[str, bytes]] | None:
        """Record a request, and find what it is about; answer it here if it may not have that."""
        hub = self.server.hub
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ") or None
        hub.requests.append(
            Request(self.command, path, self.headers["Range"], token, self.server.server_port)
        )
        found = hub.find(repository, revision) if repository in hub.repositories else None
        if fault.status is not None:
            self._refuse(fault.status, fault.code, retry_after=fault.retry_after)
        elif token not in {None, hub.token}:
            self._refuse(401, message="Invalid credentials in Authorization header")
        elif repository not in hub.repositories:
            self._refuse(404, "RepoNotFound")
        elif found is None:
            self._refuse(404, "RevisionNotFound")
        elif path not in {LISTING, *found[1]}:
            self._refuse(404, "EntryNotFound")
        else:
            return found
        return None

    def _list(self, repository: str, revision: str, *, as_tree: bool) -> None:
        hub = self.server.hub
        fault = hub.fault(LISTING)
        found = self._look_up(repository, revision, LISTING, fault)
        if found is None:
            return
        commit, files = found
        rows = [self._row(path, hub.blob(path, data), as_tree) for path, data in files.items()]
        answer = rows if as_tree else {"id": repository, "sha": commit, "siblings": rows}
        body = json.dumps(answer).encode() if fault.body is None else fault.body
        self._send(200, body, {"Content-Type": "application/json"}, fault)

    def _row(self, path: str, blob: Blob, as_tree: bool) -> dict[str, Any]:
        """A file in a listing; the two kinds of listing have other words for the same."""
        name = {"type": "file", "path": path} if as_tree else {"rfilename": path}
        if not self.server.hub.metadata:
            return name
        size = self.server.hub.faults.get(path, Fault()).size or len(blob.data)
        row: dict[str, Any] = {**name, "size": size, "oid" if as_tree else "blobId": blob.oid}
        if blob.large:
            digest = "oid" if as_tree else "sha256"
            row["lfs"] = {"size": size, digest: blob.sha256, "pointerSize": 130}
        return row

    def _resolve(self, repository: str, revision: str, path: str, *, on_cdn: bool) -> None:
        hub = self.server.hub
        to_cdn = hub.cdn and path.endswith(hub.large) and not on_cdn
        fault = Fault() if to_cdn else hub.fault(path)
        found = self._look_up(repository, revision, path, fault)
        if found is None:
            return
        if repository in hub.gated and not on_cdn and self.headers["Authorization"] is None:
            self._refuse(401, "GatedRepo")
            return
        commit, files = found
        blob = hub.blob(path, files[path])
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.etag}"'}
        if blob.large:
            headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(len(blob.data))}
        if to_cdn:
            place = f"{hub.cdn_url}/{repository}/cdn/{revision}/{path}"
            self._send(302, b"", headers | {"Location": place})
            return
        body = blob.data if fault.body is None else fault.body
        start = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if start is None or fault.whole:
            self._send(200, body, headers, fault, path)
        else:
            headers["Content-Range"] = f"bytes {start[1]}-{len(body) - 1}/{len(body)}"
            self._send(206, body[int(start[1]) :], headers, fault, path)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
        path: str = LISTING,
    ) -> None:
        fault = fault or Fault()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.corrupt is not None:
            wrong = bytes([body[fault.corrupt] ^ 1])
            body = body[: fault.corrupt] + wrong + body[fault.corrupt + 1 :]
        ends = [each for each in (fault.cut, fault.stall) if each is not None]
        self._write(body[: min(ends, default=None)], path, fault.rate)
        if fault.stall is not None:
            self.server.hub.closing.wait()
        if ends:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self, body: bytes, path: str, rate: int | None) -> None:
        for start in range(0, len(body), _BLOCK):
            block = body[start : start + _BLOCK]
            with self.server.hub.lock:  # first: a client may be faster than the next line
                self.server.hub.sent[path] += len(block)
            self.wfile.write(block)
            if rate is not None:
                time.sleep(len(block) / rate)
