import csv
import io
import unittest

from orders.export import export


class RoundTripTest(unittest.TestCase):
    def check(self, **order):
        full = {"id": "7", "customer": "Ada", "note": "", "total": "1.00", **order}
        rows = list(csv.DictReader(io.StringIO(export([full, full]), newline="")))
        self.assertEqual(rows, [full, full])

    def test_comma(self):
        self.check(customer="Miller, Sons & Co")

    def test_quotes(self):
        self.check(note='she said "soon"', customer='"Ada"')

    def test_line_breaks(self):
        self.check(note="ring twice\nthird floor")
        self.check(note="ring twice\r\nthird floor")

    def test_all(self):
        self.check(customer='a,"b"\nc', note=',')

    def test_plain_is_as_before(self):
        got = export([{"id": 1, "customer": "Ada", "total": "9.50"}])
        self.assertEqual(got.splitlines(), ["id,customer,note,total", "1,Ada,,9.50"])
