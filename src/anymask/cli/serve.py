"""``anymask serve``: a session in the browser."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from anymask.cli.console import complain, err, errors_as_sentences, note, out
from anymask.cli.options import DeviceOption, DtypeOption, ModelOption, load_model
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.web.places import Place


@errors_as_sentences
def serve(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="[FOLDER|SESSION]",
            help="A folder with images, or a session NAME.anymask. [default: the current folder]",
            show_default=False,
        ),
    ] = Path(),
    model: ModelOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port. [default: the first free one from 8321]",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in, with the token."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A further name of this server, such as that of a proxy."
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="A site whose pages may ask too, such as https://example.org."
        ),
    ] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a new token, which ends old addresses.")
    ] = False,
    max_upload: Annotated[
        int, typer.Option(metavar="MB", min=1, help="Size of an image that is sent.")
    ] = 256,
    dialect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|all",
            help="Also answer another program: samapi (QuPath), label-studio, x-anylabeling, "
            "samgeo (GeoLibre). May be repeated.",
        ),
    ] = None,
    label_studio: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The Label Studio from which images may be fetched, such as "
            "http://localhost:8080. A token in LABEL_STUDIO_API_KEY is sent to it.",
        ),
    ] = "",
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="Finds what words name, for programs that send words; see `anymask text`.",
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Segment, correct and export in the browser, alone or together.

    Needs `pip install "anymask[web]"`. Prints an address with a secret token; who has it can see
    and change everything in the session. The session is in the folder of the images:

    ```
    anymask serve photos/
    anymask serve work.anymask --port 9000
    anymask serve photos/ --host 0.0.0.0      # for others in the same network
    ```
    """
    try:
        from anymask.web.access import Access, token_of
        from anymask.web.app import create_app
        from anymask.web.dialects import DIALECTS
        from anymask.web.dialects.label_studio_files import LabelStudio
        from anymask.web.server import bound, run
        from anymask.web.workplace import Workplace
    except ImportError as error:
        raise AnymaskError(
            'The server needs FastAPI and uvicorn; install them with pip install "anymask[web]".'
        ) from error
    from anymask.predict.prompters import the_prompter
    from anymask.web.places import open_place

    dialects = _dialects(dialect or [], list(DIALECTS))
    most = max_upload * 2**20
    files = LabelStudio(label_studio, os.environ.get("LABEL_STUDIO_API_KEY", ""), most)
    found = open_place(place)
    with found.session:
        _add_images(found)
        listening = bound(host, port)
        number = listening.getsockname()[1]
        token = token_of(found.session.folder, new=new_token)
        access = Access(token, host, number, allow_host or (), allow_origin or (), dialects)
        with err.status("Loading the model"):
            sam = load_model(model, device, dtype)
        work = Workplace(found, sam, model)
        words = None if detector is None else the_prompter(detector, device)
        app = create_app(work, access, most_upload=most, label_studio=files, detector=words)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        start = f"http://{f'[{shown}]' if ':' in shown else shown}:{number}"
        address = f"{start}/?token={token}"

        def started() -> None:
            out.print(Text(address), soft_wrap=True)
            if host == "0.0.0.0":
                name = socket.gethostname()
                out.print(Text(address.replace(shown, name, 1)), soft_wrap=True)
            for name in dialects:
                known = DIALECTS[name]
                key = f"{start}/{name}/{access.dialect_key(name)}{known.entered}"
                out.print(Text(f"{known.client}: {key}"), soft_wrap=True)
            err.print(Text(f"Session {found.session.folder}. Ctrl-C stops the server."))
            if not access.is_loopback:
                note(
                    "Other machines can reach this server, and what they send is not encrypted; "
                    "use it only in a network that you trust, or behind a proxy with HTTPS."
                )
            if open_page:
                typer.launch(address)

        run(app, work, listening, started)


def _dialects(wanted: list[str], known: list[str]) -> list[str]:
    """Return the names of dialects that are wanted, each once."""
    for name in wanted:
        if name not in (*known, "all"):
            raise AnymaskError(
                f"There is no dialect {name!r}; choose from {', '.join(known)}, or all."
            )
    return known if "all" in wanted else [name for name in known if name in wanted]


def _add_images(place: Place) -> None:
    """Add the images of the folder that are not in the session yet."""
    for message in place.session.messages:
        note(message)
    if place.images is None:
        return
    with err.status("Reading the images"):
        added = place.session.images.add(place.images)
    for failure in added.failed:
        if failure.path != place.images:
            complain(failure.sentence)
    if not len(place.session.images):
        note("There is no image in the folder yet; add some in the page.")
