import unittest

from orders.export import export


class ExportTest(unittest.TestCase):
    def test_plain(self):
        got = export([{"id": 1, "customer": "Ada", "note": "", "total": "9.50"}])
        self.assertEqual(got, "id,customer,note,total\n1,Ada,,9.50\n")

    def test_missing_note(self):
        self.assertEqual(export([{"id": 2, "customer": "Bo", "total": "1.00"}]).splitlines()[1], "2,Bo,,1.00")


if __name__ == "__main__":
    unittest.main()
