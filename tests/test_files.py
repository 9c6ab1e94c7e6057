"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anymask.errors import OutputError
from anymask.files import check_writable, is_lasting, output_error, whole_file


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    with whole_file(target) as part:
        part.write_text("half")
        assert not target.exists()
        assert part.parent == tmp_path
        assert part.suffix == ".txt"
    assert target.read_text() == "half"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(error)), whole_file(target) as part:
        part.write_text("half of the n")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_missing_folders_are_made(tmp_path):
    with whole_file(tmp_path / "b" / "c" / "a.txt") as part:
        part.write_text("x")
    assert (tmp_path / "b" / "c" / "a.txt").read_text() == "x"


def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a.txt") as part:
            part.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@contextmanager
def read_only_folder() -> Iterator[Path]:
    """A folder that cannot be written to, by root neither while this lasts."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        Path(name, "a.txt").write_text("old")
        os.chmod(name, 0o555)
        if root:
            os.seteuid(65534)  # nobody
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(name, 0o755)


def test_a_read_only_folder_is_named_and_stays_as_it_is():
    with read_only_folder() as folder:
        sentence = r": there is no permission to write here; choose another folder\.$"
        with pytest.raises(OutputError, match=f"Cannot write {folder}/a.txt{sentence}"):
            with whole_file(folder / "a.txt") as part:
                part.write_text("new")
        with pytest.raises(OutputError, match=f"Cannot write {folder}{sentence}"):
            check_writable(folder)
        with pytest.raises(OutputError, match=f"Cannot write {folder}/sub{sentence}"):
            check_writable(folder / "sub")
        assert [p.name for p in folder.iterdir()] == ["a.txt"]
        assert (folder / "a.txt").read_text() == "old"


def test_a_path_below_a_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / "out" / "a.txt"
    with pytest.raises(OutputError, match=r"Cannot write .*a\.txt: .*choose another folder\.$"):
        with whole_file(target):
            pass
    with pytest.raises(OutputError, match=r"Cannot write .*out: .*choose another folder\.$"):
        check_writable(tmp_path / "file" / "out")


def test_a_folder_in_the_way_is_named_and_stays(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="a folder of this name is in the way"):
        with whole_file(tmp_path / "a.txt") as part:
            part.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_too_long_is_said_to_be_so(tmp_path):
    with pytest.raises(OutputError, match="the name is too long"):
        with whole_file(tmp_path / ("a" * 300 + ".txt")) as part:
            part.write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_to_be_full_and_lasting():
    # /dev/full is a real device whose every write fails for want of space.
    with pytest.raises(OutputError, match="the disk is full") as caught:
        try:
            with Path("/dev/full").open("wb", buffering=0) as file:
                file.write(b"x")
        except OSError as error:
            raise output_error(Path("out/a.png"), error) from error
    assert is_lasting(caught.value)


def test_an_error_of_one_name_is_not_lasting():
    error = OSError(errno.ENAMETOOLONG, "File name too long")
    try:
        raise output_error(Path("a"), error) from error
    except OutputError as told:
        assert not is_lasting(told)


def test_checking_a_folder_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
