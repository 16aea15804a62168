import os
import unittest

from test_store import DownloadTest as Base
from downloads.app import download
from downloads.store import Store


class HiddenTest(Base):
    def test_the_folder_next_door(self):
        self.write("uploads-private/salaries.txt", b"much")
        self.assertEqual(download(self.store, "../uploads-private/salaries.txt")[0], 403)

    def test_absolute(self):
        self.assertEqual(download(self.store, os.path.join(self.top.name, "secrets.txt"))[0], 403)

    def test_link_to_outside(self):
        os.symlink(os.path.join(self.top.name, "secrets.txt"), os.path.join(self.uploads, "link.txt"))
        self.assertEqual(download(self.store, "link.txt")[0], 403)

    def test_below(self):
        self.write("uploads/2025/b.txt", b"b")
        self.assertEqual(download(self.store, "2025/../2025/b.txt"), (200, b"b"))

    def test_a_folder_that_is_reached_by_a_link(self):
        os.symlink(self.uploads, os.path.join(self.top.name, "current"))
        self.assertEqual(download(Store(os.path.join(self.top.name, "current")), "a.txt"), (200, b"a"))

    def test_a_folder_with_a_slash(self):
        self.assertEqual(download(Store(self.uploads + os.sep), "a.txt"), (200, b"a"))

    def test_names_with_dots(self):
        self.write("uploads/..a.txt", b"dots")
        self.assertEqual(download(self.store, "..a.txt"), (200, b"dots"))


del Base
