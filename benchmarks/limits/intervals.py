"""Over-admission: by how much the worst of all intervals exceeds burst + rate × length, from a log of admissions."""

from collections.abc import Iterable, Sequence

NS_PER_S = 1_000_000_000


def worst_excess(times_ns: Iterable[int], *, rate_per_s: float, burst: float) -> float:
    """Return max over all intervals of admitted − (burst + rate × length); at most 0: the limit held. One pass.

    `times_ns` ascend, one for each unit. The worst interval begins and ends with an admission, and its excess is a
    rise of (count so far − rate × time): the largest rise is found by keeping the lowest point so far.
    """
    worst, lowest, start_ns = -float(burst), 0.0, None
    for admitted, now_ns in enumerate(times_ns):
        start_ns = now_ns if start_ns is None else start_ns
        level = admitted - rate_per_s * (now_ns - start_ns) / NS_PER_S
        lowest = min(lowest, level)
        worst = max(worst, level + 1 - lowest - burst)
    return worst


def certain_excess(spans_ns: Sequence[tuple[int, int]], *, rate_per_s: float, burst: float) -> float:
    """Return the worst excess that is certain when each admission is only known to lie between two times.

    A process that lost its processor between a server's answer and its own log shifts an admission by milliseconds,
    which is no over-admission. An interval counts only the admissions that lie wholly in it. O(n log n).
    """
    if not spans_ns:
        return -float(burst)
    begins = sorted({before for before, _ in spans_ns})
    place = {before: index for index, before in enumerate(begins)}
    # For an interval that begins at `begins[i]`, not later than now: units wholly in it so far + rate × its begin.
    tree = _PrefixAddMax(len(begins))
    origin, worst, begun = begins[0], -float(burst), 0
    for before, after in sorted(spans_ns, key=lambda span: span[1]):
        while begun < len(begins) and begins[begun] <= after:
            tree.put(begun, rate_per_s * (begins[begun] - origin) / NS_PER_S)
            begun += 1
        tree.add_until(place[before])
        worst = max(worst, tree.maximum() - rate_per_s * (after - origin) / NS_PER_S - burst)
    return worst


class _PrefixAddMax:
    """Values of which a beginning can be raised by one, and the largest be read; lives within one check."""

    def __init__(self, count: int) -> None:
        self._size = 1 << (count - 1).bit_length()
        self._most = [float("-inf")] * (2 * self._size)
        self._added = [0] * (2 * self._size)

    def put(self, index: int, value: float) -> None:
        """Set a value that was not set yet."""
        self._most[index + self._size] = value
        self._climb(index + self._size)

    def add_until(self, last: int) -> None:
        """Raise all values up to this index by one."""
        node = last + self._size
        self._most[node] += 1
        while node > 1:
            if node % 2:
                self._most[node - 1] += 1
                self._added[node - 1] += 1
            node //= 2
        self._climb(last + self._size)

    def maximum(self) -> float:
        """Return the largest value."""
        return self._most[1]

    def _climb(self, node: int) -> None:
        while node > 1:
            node //= 2
            self._most[node] = max(self._most[2 * node], self._most[2 * node + 1]) + self._added[node]
