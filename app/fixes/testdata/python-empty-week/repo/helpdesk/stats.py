"""How quickly questions are answered."""

from statistics import median


def summary(tickets):
    """Return a dict with the number of tickets, the share of answered ones and their
    median waiting time in minutes.

    Each ticket is a dict with "opened" and, once it is answered, "answered", both
    datetimes.
    """
    answered = [t for t in tickets if t["answered"]]
    waits = [(t["answered"] - t["opened"]).total_seconds() / 60 for t in answered]
    return {
        "tickets": len(tickets),
        "answered": len(answered) / len(tickets),
        "median_minutes": median(waits),
    }
