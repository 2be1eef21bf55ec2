"""Provider class: one plugin class of one vendor, one ordinary request to it, and what its price counts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from livekit.agents import APIConnectOptions

from voicegateway.instrument import instrument
from voicegateway.record import PluginFacts
from voicegateway.testing.vendors import FaultKind, VendorSimulators
from voicegateway.testing.vendors.faults import Endpoint
from voicegateway.testing.vendors.truth import Vendor
from voicegateway_shared.usage import Modality

Use = Callable[[Any, APIConnectOptions], Awaitable[Any]]
"""One request as an agent makes it, to its end; raises what the plugin raises."""

STATUSES: Final[Mapping[FaultKind, int]] = {"rate_limited": 429, "server_error": 503, "unauthorized": 401}
REFUSALS: Final[tuple[FaultKind, ...]] = ("rate_limited", "server_error", "unauthorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClass:
    """A row of the contract: it is run through every test of this folder."""

    model: str
    """As in the gateway; its first word names the vendor and its simulator."""
    modality: Modality
    native: type[Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the constructor, beside those that point it at the simulator."""
    simulator_arguments: tuple[Any, ...] = ()
    """Of `plugin_kwargs()`, where one vendor has several endpoints."""
    use: Use
    way: str = ""
    """How it is used, where one class is used in two ways."""
    meters: tuple[str, ...]
    """Those that its price counts: the ledger's must be the vendor's, to the unit."""
    clocks: tuple[str, ...] = ()
    """A meter of ours and the vendor's for the same span of time, each by its own clock."""
    refused_at: Endpoint
    """Where its request is refused."""
    refusals: tuple[FaultKind, ...] = REFUSALS
    breaks_at: Endpoint
    """Where a request that was taken goes wrong."""
    breaks: tuple[FaultKind, ...] = ("close_mid_stream", "abort_mid_stream")
    use_until_broken: Use | None = None
    """How it is used when it is to break, where `use` would end before."""
    statuses: Mapping[FaultKind, int] = field(default_factory=lambda: STATUSES)
    """What the record keeps of each refusal."""
    is_priced: bool = True
    """The catalogue knows what it costs."""
    errors_tell_status: bool = True
    """So do its plugin's errors, or the record knows it from the answer alone."""
    has_plain_errors: bool = True
    """Its plugin makes LiveKit's errors of a refusal, which LiveKit retries; else the vendor's client's own pass."""

    @property
    def vendor(self) -> Vendor:
        """The first word of its model string."""
        return cast(Vendor, self.model.partition("/")[0])

    @property
    def name(self) -> str:
        """The test's id."""
        package = self.native.__module__.split(".")[2]
        return "-".join(filter(None, (package, self.native.__name__, self.way, self.model.partition("/")[2])))

    def bare(self, sims: VendorSimulators) -> Any:
        """Return an instance that speaks to the simulator, as nobody has touched it."""
        given = getattr(sims, self.vendor).plugin_kwargs(*self.simulator_arguments)
        return self.native(**{**given, **self.arguments})

    def make(self, sims: VendorSimulators) -> Any:
        """Return a metered instance that speaks to the simulator."""
        return instrument(
            self.bare(sims),
            PluginFacts(provider=self.vendor, modality=self.modality, project=None, key_id="", variant=None),
        )
