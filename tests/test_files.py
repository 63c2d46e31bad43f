"""Files are there whole or not at all, and what stops a write is said in one sentence."""

import errno
import hashlib
import os
import pathlib
import re

import pytest

from ganzoo import files
from ganzoo.errors import GanzooError


def names(folder):
    return sorted(path.name for path in pathlib.Path(folder).iterdir())


def refuse(number):
    """Gives a stand-in for a call of the system that fails as a full disk or the like does."""

    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


def stop():
    raise RuntimeError("stopped")


def write_file(target, text="new", then=lambda: None):
    with files.replacing(target) as partial:
        partial.write_text(text)
        then()


def write_folder(target, name="new", then=lambda: None):
    with files.replacing_folder(target) as partial:
        (partial / name).write_text(name)
        then()


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "file.txt"
    with files.replacing(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["file.txt"]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stopped"):
        write_file(target, "half of the n", then=stop)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]
    files.write_text(target, "new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_any_name_that_can_be_has_room_for_what_lies_beside_it(tmp_path, name):
    write_file(tmp_path / name)
    (tmp_path / "folders").mkdir()
    for generation in ("old", "new"):
        write_folder(tmp_path / "folders" / name, generation)
    assert names(tmp_path / "folders" / name) == ["new"]
    assert names(tmp_path / "folders") == [name]
    with pytest.raises(GanzooError, match=r"^Cannot write .*: the name is too long\. Choose a sho"):
        write_file(tmp_path / f"{name}nn")


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EDQUOT, "the disk is full. Free some space"),
        (errno.EROFS, "the disk is read-only. Choose a folder that you may write to"),
        (errno.EACCES, "permission is denied. Choose a folder that you may write to"),
        (errno.EPERM, "permission is denied. Choose a folder that you may write to"),
        (errno.ENOENT, "nothing can be made there. Choose another folder"),
        (errno.ENAMETOOLONG, "the name is too long. Choose a shorter one"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace", "write"])
def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path, monkeypatch, number, message, call):
    target = tmp_path / "file.txt"
    target.write_text("old")
    if call != "write":
        monkeypatch.setattr(os, call, refuse(number))
    then = refuse(number) if call == "write" else lambda: None
    with pytest.raises(GanzooError, match=f"^Cannot write .*file.txt: {message}"):
        write_file(target, then=then)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_other_errors_of_the_system_are_not_hidden(tmp_path):
    with pytest.raises(OSError, match="Input/output error"):
        write_file(tmp_path / "file.txt", then=refuse(errno.EIO))


def test_a_read_only_folder_is_one_sentence(unwritable):
    with pytest.raises(GanzooError, match=r"^Cannot write .*a.txt: permission is denied\. Choose"):
        files.write_text(unwritable / "a.txt", "text")
    with pytest.raises(GanzooError, match=r"^Cannot write .*below: permission is denied\. Choose"):
        write_folder(unwritable / "model" / "below")
    assert names(unwritable) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_is_one_sentence(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    # Where the new file is made, a device whose every write ends in "no space left".
    (tmp_path / f".file.txt.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(GanzooError, match=r"^Cannot write .*file.txt: the disk is full\. Free"):
        files.write_text(target, "new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_in_the_way_of_a_file_is_one_sentence(tmp_path):
    (tmp_path / "grid.png").mkdir()
    with pytest.raises(GanzooError, match="grid.png: a folder has that name. Choose another name"):
        files.write_text(tmp_path / "grid.png", "text")
    assert names(tmp_path) == ["grid.png"]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_file_in_the_way_of_a_folder_is_one_sentence(tmp_path, write):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GanzooError, match="part of the path is a file. Choose another place"):
        write(tmp_path / "taken" / "below")
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GanzooError, match="taken: part of the path is a file"):
        write_folder(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"
    assert names(tmp_path) == ["taken"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    for generation in ("first", "second"):
        with files.replacing_folder(target) as partial:
            (partial / "inner").mkdir()
            (partial / "inner" / generation).write_text(generation)
        assert names(target / "inner") == [generation]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("there", [True, False])
def test_behind_a_link_the_folder_is_replaced_that_it_leads_to(tmp_path, there):
    target = tmp_path / "models" / "first"
    link = tmp_path / "latest"
    link.symlink_to(target)
    if there:
        target.mkdir(parents=True)
        (target / "old").write_text("old")
    write_folder(link)
    assert link.readlink() == target
    assert names(target) == ["new"]
    assert names(tmp_path) == ["latest", "models"]
    assert names(tmp_path / "models") == ["first"]


@pytest.mark.parametrize("name", [".", "..", "inner/..", "../project"])
def test_the_folder_that_one_is_in_is_not_replaced(tmp_path, monkeypatch, name):
    (tmp_path / "project" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    message = f"^Cannot write {re.escape(name)}: that is the folder you are in, or one around it"
    with pytest.raises(GanzooError, match=message):
        write_folder(name)
    assert names(tmp_path) == ["project"]
    assert names(tmp_path / "project") == ["inner"]
    write_folder("inner/../other")
    assert names(tmp_path / "project" / "other") == ["new"]


def test_an_old_folder_stays_when_the_new_one_fails(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError, match="stopped"):
        write_folder(target, then=stop)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


def test_an_old_folder_comes_back_when_the_new_one_cannot_move_in(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    move, moves = os.replace, []

    def second_fails(source, place):
        moves.append(pathlib.Path(place).name)
        if len(moves) == 2:
            refuse(errno.ENOSPC)()
        move(source, place)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(GanzooError, match=r"^Cannot write .*model: the disk is full"):
        write_folder(target)
    assert moves[1:] == ["model", "model"]
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


def test_leftovers_of_a_killed_process_of_the_same_number_do_no_harm(tmp_path):
    leftover = tmp_path / f".model.{os.getpid()}.partial"
    leftover.mkdir()
    (leftover / "half").write_text("half")
    write_folder(tmp_path / "model", "whole")
    assert names(tmp_path / "model") == ["whole"]
    assert names(tmp_path) == ["model"]


def test_sums_are_those_of_sha256sum_and_find_what_changed(tmp_path):
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    files.write_sums(tmp_path, ["b.txt", "a.txt", "c.txt"])
    wanted = {name: hashlib.sha256(name.encode()).hexdigest() for name in sorted(names(tmp_path))}
    wanted.pop("SHA256SUMS")
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{digest}  {name}" for name, digest in wanted.items()]
    assert files.check_sums(tmp_path) == []
    (tmp_path / "a.txt").write_text("A.txt")
    (tmp_path / "c.txt").unlink()
    assert files.check_sums(tmp_path) == ["a.txt", "c.txt"]


def test_sums_do_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "outside.txt").write_text("secret")
    folder = tmp_path / "model"
    folder.mkdir()
    digest = files.sha256_of(tmp_path / "outside.txt")
    (folder / "SHA256SUMS").write_text(f"{digest}  ../outside.txt\n")
    assert files.check_sums(folder) == ["../outside.txt"]


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert files.sha256_of(tmp_path / "abc") == known
