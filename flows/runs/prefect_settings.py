"""Prefect's settings without files of the current folder: its environment and its profile count, nothing else.

Prefect reads `.env`, `prefect.toml` and `pyproject.toml` of whatever folder it is imported in, and among its settings are
the server that it talks to, its database, and a file of logging that names functions to call: a folder that somebody sent
would decide all of these. (A flow run's process needs none of this: its folder is one that Pagemill or Prefect has made.)
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_SOURCES = "prefect.settings.sources"


def ignore_files_of_folder() -> None:
    """Let Prefect, once it is imported, ignore the files of the current folder; to be called before it is."""
    if _SOURCES in sys.modules:
        _close(sys.modules[_SOURCES])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Import of Prefect's module of sources, with the files closed to it before any setting is read."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target  # of the import system's interface
        if fullname != _SOURCES:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Closing(spec.loader)
        return spec


class _Closing(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _close(module)


def _close(sources: Any) -> None:
    """Make the three readers of files of the current folder find nothing. Raises AttributeError where Prefect has other ones."""
    for reader in (sources.PrefectTomlConfigSettingsSource, sources.PyprojectTomlConfigSettingsSource):
        assert callable(reader._read_files)  # noqa: SLF001 - Prefect has no switch for it
        reader._read_files = _nothing  # noqa: SLF001
    assert callable(sources.FilteredDotEnvSettingsSource._read_env_files)  # noqa: SLF001
    sources.FilteredDotEnvSettingsSource._read_env_files = _nothing  # noqa: SLF001
    assert callable(sources._get_profiles_path)  # noqa: SLF001
    sources._get_profiles_path = _profiles_path  # noqa: SLF001


def _nothing(*_: Any, **__: Any) -> dict[str, Any]:
    return {}


def _profiles_path() -> Path:
    """Prefect's file of profiles, by the environment, else in its home."""
    named = os.environ.get("PREFECT_PROFILES_PATH")
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    return Path(named) if named else home / "profiles.toml"
