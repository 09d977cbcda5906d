"""The paths that a search by backtracking tries, counted on the automaton of a regular expression."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

from .automaton import Automaton, TooLarge
from .charset import bits, partition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A task's name is a routing key at times, which has 255 bytes at most.
LONGEST = 255

#: How many pairs and triples of states are looked at before an expression counts as too large.
SEARCHED = 50_000

#: How many sets of states are followed at each length, when the worst name is looked for.
FOLLOWED = 16

#: By how much paths that pass loops grow less than the power of what is left of a name.
GROWN = (1, 1, 2, 6)

#: By classes of characters the states that follow, and in how many ways.
Steps = dict[int, dict[int, int]]


class Paths:
    """The paths of a search.

    Parameters:
      search: The automaton, as `automaton.of_search` builds it.
    """

    def __init__(self, search: Automaton) -> None:
        numbers, _ = partition(frozenset(search.sets))
        classes = {characters: tuple(bits(number)) for characters, number in numbers.items()}
        self.after: list[Steps] = [{} for _ in search.moves]
        for steps, moves in zip(self.after, search.moves, strict=True):
            for to, ways in moves.items():
                for one in classes[search.sets[to]]:
                    steps.setdefault(one, {})[to] = ways
        self.groups = _components([{to for step in steps.values() for to in step} for steps in self.after])
        self.home = {state: number for number, group in enumerate(self.groups) for state in group}
        #: What follows without leaving the group of states that lead back to each other.
        self.inside = [self._inside(state) for state in range(len(self.after))]
        self.loops = [
            at for at, group in enumerate(self.groups) if any(self.inside[state] for state in group)
        ]
        self.costs = search.costs
        self.looked = 0

    def splits(self) -> int:
        """In how many paths one can split at most, not counting when it leaves a repeat; 0 if it never splits."""
        found, split = 1, False
        for steps, inside in zip(self.after, self.inside, strict=True):
            for step in steps.values():
                split = split or sum(step.values()) > 1
            most = max((sum(step.values()) - (one in inside) for one, step in steps.items()), default=1)
            found *= max(most, 1)
        return found if split else 0

    def exponential(self) -> bool:
        """Whether some state has two ways back to itself on the same text.

        Raises:
          TooLarge: It takes too long to find out.
        """
        if any(ways > 1 for steps in self.inside for step in steps.values() for ways in step.values()):
            return True
        twins = {pair for steps in self.inside for step in steps.values() for pair in self._pairs(step)}
        todo = list(twins)
        while todo:
            left, right = todo.pop()
            for one in self.inside[left].keys() & self.inside[right].keys():
                for pair in product(self.inside[left][one], self.inside[right][one]):
                    self._look()
                    if pair[0] == pair[1]:
                        return True
                    pair = (min(pair), max(pair))
                    if pair not in twins:
                        twins.add(pair)
                        todo.append(pair)
        return False

    def degree(self, enough: int) -> int:
        """The degree of the polynomial that bounds the number of paths, if there is one; or `enough`, if it is more.

        Parameters:
          enough: How large a degree is of interest.

        Raises:
          TooLarge: It takes too long to find out.
        """
        if len(self.loops) <= enough:
            return max(len(self.loops) - 1, 0)
        reached = self._reached()
        longest: dict[int, int] = {}
        for at, loop in enumerate(self.loops):  # groups come after those that they lead to
            later = [other for other in self.loops[:at] if reached[loop] >> other & 1]
            longest[loop] = 0
            for other in sorted(later, key=longest.__getitem__, reverse=True):
                if longest[other] + 1 > longest[loop]:
                    chain = longest[other] + self._shares(loop, other, reached)
                    longest[loop] = max(longest[loop], chain)
                if longest[loop] >= enough:
                    return enough
        return max(longest.values())

    def steps(self, enough: int) -> int:
        """How many steps the worst name takes that can be found; or `enough`, if it is more.

        Parameters:
          enough: How many steps are of interest.

        Raises:
          TooLarge: It takes too long to find out.
        """
        found = self._same_all_along(enough)
        for loops in ([1] * len(self.after), self._loops_ahead()):
            if found < enough:
                self.looked = 0
                found = max(found, self._worst(enough, loops))
        return min(found, enough)

    def _same_all_along(self, enough: int) -> int:
        """How many steps the worst name takes that is one character again and again; or more than `enough`."""
        found = 0
        for one in {one for inside in self.inside for one in inside}:
            counts, spent, left = {0: 1}, 0, LONGEST
            while counts and left and spent < enough:
                after: dict[int, int] = {}
                for state, number in counts.items():
                    for to, ways in self.after[state].get(one, {}).items():
                        after[to] = after.get(to, 0) + number * ways
                spent += sum(number * self.costs[to] for to, number in after.items())
                counts, left = after, left - 1
            found = max(found, spent)
        return found

    def _worst(self, enough: int, loops: list[int]) -> int:
        """How many steps the worst name takes, or `enough`, if that is looked for where paths promise to become many.

        Parameters:
          enough: How many steps are of interest.
          loops: For each state, the power of the rest of the name by which its paths are taken to grow.
        """
        known: dict[frozenset[int], list[_Edges]] = {}
        front = {frozenset([0]): (0, 0, {0: 1})}
        for left in range(LONGEST, 0, -1):
            best: dict[frozenset[int], tuple[int, int, dict[int, int]]] = {}
            growth = [left**power // GROWN[power] for power in range(len(GROWN))]
            for states, (_, spent, counts) in front.items():
                if states not in known:
                    known[states] = self._edges(states)
                for edges in known[states]:
                    self._look(len(edges) // 16)
                    after = _followed(counts, edges)
                    costs = {to: number * self.costs[to] for to, number in after.items()}
                    promise = spent + sum(cost * growth[loops[to]] for to, cost in costs.items())
                    found = (promise, spent + sum(costs.values()), after)
                    best[frozenset(after)] = max(best.get(frozenset(after), found), found, key=_promise)
            if not best:
                break
            front = dict(sorted(best.items(), key=lambda item: -item[1][0])[:FOLLOWED])
            if max(spent for _, spent, _ in front.values()) >= enough:
                return enough
        return max(spent for _, spent, _ in front.values())

    def _loops_ahead(self) -> list[int]:
        """For each state how many groups that can go round a path may still pass, its own among them."""
        ahead: list[int] = []
        for number, group in enumerate(self.groups):  # groups come after those that they lead to
            later = {self.home[to] for state in group for step in self.after[state].values() for to in step}
            most = max((ahead[other] for other in later if other < number), default=0)
            ahead.append(min(most + any(self.inside[state] for state in group), len(GROWN) - 1))
        return [ahead[self.home[state]] for state in range(len(self.after))]

    def _inside(self, state: int) -> Steps:
        """What follows a state in its own group."""
        home = self.home[state]
        found = {}
        for one, step in self.after[state].items():
            inner = {to: ways for to, ways in step.items() if self.home[to] == home}
            if inner:
                found[one] = inner
        return found

    def _pairs(self, step: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Two different states of a step, the lower one first."""
        for pair in combinations(sorted(step), 2):
            self._look()
            yield pair

    def _look(self, cost: int = 1) -> None:
        """Counts what has been looked at."""
        self.looked += cost
        if self.looked > SEARCHED:
            raise TooLarge("is too large")

    def _reached(self) -> list[int]:
        """For each group the groups that it leads to, as bits of a number, itself among them."""
        reached: list[int] = []
        for number, group in enumerate(self.groups):
            found = 1 << number
            for to in {
                self.home[to] for state in group for step in self.after[state].values() for to in step
            }:
                found |= reached[to] if to < number else 0
            reached.append(found)
        return reached

    def _shares(self, loop: int, other: int, reached: list[int]) -> bool:
        """Whether a text leads round in one loop, round in another one, and from the one to the other.

        That is a text which, when it comes several times, can be shared out between both.
        """
        return any(
            self._shared(first, last, other, reached)
            for first in self.groups[loop]
            for last in self.groups[other]
            if self.inside[first].keys() & self.inside[last].keys()
        )

    def _shared(self, first: int, last: int, other: int, reached: list[int]) -> bool:
        """Whether one text leads from a state to itself, from that state to another one, and from that to itself."""
        seen = {(first, first, last)}
        todo = list(seen)
        while todo:
            left, between, right = todo.pop()
            for one in self.inside[left].keys() & self.after[between].keys() & self.inside[right].keys():
                middle = [to for to in self.after[between][one] if reached[self.home[to]] >> other & 1]
                for place in product(self.inside[left][one], middle, self.inside[right][one]):
                    self._look()
                    if place == (first, last, last):
                        return True
                    if place not in seen:
                        seen.add(place)
                        todo.append(place)
        return False

    def _edges(self, states: frozenset[int]) -> list[_Edges]:
        """What each character leads to from some states, without the characters that lead to less than another."""
        found: set[_Edges] = set()
        for one in {one for state in states for one in self.after[state]}:
            steps = ((state, self.after[state].get(one, {})) for state in states)
            found.add(frozenset((state, to, ways) for state, step in steps for to, ways in step.items()))
        self._look(len(found))
        return [edges for edges in found if not any(edges < other for other in found)]


#: Moves by one character: from, to, and in how many ways.
_Edges = frozenset[tuple[int, int, int]]


def _followed(counts: dict[int, int], edges: _Edges) -> dict[int, int]:
    """In how many ways each state is reached by some moves."""
    after: dict[int, int] = {}
    for state, to, ways in edges:
        after[to] = after.get(to, 0) + counts[state] * ways
    return after


def _promise(found: tuple[int, int, dict[int, int]]) -> int:
    """How much a name may come to cost, as far as can be told from its beginning."""
    return found[0]


def _components(after: list[set[int]]) -> list[list[int]]:
    """The groups of states that lead to each other, each after those that it leads to (Tarjan, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    open_states: list[int] = []
    done: set[int] = set()
    groups: list[list[int]] = []
    for root in range(len(after)):
        calls = [] if root in order else [(root, iter(after[root]))]
        while calls:
            state, rest = calls[-1]
            if state not in order:
                order[state] = low[state] = len(order)
                open_states.append(state)
            to = next((to for to in rest if to not in done), None)
            if to is not None and to not in order:
                calls.append((to, iter(after[to])))
            elif to is not None:
                low[state] = min(low[state], order[to])
            else:
                calls.pop()
                if calls:
                    low[calls[-1][0]] = min(low[calls[-1][0]], low[state])
                if low[state] == order[state]:
                    cut = open_states.index(state)
                    groups.append(open_states[cut:])
                    done.update(open_states[cut:])
                    del open_states[cut:]
    return groups
