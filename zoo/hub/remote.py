"""Ask the hub which commit a revision is and what it holds; say what went wrong in one line."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.errors import CacheError, GatedError, HubError, NotFoundError, UsageError
from zoo.hub.files import Kind, RemoteFile, check_path, is_commit

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoSibling

_LOGIN = "log in with `hf auth login` or set HF_TOKEN"


class UnreachableError(HubError):
    """The hub does not answer, or not now; files in the cache may do instead."""


class BrokenConnectionError(UnreachableError):
    """No connection, or one that ended early or went silent."""


class BusyError(UnreachableError):
    """The hub cannot answer now; ``wait`` is how many seconds it asks for, None if it does not."""

    def __init__(self, message: str, wait: int | None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Hub:
    """A server that speaks the Hugging Face Hub's protocol, by its endpoint's URL.

    ``kind`` is that of the repositories it is asked for.
    """

    endpoint: str
    kind: Kind = "model"

    def __post_init__(self) -> None:
        if not _is_url(self.endpoint):
            raise UsageError(
                f"HF_ENDPOINT is {self.endpoint!r}; expected a URL such as https://huggingface.co"
            )

    def files(self, repository: str, revision: str | None) -> tuple[str, Mapping[str, RemoteFile]]:
        """Ask which commit a revision is, and which files it has, by their paths.

        Raises:
            UsageError: The name is none that a repository can have, or the token is no token.
            CacheError: The file of the token cannot be read.
            NotFoundError: No such repository or revision.
            GatedError: The hub wants a login first.
            UnreachableError: The hub does not answer.
            HubError: It answers something else than a hub would.
        """
        from huggingface_hub import HfApi, constants
        from huggingface_hub.errors import HFValidationError

        api = HfApi(endpoint=self.endpoint, library_name="zoo")
        name = revision or "main"
        try:
            with self.errors(repository, name), quiet():
                ask = api.dataset_info if self.kind == "dataset" else api.model_info
                info = ask(
                    repository,
                    revision=name,
                    files_metadata=True,
                    timeout=constants.HF_HUB_ETAG_TIMEOUT,
                )
        except HFValidationError as error:
            raise UsageError(
                f"{repository!r} is no repository name; expected 'organisation/name'"
            ) from error
        except UnicodeEncodeError as error:
            raise UsageError(
                "HF_TOKEN, or the file that `hf auth login` has written, holds characters that no "
                "token has"
            ) from error
        except OSError as error:
            raise CacheError(
                f"cannot read {error.filename}: {error.strerror}; check HF_HOME and HF_TOKEN_PATH"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._nonsense(repository) from error
        if not isinstance(info.sha, str) or not is_commit(info.sha) or info.siblings is None:
            raise self._nonsense(repository)
        files: dict[str, RemoteFile] = {}
        sizes: dict[str | None, int] = {}
        for each in info.siblings:
            file = self._listed(repository, info.sha, each)
            # What has the same bytes has the same name in the cache, and the other way round.
            if sizes.setdefault(file.etag, file.size) != file.size:
                raise self._nonsense(repository)
            files[file.path] = file
        return info.sha, files

    def _listed(self, repository: str, commit: str, row: RepoSibling) -> RemoteFile:
        """A file of a listing, whose fields huggingface_hub passes on unchecked."""
        etag = row.lfs.sha256 if row.lfs else row.blob_id
        if not isinstance(row.rfilename, str):
            raise self._nonsense(repository)
        path = check_path(row.rfilename, source=f"{self.endpoint}/{repository}")
        if row.size is None or etag is None:
            # A mirror whose listings have names only.
            return self._head(repository, commit, path)
        if type(row.size) is not int or not 0 <= row.size < 2**63 or not isinstance(etag, str):
            raise self._nonsense(repository)
        return RemoteFile(path, row.size, check_path(etag, source=repository))

    def _head(self, repository: str, commit: str, path: str) -> RemoteFile:
        from huggingface_hub import constants, get_hf_file_metadata

        url = self.url(repository, commit, path)
        with self.errors(repository, commit, path), quiet():
            found = get_hf_file_metadata(
                url, timeout=constants.HF_HUB_ETAG_TIMEOUT, endpoint=self.endpoint
            )
        if found.size is None or found.etag is None:
            raise self._nonsense(repository)
        return RemoteFile(path, found.size, check_path(found.etag, source=repository))

    def url(self, repository: str, commit: str, path: str) -> str:
        """Where a file is to be had."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            repository, path, repo_type=self.kind, revision=commit, endpoint=self.endpoint
        )

    @contextlib.contextmanager
    def errors(self, repository: str, revision: str, path: str = "") -> Iterator[None]:
        """Turn the block's HTTP errors into zoo's."""
        from huggingface_hub.errors import HfHubHTTPError

        # The base of all errors of the HTTP library: httpx before huggingface_hub 2.0, now httpx2.
        http_error: type[Exception] = HfHubHTTPError.__bases__[0]
        library = sys.modules[http_error.__module__.partition(".")[0]]
        try:
            yield
        except HfHubHTTPError as error:
            raise self._refusal(error, repository, revision, path) from error
        except library.InvalidURL as error:
            raise HubError(
                f"cannot reach {self.endpoint}: {error}; check the proxy and HF_ENDPOINT"
            ) from error
        except http_error as error:
            raise BrokenConnectionError(
                f"cannot reach {self.endpoint} ({type(error).__name__}); check the network, the "
                "proxy and HF_ENDPOINT, then run again: what has been downloaded is kept"
            ) from error

    def _refusal(
        self, error: HfHubHTTPError, repository: str, revision: str, path: str
    ) -> HubError:
        from huggingface_hub import errors

        status = error.response.status_code
        if isinstance(error, errors.GatedRepoError):
            return GatedError(
                f"{repository!r} is gated; accept its licence at {self.endpoint}/{repository}, "
                f"then {_LOGIN}"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return NotFoundError(
                f"{repository!r} has no revision {revision!r} at {self.endpoint}; expected a "
                "branch, a tag or a commit of 40 hex digits"
            )
        if isinstance(error, errors.EntryNotFoundError):
            return NotFoundError(
                f"{repository!r} has no file {path!r} at revision {revision!r} of {self.endpoint}"
            )
        if path and status == HTTPStatus.NOT_FOUND:
            return NotFoundError(
                f"{self.endpoint} lists {path!r} in {repository!r} and does not have it (404); "
                "run again later"
            )
        if isinstance(error, errors.RepositoryNotFoundError) or status == HTTPStatus.NOT_FOUND:
            return NotFoundError(
                f"no repository {repository!r} at {self.endpoint}; check the name, or, if it is "
                f"private, {_LOGIN}"
            )
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return GatedError(
                f"{self.endpoint} does not let you read {repository!r} ({status}); {_LOGIN}, with "
                "a token that may"
            )
        wait = _wait(error.response.headers)
        later = "" if wait is None else f" in {wait:,} seconds"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return BusyError(
                f"{self.endpoint} asks to slow down (429) at {path or repository!r}; run again"
                f"{later or ' in a few minutes'}, or {_LOGIN} for a higher limit",
                wait,
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return BusyError(
                f"{self.endpoint} fails ({status}) at {path or repository!r}; run again"
                f"{later or ' later'}: what has been downloaded is kept",
                wait,
            )
        return HubError(f"{self.endpoint} answers {status} at {path or repository!r}")

    def _nonsense(self, repository: str) -> HubError:
        return HubError(
            f"{self.endpoint} does not answer as a Hugging Face hub does when asked for "
            f"{repository!r}; check HF_ENDPOINT, and whether the network wants a login page"
        )


def _is_url(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        return False


def _wait(headers: Mapping[str, str]) -> int | None:
    """The seconds to wait that an answer asks for; None if it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    seconds = headers.get("Retry-After", "")
    return int(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds) else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep huggingface_hub from logging to standard error: what matters is raised."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
