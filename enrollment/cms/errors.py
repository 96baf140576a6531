"""What is wrong with a CMS message."""

from __future__ import annotations


class CmsError(ValueError):
    """Bytes that are not the message expected, or cannot be opened with our key."""
