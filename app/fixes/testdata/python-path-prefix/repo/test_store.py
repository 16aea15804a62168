import os
import tempfile
import unittest

from downloads.app import download
from downloads.store import Store


class DownloadTest(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)
        self.uploads = os.path.join(self.top.name, "uploads")
        os.mkdir(self.uploads)
        self.write("uploads/a.txt", b"a")
        self.write("secrets.txt", b"secret")
        self.store = Store(self.uploads)

    def write(self, name, data):
        path = os.path.join(self.top.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def test_inside(self):
        self.assertEqual(download(self.store, "a.txt"), (200, b"a"))

    def test_missing(self):
        self.assertEqual(download(self.store, "b.txt")[0], 404)

    def test_outside(self):
        self.assertEqual(download(self.store, "../secrets.txt")[0], 403)


if __name__ == "__main__":
    unittest.main()
