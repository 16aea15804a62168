"""How quickly questions are answered."""

from statistics import median


def summary(tickets):
    """Return a dict with the number of tickets, the share of answered ones and their
    median waiting time in minutes.

    Each ticket is a dict with "opened" and, once it is answered, "answered", both
    datetimes. What cannot be told is None.
    """
    answered = [t for t in tickets if t["answered"]]
    waits = [(t["answered"] - t["opened"]).total_seconds() / 60 for t in answered]
    return {
        "tickets": len(tickets),
        "answered": len(answered) / len(tickets) if tickets else None,
        "median_minutes": median(waits) if waits else None,
    }
