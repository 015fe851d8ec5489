"""Whether a model fits into a device, told before it is loaded."""

from webui.library.entries import Report

_BESIDE = 1.15  # what loading needs, to the weights alone
_AT_WORK = 2**30  # bytes that a picture of ordinary size takes


def needed(report: Report, weight_bytes: int) -> int:
    """Bytes, with each weight held in `weight_bytes`."""
    return int(report.weights * weight_bytes * _BESIDE) + _AT_WORK


def fits(report: Report, weight_bytes: int, memory: int) -> bool | None:
    """Whether it goes into `memory` bytes; None where one of them is not known."""
    if not report.weights or not memory:
        return None
    return needed(report, weight_bytes) <= memory
