import unittest

from helpdesk.report import weekly
from helpdesk.stats import summary
from test_stats import at


class HiddenTest(unittest.TestCase):
    def test_no_tickets(self):
        self.assertEqual(summary([]), {"tickets": 0, "answered": None, "median_minutes": None})
        self.assertEqual(weekly([]), ["Tickets: 0", "Answered: –", "Median wait: –"])

    def test_no_answers(self):
        self.assertEqual(weekly([{"opened": at(3, 9), "answered": None}]), ["Tickets: 1", "Answered: 0%", "Median wait: –"])

    def test_some_answers(self):
        tickets = [{"opened": at(3, 9), "answered": None}, {"opened": at(3, 9), "answered": at(3, 9, 20)}]
        self.assertEqual(weekly(tickets), ["Tickets: 2", "Answered: 50%", "Median wait: 20 min"])
