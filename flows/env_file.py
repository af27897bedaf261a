"""The file `.env` of the current folder: read as it stands, and trusted with less than the environment.

A folder that somebody sent may hold one. Its values are taken as they are written (`${NAME}` would carry a secret of the
environment into a URL), and the same variables count that the environment may set, no others.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal

from dotenv.parser import parse_stream
from pydantic import AliasChoices
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from schemas.errors import ConfigurationError

ENV_FILE = ".env"
_PREFIX = "PAGEMILL_"
_FILLED_IN = re.compile(r"\$\{\w+(:?-[^}]*)?\}")


class EnvFile(DotEnvSettingsSource):
    """Settings of the file. Raises ConfigurationError for a file that cannot be read as lines NAME=VALUE."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        # of the names that are no variables one would set a field with an alias
        super().__init__(settings_cls, env_file_path(settings_cls), dotenv_filtering="only_existing")

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in env_file_values(file_path).items()}


class FolderSettings(BaseSettings):
    """Settings from arguments, else the environment, else `.env`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the interface of pydantic-settings
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, the first of which wins."""
        return init_settings, env_settings, EnvFile(settings_cls)


def env_file_path(settings_cls: type[BaseSettings]) -> Path:
    """The file, which PAGEMILL_ENV_FILE names for the runs of a schedule: they have a folder of their own."""
    return Path(EnvSettingsSource(settings_cls).env_vars.get(f"{_PREFIX}ENV_FILE".lower()) or ENV_FILE)


def env_file_values(path: Path) -> dict[str, str | None]:
    """Names and values of the file, as written. Raises ConfigurationError for what is no line NAME=VALUE."""
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "no text in UTF-8"
        raise ConfigurationError(f"{path}: {what}; mend it or move it away: settings are read from it") from None
    values: dict[str, str | None] = {}
    for binding in bindings:
        if binding.error:
            raise ConfigurationError(f"{path}, line {binding.original.line}: no NAME=VALUE; mend the line or remove it")
        if binding.key is None:
            continue
        name = binding.key.upper()
        if name.startswith((_PREFIX, "OPENROUTER_")) and _FILLED_IN.search(binding.value or ""):
            raise ConfigurationError(
                f"{path}: {name}: ${{NAME}} is not filled in, since a file could send a secret away with it; write the "
                "value, or set the variable in the environment"
            )
        values[name] = binding.value
    return values


_EXPECTED = {  # by pydantic's kind of error; the values are its context
    "greater_than_equal": "a number of {ge} or more",
    "greater_than": "a number above {gt}",
    "less_than_equal": "a number of {le} or less",
    "less_than": "a number below {lt}",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": 'a JSON object, such as {{"order": ["mistral"]}}',
    "literal_error": "{expected}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}


def setting_fault(detail: Mapping[str, Any]) -> str:
    """The fault of a value that pydantic has refused, in words of ours, with what is expected in its place."""
    expected = _EXPECTED.get(str(detail["type"]))
    if expected is None:
        return str(detail["msg"]).removeprefix("Value error, ")
    return f"invalid value: expected {expected.format(**detail.get('ctx', {}))}; docs/operations.md says what it is for"


class Origins:
    """The source of each setting: the user (the command line, the environment), `.env`, or none (its default).

    Raises ConfigurationError for a name of `.env` that no setting has: its writer meant another, and is at hand. The
    environment may hold names of other versions, so an unknown one there is a line of `lines`.
    """

    def __init__(self, settings_cls: type[BaseSettings], given: Collection[str]) -> None:
        self._variables = {name: _variable(settings_cls, name) for name in settings_cls.model_fields}
        environment = EnvSettingsSource(settings_cls).env_vars
        path = env_file_path(settings_cls)
        self._file = env_file_values(path) if path.is_file() else {}
        self._unknown = [name.upper() for name in environment if self._is_unknown(name.upper())]
        for name in self._file:
            if self._is_unknown(name):
                raise ConfigurationError(f"{ENV_FILE}: {self._no_setting(name)}")
        self._of: dict[str, Literal["file", "user", "default"]] = {}
        for name, variable in self._variables.items():
            is_users = name in given or variable.lower() in environment
            self._of[name] = "user" if is_users else "file" if variable in self._file else "default"

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Raises ConfigurationError where `.env` sets one of the settings that `reasons` are given for."""
        for name, reason in reasons.items():
            if self._of[name] == "file":
                raise ConfigurationError(
                    f"{ENV_FILE}: {self._variables[name]}: {reason}, so a file of the folder may not name it; set it in "
                    "the environment, or remove the line"
                )

    def require_one_source(self, secret: str, url: str, host: str) -> None:
        """Raises ConfigurationError where a secret would go to a URL that another hand has named."""
        if {self._of[secret], self._of[url]} == {"file", "user"}:
            where = {"file": f"in {ENV_FILE}", "user": "in the environment"}
            raise ConfigurationError(
                f"{self._variables[secret]} stands {where[self._of[secret]]}, {self._variables[url]} ({host}) "
                f"{where[self._of[url]]}: a key goes only to a URL of the same source; set both in the environment, or both "
                f"in {ENV_FILE}"
            )

    def lines(self) -> list[str]:
        """Notes for the first lines of a command: names that `.env` sets (no values), and names that mean nothing."""
        names = [self._variables[name] for name, source in self._of.items() if source == "file"]
        prefects = [name for name in self._file if name.startswith("PREFECT_")]
        return [
            *([f"{ENV_FILE} of this folder sets {', '.join(names)}"] if names else []),
            *(f"{ENV_FILE}: {name} is not read from a file; set it in the environment" for name in prefects),
            *map(self._no_setting, self._unknown),
        ]

    def _is_unknown(self, variable: str) -> bool:
        is_ours = variable.startswith(_PREFIX) and not variable.startswith(f"{_PREFIX}TEST_")
        return is_ours and variable not in {*self._variables.values(), f"{_PREFIX}ENV_FILE"}

    def _no_setting(self, variable: str) -> str:
        near = get_close_matches(variable, self._variables.values(), 1)
        meant = f"did you mean {near[0]}? " if near else ""
        return f"{variable} is no setting: {meant}docs/operations.md has the list; remove it or mend the name"


def _variable(settings_cls: type[BaseSettings], name: str) -> str:
    alias = settings_cls.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{_PREFIX}{name.upper()}"
