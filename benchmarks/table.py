"""The table of `make faults`: one row per type of fault, with the number of cases and of failed cases ("lost")."""

import collections


class Table:
    """Prints rows and adds up the cases."""

    def __init__(self):
        self.total = collections.Counter()

    def row(self, name, cases, lost, note=""):
        self.total.update(cases=cases, lost=lost)
        print(f"{name:<46}{cases:>6} cases  {lost:>3} lost  {note}".rstrip(), flush=True)

    def results(self, name, results):
        """Print a row for results [(list of errors, list of words), ...]. The words describe cases and are counted."""
        words = collections.Counter(word for _, words in results for word in words)
        wrong = [texts for texts, _ in results if texts]
        self.row(name, len(results), len(wrong), ", ".join(f"{count} x {word}" for word, count in words.most_common()))
        for texts in wrong:
            print("  " + "\n  ".join(texts), flush=True)

    def end(self):
        """Print the totals. Returns the exit code, 1 if a case failed."""
        print(f"{self.total['cases']} cases, {self.total['lost']} lost")
        return 1 if self.total["lost"] else 0
