"""How long a click in the browser's server takes with 1, 4 and 16 users at once.

    python -m benchmarks.serve --clicks 20

Starts `anymask serve` over photographs, encodes them, and lets simulated users click at random
places, each in a thread of its own and each waiting a little between clicks, as people do. The time
is that of a whole request over loopback: prompts there, run lengths of the masks back.

Before that it opens each photograph as the page does, which asks for the tiles and has the image
encoded at the same time, and clicks as soon as the picture is there. So the first click may wait
for the encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import skimage

PHOTOGRAPHS = ("coffee.png", "chelsea.png", "astronaut.png", "rocket.jpg")
PAUSE = 1.0  # seconds on average between clicks of a user


class Server:
    """A server over a folder, and requests to it."""

    def __init__(self, folder: Path, model: str | None) -> None:
        command = [sys.executable, "-m", "anymask", "serve", str(folder), "--device", "cpu"]
        self._process = subprocess.Popen(
            [*command, *(["--model", model] if model else [])],
            env={**os.environ, "ANYMASK_HOME": str(folder / "home")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        address = urlsplit(self._process.stdout.readline().strip())
        self._start = f"http://{address.netloc}/v1/"
        self._token = parse_qs(address.query)["token"][0]

    def ask(self, path: str, body: dict | None = None, user: str = "") -> dict:
        """Return the answer to a request."""
        headers = {"Authorization": f"Bearer {self._token}", "X-User": user}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self._start + path, data, headers)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read())

    def fetch(self, path: str) -> None:
        """Get a picture, and throw it away."""
        headers = {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._start + path, headers=headers)
        with urllib.request.urlopen(request, timeout=300) as answer:
            answer.read()

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait()


def clicks_of(server: Server, images: list[dict], user: int, count: int, times: list) -> None:
    """Click at random places of one image, with pauses."""
    draw, image = random.Random(user), images[user % len(images)]
    for _ in range(count):
        time.sleep(draw.expovariate(1 / PAUSE))
        point = [draw.uniform(0, image["width"] - 1), draw.uniform(0, image["height"] - 1)]
        start = time.perf_counter()
        body = {"points": [point], "labels": [1]}
        server.ask(f"images/{image['id']}/predict", body, f"user {user}")
        times.append(time.perf_counter() - start)


def first_click(server: Server, image: dict) -> tuple[float, float]:
    """Open an image that the server has not shown yet, and click.

    Returns
    -------
    picture, click : float
        Seconds until the picture is there, and from then on until the first click is answered.
    """
    tiles = [
        f"images/{image['id']}/tiles/0/{column}/{row}"
        for column in range(-(-image["width"] // image["tile"]))
        for row in range(-(-image["height"] // image["tile"]))
    ]
    start = time.perf_counter()
    encoding = threading.Thread(target=server.ask, args=(f"images/{image['id']}/prepare", {}))
    encoding.start()
    getting = [threading.Thread(target=server.fetch, args=(tile,)) for tile in tiles]
    for thread in getting:
        thread.start()
    for thread in getting:
        thread.join()
    there = time.perf_counter()
    point = [image["width"] / 2, image["height"] / 2]
    server.ask(f"images/{image['id']}/predict", {"points": [point], "labels": [1]})
    answered = time.perf_counter()
    encoding.join()
    return there - start, answered - there


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clicks", type=int, default=20, help="of each user")
    parser.add_argument("--users", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        for file in PHOTOGRAPHS:
            shutil.copy(Path(skimage.__file__).parent / "data" / file, folder)
        server = Server(folder, args.model)
        try:
            images = server.ask("images")["images"]
            firsts = [first_click(server, image) for image in images]
            for image, (picture, click) in zip(images, firsts, strict=True):
                print(
                    f"{image['name']}: picture after {1000 * picture:.0f} ms, first click answered "
                    f"{1000 * click:.0f} ms later"
                )
            clicks_of(server, images, 0, 2, [])
            for users in args.users:
                times: list[float] = []
                threads = [
                    threading.Thread(
                        target=clicks_of, args=(server, images, user, args.clicks, times)
                    )
                    for user in range(users)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                p50, p95 = (1000 * float(np.percentile(times, share)) for share in (50, 95))
                print(f"{users:3} users, {len(times)} clicks: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
