"""The peer of startup.py: the same documents through a plain asyncio loop, as one writes it in an afternoon.

    python benchmarks/startup_peer.py FOLDER URL SLOTS

The text of each PDF of FOLDER/in, one call for each, the rows in one Parquet file at the end. Without journal, dataset, limits,
budget, grounding, Prefect or split processes.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pymupdf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from schemas.document_types import DOCUMENT_TYPES

SCHEMA = {"name": "invoice", "schema": dict(DOCUMENT_TYPES["invoice"].schema)}


async def main(folder: Path, url: str, slots: int) -> None:
    few = asyncio.Semaphore(slots)

    async def extracted(path: Path) -> dict[str, Any]:
        async with few:
            with pymupdf.open(path) as document:
                text = "\n".join(page.get_text() for page in document)
            body = {
                "model": "any",
                "messages": [
                    {"role": "system", "content": "Extract the invoice as JSON."},
                    {"role": "user", "content": text},
                ],
                "response_format": {"type": "json_schema", "json_schema": SCHEMA},
            }
            answer = await client.post(f"{url}/chat/completions", json=body)
            answer.raise_for_status()
            return {"file": path.name, **json.loads(answer.json()["choices"][0]["message"]["content"])}

    async with httpx2.AsyncClient(timeout=60) as client:
        rows = await asyncio.gather(*(extracted(path) for path in sorted((folder / "in").iterdir())))
    pq.write_table(pa.Table.from_pylist(rows), folder / "peer.parquet")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
