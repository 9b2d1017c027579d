"""What files of settings are checked against: unknown keys are refused, and a number is a finite number.

>>> class Sampling(Settings):
...     seed: int = 0
>>> Sampling(seed=True)
Traceback (most recent call last):
    ...
pydantic_core._pydantic_core.ValidationError: 1 validation error for Sampling
seed
  expected a number [type=number, input_value=True, input_type=bool]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from qreal_tasks.text.addresses import is_plain_address

_HIGHEST = 2**63
"""What is above it is no count, size or seed of anything, and fits no column of a table."""


class Settings(BaseModel):
    """A file of settings, or a part of one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = _kinds(cls.model_fields[info.field_name or ""].annotation)
        if kinds & {int, float} and bool not in kinds:
            for one in _scalars(value):
                if isinstance(one, bool):
                    raise PydanticCustomError("number", "expected a number")  # pydantic takes true for 1
                if isinstance(one, int) and abs(one) >= _HIGHEST:
                    raise PydanticCustomError("number", "expected a number of fewer digits")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of; of a mapping those of its values, since keys of YAML are text.

    >>> _kinds(dict[str, int | None]) == {int, type(None)}
    True
    """
    parts = get_args(annotation)[1 if get_origin(annotation) is dict else 0 :]
    return {annotation} if not parts else set().union(*map(_kinds, parts))


def _scalars(value: Any) -> list[Any]:
    """A value, or those in a list or mapping."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return [one for part in value for one in _scalars(part)] if isinstance(value, list | tuple) else [value]


def _without_key(base_url: str) -> str:
    if not is_plain_address(base_url):
        raise ValueError("expected http(s)://host[:port]/v1 without user, password or query; the key is no part")
    return base_url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_without_key)]
"""The address of a server as a field. It is printed and stored: a user name, password or query may hold a key."""
