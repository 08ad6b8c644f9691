"""Base of the models of a run's JSON files: reading, writing and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from typing import Self

Phase = TypeVar("Phase", bound="Facts")
Parsed = TypeVar("Parsed")


class Damaged(ValueError):
    """A file does not match its model; the message names the first wrong place."""


class Facts(BaseModel):
    """An object of a JSON file. Immutable; unknown keys, of later releases, are kept."""

    model_config = ConfigDict(
        frozen=True, extra="allow", populate_by_name=True, allow_inf_nan=False, protected_namespaces=()
    )

    def content(self) -> dict[str, JsonValue]:
        """Return the JSON object. Keys that were never set are absent, so a file is written back as it was read."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def but(self, **facts: Any) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=facts)

    def then(self, phase: type[Phase], **facts: Any) -> Phase:
        """Return the next phase: all fields so far, and `facts`, as a `phase`."""
        return phase.model_validate({**self.content(), **facts})


def checked(kind: type[Phase], facts: Mapping[str, object]) -> Phase:
    """Return an instance from facts of external origin. Raises Damaged, in one line."""
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        raise Damaged(first_wrong(error)) from None


def parse(kind: TypeAdapter[Parsed], content: bytes) -> Parsed:
    """Read the bytes of a JSON file. Numbers are never converted from strings or booleans.

    Raises Damaged, in one line.
    """
    try:
        return kind.validate_json(content, strict=True)
    except ValidationError as error:
        raise Damaged(first_wrong(error)) from None


def first_wrong(error: ValidationError, skip: int = 0) -> str:
    """Return the first wrong place and its error. skip: uninformative outer parts of the place."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][skip:])
    return f"{place}: {first['msg']}" if place else first["msg"]
