"""Questions to the user: a choice between a few buttons, files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFileDialog, QInputDialog, QMessageBox, QWidget

from anymask.napari.preferences import prefer, preference


def ask(parent: QWidget | None, title: str, question: str, choices: Sequence[str]) -> str | None:
    """Ask the user to choose; return None if the question was closed.

    Parameters
    ----------
    parent : QWidget
    title, question : str
    choices : sequence of str
        Texts of the buttons; the first one is safe and the default.
    """
    box = QMessageBox(parent)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)  # file names must not be read as HTML
    box.setText(question)
    buttons = {box.addButton(text, QMessageBox.ButtonRole.ActionRole): text for text in choices}
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setEscapeButton(cancel)
    box.setDefaultButton(next(iter(buttons)))
    box.exec()
    pressed = box.clickedButton()
    return next((text for button, text in buttons.items() if button is pressed), None)


def tell_once(parent: QWidget | None, title: str, sentence: str, name: str) -> None:
    """Show a message with a tick that turns such messages off; the window goes on meanwhile.

    Parameters
    ----------
    parent : QWidget
    title, sentence : str
    name : str
        Name of the preference that says whether to show it.
    """
    if not preference(name, True):
        return
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Information)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(sentence)
    again = QCheckBox("Do not show this again")
    box.setCheckBox(again)
    box.addButton(QMessageBox.StandardButton.Ok)
    box.finished.connect(lambda _: prefer(**{name: not again.isChecked()}))
    box.open()


def ask_text(parent: QWidget | None, title: str, question: str, text: str = "") -> str | None:
    """Ask for a line of text; None if cancelled."""
    answer, given = QInputDialog.getText(parent, title, question, text=text)
    return answer.strip() if given and answer.strip() else None


def choose_files(parent: QWidget | None, title: str, kinds: str = "") -> list[Path]:
    """Ask for existing files."""
    names, _ = QFileDialog.getOpenFileNames(parent, title, "", kinds)
    return [Path(name) for name in names]


def choose_file(parent: QWidget | None, title: str, kinds: str = "") -> Path | None:
    """Ask for an existing file."""
    name, _ = QFileDialog.getOpenFileName(parent, title, "", kinds)
    return Path(name) if name else None


def choose_new_file(parent: QWidget | None, title: str, name: str, kinds: str = "") -> Path | None:
    """Ask where to write a file; the dialog itself asks before replacing one."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, name, kinds)
    return Path(chosen) if chosen else None


def choose_folder(parent: QWidget | None, title: str, start: str = "") -> Path | None:
    """Ask for a folder."""
    name = QFileDialog.getExistingDirectory(parent, title, start)
    return Path(name) if name else None
