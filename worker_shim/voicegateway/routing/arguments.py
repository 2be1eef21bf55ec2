"""Arguments: what each of several candidates is built with."""

from collections.abc import Mapping, Sequence
from typing import Any

from voicegateway.registry.arguments import LANGUAGE_NAMES
from voicegateway.registry.signature import VENDORS_OWN, fitting
from voicegateway_shared.errors import ConfigurationError
from voicegateway_shared.routing import ChainModel
from voicegateway_shared.usage import Modality


class Arguments:
    """The keyword arguments of one call of the gateway, divided among its candidates. Made and used within the call.

    All go to each candidate where all are of one provider. Where they are not, each takes what its plugin knows; what
    means one vendor, a key or a voice, is refused, and so is what nobody takes. A candidate's own options win.
    """

    def __init__(self, given: Mapping[str, Any], candidates: Sequence[ChainModel], modality: Modality) -> None:
        """Raises ConfigurationError where an argument cannot be meant for all."""
        self._given = given
        self._modality: Modality = modality
        self._taken: set[str] = set()
        providers = sorted({each.model.strip().partition("/")[0] for each in candidates})
        self._is_divided = len(providers) > 1
        if not self._is_divided:
            return
        for name in given:
            if name in VENDORS_OWN:
                raise ConfigurationError(
                    f"{modality}: {name}=… cannot be meant for {', '.join(providers)} alike: give it to one model, by "
                    f"`options: {{{name}: …}}` of a chain or by ChainModel(model=…, options={{{name!r}: …}})"
                )

    def of(self, candidate: ChainModel) -> dict[str, Any]:
        """Return what a candidate is built with; imports its plugin where arguments are divided."""
        if not self._is_divided or not self._given:
            return {**self._given, **candidate.options}
        taken = fitting(candidate.model, self._modality, self._given, candidate.options)
        self._taken |= taken.keys()
        return {**taken, **candidate.options}

    def refuse_what_nobody_takes(self) -> None:
        """Raise ConfigurationError for an argument that no candidate knows: it is misspelt, or changes nothing."""
        # A language is taken by whatever name it has there.
        taken = self._taken | ({"language"} if self._taken & {*LANGUAGE_NAMES} else set())
        untaken = [name for name in self._given if name not in taken]
        if self._is_divided and untaken:
            raise ConfigurationError(f"{self._modality}: none of the candidates takes {', '.join(untaken)}=…")
