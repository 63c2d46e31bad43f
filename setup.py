"""Builds ganzoo afresh each time; what it is and what it needs is in setup.cfg."""

import atexit
import shutil
import tempfile

from setuptools import setup

# setuptools packs all that its build folder holds, and in one that stays that is also what an
# earlier version of ganzoo had and this one has no more.
build_folder = tempfile.mkdtemp(prefix="ganzoo-build-")
atexit.register(shutil.rmtree, build_folder, ignore_errors=True)
setup(options={"build": {"build_base": build_folder}})
