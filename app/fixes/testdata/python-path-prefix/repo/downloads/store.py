"""Files that people uploaded."""

import os


class Forbidden(Exception):
    """The path leads out of the folder."""


class Store:
    """The files below one folder."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)

    def locate(self, name):
        """Return the path of the upload of that name; Forbidden if it is none of ours."""
        path = os.path.abspath(os.path.join(self.folder, name))
        if not path.startswith(self.folder):
            raise Forbidden(name)
        return path

    def read(self, name):
        """Return the bytes of an upload."""
        with open(self.locate(name), "rb") as file:
            return file.read()
