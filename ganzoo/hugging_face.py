"""Model folders and files on Hugging Face, with `huggingface_hub` (extra `hub`)."""

import contextlib
import fnmatch
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ganzoo.cache import CacheError, folder_part, home, hugging_part, is_offline, locked
from ganzoo.downloads import DownloadError
from ganzoo.errors import GanzooError, WeightsError, require_extra
from ganzoo.files import WEIGHTS_FILE, check_sums, move_in, read_sums, sha256_of, write_text

# What `ganzoo.save` writes: nothing else of a repository is downloaded, code least of all.
FOLDER_FILES = ("preset.yaml", WEIGHTS_FILE, "README.md", "*.png")

_FORM = re.compile(
    r"hf://(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<file>[\w./-]+))?"
)
_log = logging.getLogger("ganzoo")


def parse(source: str) -> dict[str, str | None]:
    """Takes "hf://owner/name[@revision][/file]" apart.

    Raises:
        WeightsError: It is not of this form.
    """
    match = _FORM.fullmatch(source)
    if not match or ".." in PurePosixPath(match["file"] or "").parts:
        raise WeightsError(
            f"{source!r} names nothing on Hugging Face. Write hf://owner/name, "
            "hf://owner/name@revision or hf://owner/name/file."
        )
    return match.groupdict()


def file_name(source: str) -> str:
    """Gives the name of the weights file that a source means."""
    return PurePosixPath(parse(source)["file"] or WEIGHTS_FILE).name


def download_file(source: str, place: Path) -> None:
    """Downloads one file to `place`; a download that is cut off goes on the next time.

    Raises:
        DownloadError: It cannot be had.
    """
    parts = parse(source)
    folder = hugging_part(place)
    with _explained():
        got = _api().hf_hub_download(
            f"{parts['owner']}/{parts['name']}",
            parts["file"] or WEIGHTS_FILE,
            revision=parts["revision"],
            local_dir=folder,
        )
    os.replace(got, place)
    shutil.rmtree(folder, ignore_errors=True)


def fetch_folder(source: str, *, offline: bool | None = None) -> Path:
    """Fetches a model folder, or what changed in it since, and gives its place in the cache.

    Args:
        source: "hf://owner/name" or "hf://owner/name@revision".
        offline: True never asks the network; None reads GANZOO_OFFLINE.

    Returns:
        A folder with a SHA256SUMS, which the caller has to check.

    Raises:
        WeightsError: The folder cannot be had, or holds no model of ganzoo.
    """
    parts = parse(source)
    if parts["file"]:
        raise WeightsError(f"{source} names a file. A model is a folder: hf://owner/name")
    revision = f"@{parts['revision']}" if parts["revision"] else ""
    folder = home() / "hub" / f"{parts['owner']}--{parts['name']}{revision}"
    if is_offline(offline):
        return _complete(folder, source, "offline")
    try:
        with locked(folder), _explained():
            _bring_folder(f"{parts['owner']}/{parts['name']}", parts["revision"], folder)
    except DownloadError as error:
        _complete(folder, source, str(error))
        _log.warning("%s cannot be asked (%s): using the copy in %s", source, error, folder)
    except CacheError as error:
        # A cache that many share may be read-only: what lies there serves as it is.
        if not _is_complete(folder):
            raise
        reason = str(error).rstrip(".")
        _log.warning("%s cannot be asked (%s): using the copy in %s", source, reason, folder)
    return _complete(folder, source, "it holds no SHA256SUMS, as ganzoo.save writes")


def _bring_folder(repository: str, revision: str | None, folder: Path) -> None:
    """Downloads the files that the repository's own SHA256SUMS lists, all of one commit.

    They gather beside the folder and take its place when all are there.
    """
    api, part = _api(), folder_part(folder)
    commit = api.model_info(repository, revision=revision or "main").sha
    sums = Path(api.hf_hub_download(repository, "SHA256SUMS", revision=commit, local_dir=part))
    listed = read_sums(part)
    wanted = {name: sha for name, sha in listed.items() if _is_of_a_model(name)}
    if len(wanted) < len(listed):
        # What is not downloaded, such as a LICENSE, would be missed whenever the folder is checked.
        write_text(sums, "".join(f"{sha}  {name}\n" for name, sha in wanted.items()))
    wanted[sums.name] = sha256_of(sums)
    here = {name for name, digest in wanted.items() if _is_file(folder / name, digest)}
    if here != set(wanted):
        for name in wanted:
            if name in here:
                shutil.copy2(folder / name, part / name)
            else:
                api.hf_hub_download(repository, name, revision=commit, local_dir=part)
        shutil.rmtree(part / ".cache", ignore_errors=True)
        move_in(part, folder)
    shutil.rmtree(part, ignore_errors=True)


def _is_of_a_model(name):
    return any(fnmatch.fnmatch(name, pattern) for pattern in FOLDER_FILES) and "/" not in name


def _is_file(path, digest):
    return path.is_file() and sha256_of(path) == digest


def push(folder: str | os.PathLike, target: str, *, private: bool = False) -> str:
    """Publishes a model folder on Hugging Face.

    Args:
        folder: What `ganzoo.save` wrote; it is checked first.
        target: "hf://owner/name"; the repository is made if there is none.
        private: Make a new repository private.

    Returns:
        The URL of the commit.

    Raises:
        WeightsError: The folder is no whole model folder.
        GanzooError: The target is a file, the network must not be asked, or Hugging Face
            refuses; logging in is up to `hf auth login`.
    """
    folder, parts = Path(folder), parse(target)
    if parts["file"]:
        raise GanzooError(
            f"{target} names a file, and a model is published as a whole. Write hf://owner/name"
        )
    if is_offline():
        raise GanzooError(
            f"{target} cannot be published while GANZOO_OFFLINE is set. Set GANZOO_OFFLINE=0 first."
        )
    required = ("preset.yaml", WEIGHTS_FILE)
    if not (folder / "SHA256SUMS").is_file() or check_sums(folder, required):
        raise WeightsError(
            f"{folder} is not a whole model folder. Write one with ganzoo.save(model, folder)."
        )
    names = list(read_sums(folder))
    api, repository = _api(), f"{parts['owner']}/{parts['name']}"
    try:
        with _explained():
            api.create_repo(repository, private=private, exist_ok=True)
            commit: Any = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                revision=parts["revision"],
                allow_patterns=[*names, "SHA256SUMS"],
                commit_message="Publish a model of ganzoo",
            )
    except DownloadError as error:
        raise GanzooError(
            f"{folder} could not be sent to {target}: {error}. "
            "See that there is a network, and log in with a token that may write: hf auth login"
        ) from error
    return str(commit.commit_url)


def _api():
    library = require_extra("huggingface_hub", "hub")
    return library.HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


def _is_complete(folder: Path) -> bool:
    return (folder / "SHA256SUMS").is_file()


def _complete(folder: Path, source: str, reason: str) -> Path:
    if _is_complete(folder):
        return folder
    raise WeightsError(
        f"The model {source} cannot be had: {reason}. Load it once on a machine with internet, "
        f"and bring its folder to {folder}."
    )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except GanzooError:
        raise
    # What goes wrong comes as errors of several libraries, which change with their versions.
    except Exception as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise DownloadError(reason or type(error).__name__) from error
