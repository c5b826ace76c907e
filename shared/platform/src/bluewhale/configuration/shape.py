"""What every part of the configuration has in common: strict models and names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

UID = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Strict(BaseModel):
    """A misspelt key is a mistake, never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
