"""Ask the hub which commit a revision is and what it holds; say what went wrong in one line."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from zoo.errors import GatedError, HubError, NotFoundError, UsageError
from zoo.hub.files import Kind, RemoteFile, check_path, is_commit

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_LOGIN = "log in with `hf auth login` or set HF_TOKEN"


class UnreachableError(HubError):
    """The hub does not answer, or not now; files in the cache may do instead."""


class BrokenConnectionError(UnreachableError):
    """No connection, or one that ended early or went silent."""


@dataclass(frozen=True)
class Hub:
    """A server that speaks the Hugging Face Hub's protocol, by its endpoint's URL.

    ``kind`` is that of the repositories it is asked for.
    """

    endpoint: str
    kind: Kind = "model"

    def files(self, repository: str, revision: str | None) -> tuple[str, Mapping[str, RemoteFile]]:
        """Ask which commit a revision is, and which files it has, by their paths.

        Raises:
            UsageError: The name is none that a repository can have.
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
        except (ValueError, KeyError, TypeError) as error:
            raise self._nonsense(repository) from error
        if info.sha is None or not is_commit(info.sha) or info.siblings is None:
            raise self._nonsense(repository)
        files = {}
        for each in info.siblings:
            path = check_path(each.rfilename, source=f"{self.endpoint}/{repository}")
            etag = each.lfs.sha256 if each.lfs else each.blob_id
            if each.size is None or etag is None:
                # A mirror whose listings have names only.
                files[path] = self._head(repository, info.sha, path)
            else:
                files[path] = RemoteFile(path, each.size, check_path(etag, source=repository))
        return info.sha, files

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
        try:
            yield
        except HfHubHTTPError as error:
            raise self._refusal(error, repository, revision, path) from error
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
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return UnreachableError(
                f"{self.endpoint} asks to slow down (429) at {path or repository!r}; run again in "
                f"a few minutes, or {_LOGIN} for a higher limit"
            )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnreachableError(
                f"{self.endpoint} fails ({status}) at {path or repository!r}; run again later: "
                "what has been downloaded is kept"
            )
        return HubError(f"{self.endpoint} answers {status} at {path or repository!r}")

    def _nonsense(self, repository: str) -> HubError:
        return HubError(
            f"{self.endpoint} does not answer as a Hugging Face hub does when asked for "
            f"{repository!r}; check HF_ENDPOINT, and whether the network wants a login page"
        )


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
