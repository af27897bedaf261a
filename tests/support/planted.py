"""What a split process does where a PDF library goes wrong; in a module that imports little, as the memory limit counts imports, too."""

import os
import signal
import time
from pathlib import Path

from extractors.split.options import SplitOptions
from flows.documents.sandbox import page_of, split_to_frames
from schemas.errors import DocumentError
from schemas.step_data import DocumentInfo, Page

MEMORY = 1 << 30


def planted(source: str, file_name: str, frames: str, options: SplitOptions) -> DocumentInfo:
    """File names stand for what may happen: to the library, or to the process from outside, once or each time, or to its run."""
    if "told" in file_name and (mark := Path(frames).with_suffix(".told")) and not mark.exists():
        if "always" not in file_name:
            mark.touch()
        os.kill(os.getpid(), signal.SIGTERM)
    if "stopped" in file_name:
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(1.0)  # the run has heard of it when this process dies
        os.kill(os.getpid(), signal.SIGKILL)
    if "segfault" in file_name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in file_name:
        time.sleep(600)
    if "bomb" in file_name:
        bytearray(3 * MEMORY)
    return split_to_frames(source, file_name, frames, options)


def planted_look(source: str, file_name: str, number: int, passwords: tuple[str, ...]) -> Page | DocumentError:
    """The same three names, and the pages that they happen on: the second of each."""
    if number == 2:
        planted(source, file_name, os.devnull, SplitOptions())
    return page_of(source, file_name, number, passwords)
