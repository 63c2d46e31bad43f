"""Goes through folders of pictures, wherever links lead."""

import os
import pathlib
from collections.abc import Callable, Iterator


def walk(
    root: pathlib.Path, onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[pathlib.Path, list[str], list[str], list[str]]]:
    """Goes through a folder as `os.walk` does, following links, but none without end.

    Args:
        root: The folder.
        onerror: Takes the error of a folder that cannot be listed, which is left out.

    Yields:
        A folder, and the names in it: of folders, which may be taken out of the list to pass
        them by; of files; and of links that lead back to a folder around them, and are not
        followed.
    """
    for name, inner, files in os.walk(root, onerror=onerror, followlinks=True):
        folder = pathlib.Path(name)
        links = [each for each in inner if (folder / each).is_symlink()]
        # The way here may have led through other links: a folder on it lies where it leads.
        way = [each for each in (folder, *folder.parents) if each.is_relative_to(root)]
        around = [each.resolve() for each in way] if links else []
        back = []
        for link in links:
            if any(each.is_relative_to((folder / link).resolve()) for each in around):
                inner.remove(link)
                back.append(link)
        yield folder, inner, files, back
