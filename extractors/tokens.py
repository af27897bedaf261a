"""Exact token counts of texts and images for Mistral Small 3.1: the Tekken vocabulary, version v7.

The vocabulary is the file that mistral-common ships (130,072 tokens and 1,000 special ones); counting goes through
tiktoken with its ranks, which is twice as fast as mistral-common's own classes and does not import OpenCV.
"""

import base64
import functools
import importlib.util
import json
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tiktoken

PATCH = 28  # pixels: patch 14 x spatial merge 2
MAX_SIDE = 1540  # pixels: larger images are scaled down by the encoder
_VOCABULARY = "data/tekken_240911.json"
_INNER_VOCABULARY_SIZE = 130_072
_START = 1  # <s>, once
_FRAMES = {"system": 2, "user": 2, "assistant": 1}  # [SYSTEM_PROMPT]...[/SYSTEM_PROMPT], [INST]...[/INST], ...</s>


def count_text(text: str) -> int:
    """Tokens of `text` alone."""
    return len(_encoding().encode_ordinary(text)) if text else 0


def count_image(width: int, height: int) -> int:
    """Tokens of an image of `width` x `height` pixels: rows x (columns + 1) (FACTS §4, from mistral-common)."""
    ratio = max(width / MAX_SIDE, height / MAX_SIDE)
    if ratio > 1:
        width, height = max(1, round(width / ratio)), max(1, round(height / ratio))
    columns, rows = math.ceil(width / PATCH), math.ceil(height / PATCH)
    return rows * (columns + 1)


def count_messages(messages: Iterable[Mapping[str, Any]]) -> int:
    """Prompt tokens of chat messages: an optional system message, then turns of user and assistant."""
    total = _START
    for message in messages:
        total += _FRAMES.get(str(message.get("role")), 2)
        content = message.get("content") or ""
        total += count_text(content) if isinstance(content, str) else sum(map(_count_part, content))
    return total


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of JPEG or PNG bytes. Raises ValueError for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:2] == b"\xff\xd8":
        offset = 2
        while offset + 9 <= len(data):
            if data[offset] != 0xFF:
                break
            marker, length = data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "big")
            if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a frame header
                height, width = struct.unpack(">HH", data[offset + 5 : offset + 9])
                return width, height
            offset += 2 + length
    raise ValueError("neither JPEG nor PNG")


def _count_part(part: Mapping[str, Any]) -> int:
    if part.get("type") == "text":
        return count_text(str(part.get("text") or ""))
    url = str((part.get("image_url") or {}).get("url") or "")
    head = url.partition(",")[2][:65_536]  # the frame header is within the first bytes
    return count_image(*image_size(base64.b64decode(head[: len(head) // 4 * 4])))


@functools.cache
def _encoding() -> tiktoken.Encoding:
    spec = importlib.util.find_spec("mistral_common")  # located, not imported: its import costs a second
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("mistral-common is not installed; run `pip install pagemill` again")
    path = Path(spec.submodule_search_locations[0]) / _VOCABULARY
    tekken = json.loads(path.read_text(encoding="utf-8"))
    entries = tekken["vocab"][:_INNER_VOCABULARY_SIZE]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in entries}
    return tiktoken.Encoding(
        name="tekken-v7", pat_str=tekken["config"]["pattern"], mergeable_ranks=ranks, special_tokens={}
    )
