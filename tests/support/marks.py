"""What a test needs that is not to be had everywhere."""

import os

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
