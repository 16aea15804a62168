"""Orders as a table for spreadsheets."""

import csv
import io

COLUMNS = ("id", "customer", "note", "total")


def export(orders):
    """Return the orders, a list of dicts, as CSV with a line of headings."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for order in orders:
        writer.writerow([order.get(column, "") for column in COLUMNS])
    return out.getvalue()
