"""Predicted against true IoU: as data for JSON and pages, and in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from anymask.evaluation.metrics import Reliability
from anymask.evaluation.protocols import calibration, calibration_by_set
from anymask.evaluation.records import ObjectRecord


def calibration_data(records: Sequence[ObjectRecord]) -> dict[str, Any]:
    """Return the reliability table of answers as plain data; empty if none predicts its IoU.

    The table covers all answers, each set weighing the same. The expected calibration error is
    computed within each set and then averaged over sets: in the table, predictions that are too
    high on one set would cancel those that are too low on another.
    """
    by_set = calibration_by_set(records)
    if not by_set:
        return {}
    errors = {name: table.expected_error for name, table in by_set.items()}
    return {
        **reliability_data(calibration(records)),
        "expected_calibration_error": sum(errors.values()) / len(errors),
        "error_by_set": errors,
        "bias_by_set": {name: table.bias for name, table in by_set.items()},
    }


def reliability_data(table: Reliability) -> dict[str, Any]:
    """Return a reliability table as plain data."""
    return {
        "expected_calibration_error": table.expected_error,
        "mean_absolute_error": table.absolute_error,
        "bias": table.bias,
        "bins": [
            {
                "from": float(table.edges[i]),
                "to": float(table.edges[i + 1]),
                "masks": int(table.count[i]),
                "predicted": float(table.predicted[i]),
                "true": float(table.true[i]),
            }
            for i in range(len(table.count))
        ],
    }


def calibration_summary(data: Mapping[str, Any]) -> dict[str, float | None]:
    """Return expected calibration error, mean absolute error and bias, None standing for NaN."""
    names = ("expected_calibration_error", "mean_absolute_error", "bias")
    known = {name: data[name] for name in names if name in data}
    return {name: None if math.isnan(v) else round(v, 6) for name, v in known.items()}


def calibration_sentence(data: Mapping[str, Any]) -> str:
    """Say in a sentence how far predicted IoU is from true IoU."""
    of_several = " (mean over sets)" if len(data.get("error_by_set", ())) > 1 else ""
    return (
        f"Predicted against true IoU: expected calibration error "
        f"{data['expected_calibration_error']:.3f}{of_several}, bias {data['bias']:+.3f}"
    )
