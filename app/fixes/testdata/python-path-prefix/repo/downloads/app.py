"""What answers requests."""

from downloads.store import Forbidden


def download(store, name):
    """Return the status and the body for a request."""
    try:
        return 200, store.read(name)
    except Forbidden:
        return 403, b"forbidden"
    except (FileNotFoundError, IsADirectoryError):
        return 404, b"not found"
