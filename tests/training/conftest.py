"""Processes that a failing test leaves behind are ended."""

import pytest

from tests.training import runs


@pytest.fixture(autouse=True)
def no_processes_left():
    yield
    for process in runs.started:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
    runs.started.clear()
