"""The weekly report."""

from helpdesk.stats import summary


def weekly(tickets):
    """Return the report's lines."""

    s = summary(tickets)

    def shown(value, form):
        return "–" if value is None else form.format(value)

    return [
        "Tickets: {}".format(s["tickets"]),
        "Answered: " + shown(s["answered"], "{:.0%}"),
        "Median wait: " + shown(s["median_minutes"], "{:.0f} min"),
    ]
