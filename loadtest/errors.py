"""What goes wrong."""


class MeasurementError(Exception):
    """There is nothing to publish; the message says why, and what to do."""
