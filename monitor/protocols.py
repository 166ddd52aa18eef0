"""What a plug-in must offer: at most two methods each, satisfied by a frozen dataclass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from monitor.messages import Message, Receipt
from monitor.records import CorpusSample, Ranking, Reading, Record, Records, Rejection, Sample, VectorArray

if TYPE_CHECKING:
    # Baseline and Profile live in higher layers; a detector only names them.
    from monitor.baseline.build import WindowData
    from monitor.baseline.frozen import Baseline
    from monitor.profile import Profile

TextKind = Literal["query", "passage"]


@runtime_checkable
class LogSource(Protocol):
    """Where logged queries are read from."""

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield every record of ``[start, end)`` in any order, and a rejection for each entry that is unusable.

        Memory stays bounded whatever the window holds. Raises `EdgeError` (or `EdgeTimeoutError`).
        """

    def describe(self) -> str:
        """Connect, look, and say in one line what was found, without secrets; raises `EdgeError`."""


@runtime_checkable
class ColumnLog(Protocol):
    """A log that is read in columns, which costs a fraction of reading record by record."""

    def read_columns(self, start: datetime, end: datetime) -> Iterator[Records | Record | Rejection]:
        """Yield what :meth:`LogSource.read` yields, many records at once in columns where that can be."""


@runtime_checkable
class SampledLog(Protocol):
    """A log that draws samples itself, because it is read for several collections at once."""

    def sample(self, start: datetime, end: datetime, size: int) -> Sample:
        """Return the bottom-``size`` sample of ``[start, end)``; raises `EdgeError` (or `EdgeTimeoutError`)."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors with the model that production uses."""

    def embed(self, texts: Sequence[str], kind: TextKind = "query") -> VectorArray:
        """Return ``(len(texts), d)`` float32, not necessarily normalised; raises `EdgeError`."""

    def describe(self) -> str:
        """Load or connect and say in one line what was found (model, dimension); raises `EdgeError`."""


@runtime_checkable
class Index(Protocol):
    """The live vector index."""

    def search(self, vectors: VectorArray, k: int) -> Ranking:
        """Return the live answers to ``vectors`` ``(n, d)`` as production would give them; raises `EdgeError`."""

    def sample(self, n: int) -> CorpusSample:
        """Return the bottom-n sample of the corpus by hash of the document id; raises `EdgeError`."""


@runtime_checkable
class Notifier(Protocol):
    """Tells people. A repetition of a message and a later message of its key must not make a second incident.

    Two attributes say what it is good for, both False if it lacks them: ``chat`` (True: it reaches nobody at night, so
    it cannot page) and ``endless`` (True: it cannot resolve what it has opened, so it is told of nothing that pages).
    """

    def send(self, message: Message) -> Receipt:
        """Send it once, within the notifier's own time-out, and say what became of it.

        Whether to try again is part of the answer; an `EdgeError` means yes. No secret is in either.
        """

    def describe(self) -> str:
        """Connect, tell nobody, and say in one line what was found, without secrets; raises `EdgeError`."""


@runtime_checkable
class Detector(Protocol):
    """One measurement: a pure function of baseline and profile.

    A detector that needs more than the default profile has an attribute ``features`` besides: a tuple of
    :class:`Feature`. One whose statistic depends on its stream's own dispersion has ``regroups``, True: calibration
    measures it once more under what it showed.
    """

    @property
    def name(self) -> str:
        """What it measures; with the signal it names a stream."""

    @property
    def signal(self) -> str:
        """The population it looks at."""

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading; too little data is ``insufficient``, never an exception and never NaN."""


@runtime_checkable
class Feature(Protocol):
    """Something fitted on quiet windows and counted in every window, only where a configured detector asks for it."""

    @property
    def name(self) -> str:
        """What baseline and profile keep it under; features of one name are one feature."""

    @property
    def held_out(self) -> bool:
        """Whether the baseline's own tally is of the counting half only, because ``fit`` has looked at the other."""

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return the parameters to freeze, from quiet records pooled into one window; None where there are too few."""

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return the counts and sums of one window: arrays that add, none of them a text or a vector of a record."""
