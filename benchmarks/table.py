"""The table that `make faults` prints: a row for each kind of fault, its cases and how many lost anything."""

import collections


class Table:
    """Prints rows as they come, and counts."""

    def __init__(self):
        self.total = collections.Counter()

    def row(self, name, cases, lost, note=""):
        self.total.update(cases=cases, lost=lost)
        print(f"{name:<46}{cases:>6} cases  {lost:>3} lost  {note}".rstrip(), flush=True)

    def results(self, name, results):
        """A row of results [(what is wrong, [word, ...]), ...]; words that tell how cases went are counted."""
        words = collections.Counter(word for _, words in results for word in words)
        wrong = [texts for texts, _ in results if texts]
        self.row(name, len(results), len(wrong), ", ".join(f"{count} x {word}" for word, count in words.most_common()))
        for texts in wrong:
            print("  " + "\n  ".join(texts), flush=True)

    def end(self):
        """Exit code: 1 if anything was lost."""
        print(f"{self.total['cases']} cases, {self.total['lost']} lost")
        return 1 if self.total["lost"] else 0
