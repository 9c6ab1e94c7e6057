"""Work with a session that `anymask serve` serves, from Python and without torch."""

from __future__ import annotations

import io
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.files import check_free, whole_file
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import decode, read_rle

_POLL_SECONDS = 0.2


class ServerError(AnymaskError):
    """A server refused a request, or did not answer.

    Attributes
    ----------
    status : int
        As in HTTP; 0 if there was no answer.
    code : str
        "revision" if someone else was quicker, "edited" if edits would be lost, "busy"; else "".
    """

    def __init__(self, sentence: str, status: int = 0, code: str = "") -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


def connect(address: str, *, token: str | None = None, timeout: float = 120.0) -> Server:
    """Connect to a server.

    Parameters
    ----------
    address : str
        The address that `anymask serve` printed; or one without the token, and the token.
    token : str, optional
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    ServerError
        If it does not answer, or the token is wrong.
    """
    parts = urlsplit(address)
    given = token or parse_qs(parts.query).get("token", [""])[0]
    if parts.scheme not in ("http", "https") or not parts.netloc or not given:
        raise ServerError(
            "This is no address of a server; give the one that anymask serve printed, with its "
            "token."
        )
    server = Server(f"{parts.scheme}://{parts.netloc}/v1/", given, timeout)
    server.ask("status")
    return server


class Server:
    """A server and the images of its session: a sequence of `RemoteImage`.

    ``server["coffee"]`` is the image of that name or id, ``server[0]`` the first one.
    """

    def __init__(self, start: str, token: str, timeout: float) -> None:
        self._start, self._timeout = start, timeout
        self._headers = {"Authorization": f"Bearer {token}", "X-User": secrets.token_hex(4)}
        # No redirect is followed, so that the token goes nowhere else.
        self._open = urllib.request.build_opener(_NoRedirect).open

    def __len__(self) -> int:
        return len(self._facts())

    def __iter__(self) -> Iterator[RemoteImage]:
        return (RemoteImage(self, facts) for facts in self._facts())

    def __getitem__(self, which: str | int) -> RemoteImage:
        facts = self._facts()
        if isinstance(which, int):
            return RemoteImage(self, facts[which])
        for each in facts:
            if which in (each["id"], each["name"]):
                return RemoteImage(self, each)
        raise ServerError(f"The server has no image {which!r}.", 404)

    def add(self, path: str | os.PathLike[str]) -> RemoteImage:
        """Send an image; for an ENVI header, also its data, which lies beside it."""
        file = Path(path)
        if file.suffix.lower() != ".hdr":
            sent = self.send(f"images?name={quote(file.name)}", file.read_bytes())
            return RemoteImage(self, json.loads(sent))
        beside = [file.with_suffix(""), *sorted(file.parent.glob(f"{file.stem}.*"))]
        data = [each for each in beside if each.is_file() and each != file]
        if len(data) != 1:
            raise ServerError(
                f"{file} has {len(data)} files of its name beside it; one has to be its data."
            )
        border = secrets.token_hex(16)
        parts = [_form_part(each, border) for each in (file, data[0])]
        body = b"".join(parts) + f"--{border}--\r\n".encode()
        sent = self.send("images", body, f"multipart/form-data; boundary={border}")
        return RemoteImage(self, json.loads(sent))

    def everything(
        self,
        images: Sequence[str] | None = None,
        *,
        points_per_side: int = 32,
        replace: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Find every object in images (names or ids; all by default), and wait for it.

        Parameters
        ----------
        images : sequence of str, optional
        points_per_side : int
        replace : bool
            Whether edits may be lost.
        progress : callable, optional
            Called with a share from 0 to 1.
        """
        ids = None if images is None else [self[image].id for image in images]
        body = {"images": ids, "points_per_side": points_per_side, "replace": replace}
        job = self._wait(self.ask("jobs/everything", body), progress)
        if job["result"].get("failed"):
            raise ServerError(job["sentence"])

    def export(
        self,
        path: str | os.PathLike[str],
        formats: str | Sequence[str] = "labels",
        images: Sequence[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> Path:
        """Download masks: one file, or a zip of several.

        Parameters
        ----------
        path : path-like
            The file to write, or a folder for a file of the server's name.
        formats : str or sequence of str
            Names in `anymask.io.FORMATS`.
        images : sequence of str, optional
            Names or ids; all images with masks by default.
        overwrite : bool
        """
        wanted = [formats] if isinstance(formats, str) else list(formats)
        ids = None if images is None else [self[image].id for image in images]
        job = self._wait(self.ask("jobs/export", {"formats": wanted, "images": ids}), None)
        target = Path(path)
        target = target / job["result"]["name"] if target.is_dir() else target
        check_free(target, overwrite)
        content = self.get(job["result"]["address"].removeprefix("/v1/"))
        with whole_file(target) as part:
            part.write_bytes(content)
        return target

    def ask(self, path: str, body: Any = None) -> Any:
        """Get something under ``/v1/``, or send JSON there, and return the JSON that comes back."""
        if body is None:
            return json.loads(self.get(path))
        return json.loads(self.send(path, json.dumps(body).encode(), "application/json"))

    def get(self, path: str) -> bytes:
        """Return the bytes of something under ``/v1/``."""
        return self.send(path, None)

    def send(self, path: str, data: bytes | None, kind: str = "application/octet-stream") -> bytes:
        """Send bytes to an address under ``/v1/``, or none, and return those that come back."""
        headers = self._headers if data is None else {**self._headers, "Content-Type": kind}
        request = urllib.request.Request(self._start + path, data, headers)
        try:
            with self._open(request, timeout=self._timeout) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            try:
                facts = json.loads(error.read())
            except ValueError:
                facts = {}
            sentence = facts.get("error") or f"The server answered {error.code}."
            raise ServerError(sentence, error.code, facts.get("code", "")) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ServerError(
                f"The server at {self._start} does not answer ({reason}); check that it runs."
            ) from error

    def _facts(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = self.ask("images")["images"]
        return images

    def _wait(self, job: dict[str, Any], progress: Callable[[float], None] | None) -> Any:
        while job["state"] in ("waiting", "running"):
            time.sleep(_POLL_SECONDS)
            job = self.ask(f"jobs/{job['id']}")
            if progress is not None:
                progress(job["fraction"])
        if job["state"] != "done":
            raise ServerError(job["sentence"] or "The job was cancelled.")
        return job


class RemoteImage:
    """An image of a server's session.

    Attributes
    ----------
    id, name : str
    size : tuple of int
        Height and width.
    planes : int
    rgbs : list of str
        Its pseudo-RGBs; the first one is used by default.
    """

    def __init__(self, server: Server, facts: dict[str, Any]) -> None:
        self._server = server
        self.id: str = facts["id"]
        self.name: str = facts["name"]
        self.size: tuple[int, int] = (facts["height"], facts["width"])
        self.planes: int = facts["planes"]
        self.rgbs: list[str] = [each["name"] for each in facts["rgbs"]]

    def __repr__(self) -> str:
        return f"<RemoteImage {self.name!r} of {self.size[1]}×{self.size[0]} pixels>"

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        multimask_output: bool | None = None,
        *,
        rgb: str | None = None,
        plane: int = 0,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Predict masks, as `SamPredictor.predict` does; nothing is changed.

        Parameters
        ----------
        point_coords : (P, 2) array_like, optional
            As (x, y) in pixels.
        point_labels : (P,) array_like, optional
            1 on the object, 0 off it.
        box : (4,) array_like, optional
            Left, top, right, bottom.
        multimask_output : bool, optional
            Three masks instead of one; by default only for a single point.
        rgb, plane
            What is looked at.

        Returns
        -------
        masks : (C, H, W) bool array
        predicted_iou : (C,) float64 array
        """
        body = _prompts(point_coords, point_labels, box)
        body["candidates"] = multimask_output
        found = self._ask("predict", rgb, plane, body)["masks"]
        masks = np.stack([decode(each["rle"]) for each in found])
        return masks, np.array([each["score"] for each in found])

    def commit(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        *,
        class_name: str = "",
        candidate: int | None = None,
        rgb: str | None = None,
        plane: int = 0,
    ) -> int:
        """Make an object of the mask that prompts give, the best one or a `candidate`.

        Returns
        -------
        int
            Its id.
        """
        before = {each["id"] for each in self._objects("none", rgb, plane)}
        body = _prompts(point_coords, point_labels, box)
        body |= {"class": class_name, "candidate": candidate}
        made = self._ask("objects", rgb, plane, body)["objects"]
        return int(max(each["id"] for each in made if each["id"] not in before))

    def masks(self, *, rgb: str | None = None, plane: int = 0) -> MaskSet:
        """Return the objects as masks with their ids, classes and scores."""
        objects = self._objects("rle", rgb, plane)
        names = [each["class"] for each in objects]
        return MaskSet.from_counts(
            self.size,
            [read_rle(each["rle"])[0] for each in objects],
            predicted_iou=_numbers(objects, "score"),
            stability_score=_numbers(objects, "stability"),
            object_ids=[each["id"] for each in objects],
            class_names=names if any(names) else None,
        )

    def labels(self, *, rgb: str | None = None, plane: int = 0) -> NDArray[Any]:
        """Return the label image (H, W), uint16 or uint32; 0 is background."""
        import tifffile

        content = self._server.get(self._path("labels.tif", rgb, plane))
        labels: NDArray[Any] = tifffile.imread(io.BytesIO(content))
        return labels

    def pixels(self, *, rgb: str | None = None, plane: int = 0) -> NDArray[np.uint8]:
        """Return the picture that the model sees, (H, W, 3); very large ones are reduced."""
        from PIL import Image

        content = self._server.get(self._path("picture", rgb, plane))
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def undo(self, *, rgb: str | None = None) -> None:
        """Undo the last step of the image, whoever did it."""
        self._ask("undo", rgb, 0, {})

    def redo(self, *, rgb: str | None = None) -> None:
        """Redo the step that was undone last."""
        self._ask("redo", rgb, 0, {})

    def _objects(self, masks: str, rgb: str | None, plane: int) -> list[dict[str, Any]]:
        path = self._path("objects", rgb, plane, masks=masks)
        objects: list[dict[str, Any]] = self._server.ask(path)["objects"]
        return objects

    def _ask(self, what: str, rgb: str | None, plane: int, body: Any) -> Any:
        return self._server.ask(self._path(what, rgb, plane), body)

    def _path(self, what: str, rgb: str | None, plane: int, **more: str) -> str:
        query = {"rgb": rgb or self.rgbs[0], "plane": plane, **more}
        return f"images/{self.id}/{what}?{urlencode(query)}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _form_part(file: Path, border: str) -> bytes:
    """A file as a part of a form; its name is quoted as browsers do."""
    name = file.name.replace("\\", "%5C").replace('"', "%22").replace("\n", "%0A")
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + file.read_bytes() + b"\r\n"


def _prompts(coords: ArrayLike | None, labels: ArrayLike | None, box: Any) -> dict[str, Any]:
    points = [] if coords is None else np.asarray(coords, np.float64).reshape(-1, 2).tolist()
    kinds = [1] * len(points) if labels is None else np.asarray(labels).reshape(-1).tolist()
    sides = None if box is None else np.asarray(box, np.float64).reshape(4).tolist()
    return {"points": points, "labels": kinds, "box": sides}


def _numbers(objects: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    return np.array([np.nan if each[name] is None else each[name] for each in objects])
