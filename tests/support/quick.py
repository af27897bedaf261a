"""The real run without Prefect's seconds, for tests of many runs."""

import asyncio


def without_prefect(engine: object, run_id: str, shards: list, work: object, endpoint: object, **_: object) -> None:
    """In the place of `flows.runs.prefect_flow.through_prefect`."""

    async def all_shards() -> None:
        try:
            for place, shard in enumerate(shards):
                await shard(f"{run_id}-{place:05d}")
        finally:
            if hasattr(endpoint, "close"):
                await endpoint.close()

    asyncio.run(all_shards())
