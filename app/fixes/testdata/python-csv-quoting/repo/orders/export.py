"""Orders as a table for spreadsheets."""

COLUMNS = ("id", "customer", "note", "total")


def export(orders):
    """Return the orders, a list of dicts, as CSV with a line of headings."""
    lines = [",".join(COLUMNS)]
    for order in orders:
        lines.append(",".join(str(order.get(column, "")) for column in COLUMNS))
    return "\n".join(lines) + "\n"
