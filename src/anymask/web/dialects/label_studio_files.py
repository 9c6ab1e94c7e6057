"""Images of Label Studio's tasks: fetched from one named host, and from nowhere else."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from anymask.errors import AnymaskError
from anymask.web.dialects.sent import from_base64

# Where Label Studio has files; the rest of its interface is nobody's image.
_PLACES = ("/data/", "/storage-data/", "/tasks/")
_CLOUDS = ("s3://", "gs://", "azure-blob://")
_SECONDS = 30.0


class LabelStudio:
    """The Label Studio whose files may be fetched.

    Parameters
    ----------
    address : str
        Such as "http://localhost:8080"; "" if no file may be fetched.
    key : str
        An access token of a user, personal or legacy. Without one, the token is used that Label
        Studio sends when the model is connected.
    most : int
        Bytes of a file.

    Raises
    ------
    AnymaskError
        If the address is none.
    """

    def __init__(self, address: str = "", key: str = "", most: int = 256 * 2**20) -> None:
        parts = urlsplit(address)
        if address and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query):
            raise AnymaskError(
                f"{address!r} is no address of a Label Studio; write it as http://localhost:8080."
            )
        self._address = address.rstrip("/")
        self._key, self._sent_key, self._most = key, "", most
        # No redirect is followed, so that the token goes nowhere else.
        self._open = urllib.request.build_opener(_NoRedirect).open

    def take_key(self, key: str) -> None:
        """Remember the token that Label Studio sent; it only ever goes back to Label Studio."""
        self._sent_key = key

    def file(self, place: str, task: int | None = None) -> bytes:
        """Return the bytes of an image that a task names.

        Parameters
        ----------
        place : str
            A data URI, a path of an upload or of local storage, a place in cloud storage that
            Label Studio serves, or an address of the Label Studio itself.
        task : int, optional
            The id of the task.

        Raises
        ------
        AnymaskError
            If it is elsewhere, cannot be fetched, or is too large.
        """
        if place.startswith("data:"):
            return from_base64(place)
        if not self._address:
            raise AnymaskError(
                "Images are fetched only from a Label Studio that is named; start the server with "
                "--label-studio http://localhost:8080 (its address)."
            )
        return self._fetched(self._path(place, task))

    def _path(self, place: str, task: int | None) -> str:
        own, parts = urlsplit(self._address), urlsplit(place)
        if place.startswith(_CLOUDS):
            return f"/tasks/{task or 0}/presign/?{urlencode({'fileuri': place})}"
        there = (parts.scheme, parts.netloc.lower())
        if there not in (("", ""), (own.scheme, own.netloc.lower())):
            raise AnymaskError(
                f"The image is at {parts.netloc[:80] or parts.scheme[:20]}, and images are fetched "
                "only from the Label Studio that was named; upload it there, or serve it by local "
                "storage."
            )
        path = parts.path.removeprefix(own.path) if own.path else parts.path
        path = f"/{path.lstrip('/')}"
        path = f"/data{path}" if path.startswith("/upload/") else path
        known = path.startswith(_PLACES)
        if not known or ".." in unquote(unquote(path)).replace("\\", "/").split("/"):
            raise AnymaskError(f"{place[:80]!r} is no file of a task.")
        return quote(path, safe="/%") + (f"?{parts.query}" if parts.query else "")

    def _fetched(self, path: str) -> bytes:
        request = urllib.request.Request(self._address + path, headers=self._headers())
        try:
            with self._open(request, timeout=_SECONDS) as answer:
                data: bytes = answer.read(self._most + 1)
        except urllib.error.HTTPError as error:
            hint = ""
            if error.code in (401, 403):
                hint = " Give an access token in LABEL_STUDIO_API_KEY."
            elif 300 <= error.code < 400:
                hint = " It is stored elsewhere; let Label Studio serve it (a proxied storage)."
            raise AnymaskError(
                f"Label Studio answered {error.code} when asked for the image.{hint}"
            ) from None
        except OSError as error:
            raise AnymaskError(
                f"Label Studio does not answer at {self._address} "
                f"({getattr(error, 'reason', error)})."
            ) from error
        if len(data) > self._most:
            raise AnymaskError("The image of the task is larger than --max-upload allows.")
        return data

    def _headers(self) -> dict[str, str]:
        key = self._key or self._sent_key
        if not key:
            return {}
        if key.count(".") != 2:
            return {"Authorization": f"Token {key}"}
        # A personal access token is exchanged for one that lasts some minutes.
        request = urllib.request.Request(
            f"{self._address}/api/token/refresh/",
            json.dumps({"refresh": key}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with self._open(request, timeout=_SECONDS) as answer:
                access = str(json.loads(answer.read(65536))["access"])
        except (OSError, ValueError, KeyError) as error:
            raise AnymaskError(
                "Label Studio does not accept the access token; make a new one in its account "
                "settings, and give it in LABEL_STUDIO_API_KEY."
            ) from error
        return {"Authorization": f"Bearer {access}"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
