"""Places that are shared: nobody can hold all of them, and whoever comes later still finds some."""

from collections import Counter


class FairShare:
    """A number of places. A holder gets another one while more are free than it holds already.

    So one alone gets half of them, and leaves the rest to those who come later.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._held: Counter[str] = Counter()

    def take(self, holder: str) -> bool:
        """Give a holder another place; return False if it holds its share."""
        free = self.places - self._held.total()
        if self._held[holder] >= free:
            return False
        self._held[holder] += 1
        return True

    def release(self, holder: str) -> None:
        """Free a place of a holder."""
        self._held[holder] -= 1
        self._held += Counter()  # forgets who holds none

    def held(self, holder: str) -> int:
        """Return how many places a holder has."""
        return self._held[holder]
