import unittest
from datetime import datetime

from helpdesk.report import weekly


def at(day, hour, minute=0):
    return datetime(2025, 3, day, hour, minute)


class WeeklyTest(unittest.TestCase):
    def test_all_answered(self):
        tickets = [
            {"opened": at(3, 9), "answered": at(3, 9, 30)},
            {"opened": at(3, 10), "answered": at(3, 10, 10)},
            {"opened": at(4, 9), "answered": None},
            {"opened": at(4, 9), "answered": at(4, 10)},
        ]
        self.assertEqual(weekly(tickets), ["Tickets: 4", "Answered: 75%", "Median wait: 30 min"])


if __name__ == "__main__":
    unittest.main()
