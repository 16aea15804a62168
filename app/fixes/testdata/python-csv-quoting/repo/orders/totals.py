"""Sums over orders."""

from decimal import Decimal


def turnover(orders):
    """Return the sum of the orders' totals."""
    return sum((Decimal(order["total"]) for order in orders), Decimal(0))
