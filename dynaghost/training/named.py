"""What networks whose fields are all trained arrays share: their weights by the names in files, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, cast

import numpy as np


class NamedWeights:
    """A frozen dataclass of arrays, one of them the bias b.

    `IN_FILES` gives the name in files of each field that is not called there what it is called here.
    """

    __slots__ = ()

    IN_FILES: ClassVar[Mapping[str, str]] = {}
    b: np.ndarray

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray]) -> Self:
        """The network of some weights by the names in files.

        Raises
        ------
        DynaghostError
            If shapes disagree or a weight is not finite.
        """
        return cls(**{field: weights[name] for field, name in cls.names().items()})

    @classmethod
    def names(cls) -> dict[str, str]:
        """The name in files of each field."""
        return {field.name: cls.IN_FILES.get(field.name, field.name) for field in fields(cast(Any, cls))}

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """By the names in files."""
        return {name: getattr(self, field) for field, name in self.names().items()}

    @property
    def units(self) -> int:
        """Number of neurons."""
        return self.b.size
