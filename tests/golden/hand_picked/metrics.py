"""Hand-picked requests of data points by name: what each is about (else the rule it is named after), and its payload."""

from __future__ import annotations

from math import inf, nan

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric, SummaryDataPoint

from tests.golden.hand_picked.shared import FAR_AHEAD, GOOD_METRIC, LONG_AGO, VALUES, ZERO, styled
from tests.plugins.hostile_wire import Style
from tests.unit.codec import metrics
from tests.unit.codec.metrics import exemplar, metric, point
from tests.unit.codec.spans import SPAN_ID, START, TRACE_ID, attributes

BUCKETS = ExponentialHistogramDataPoint.Buckets
EXPONENTIAL = point(
    "exponential_histogram",
    count=11,
    sum=1e300,
    scale=-3,
    zero_count=2,
    zero_threshold=1e-9,
    min=-1.0,
    max=2.0,
    positive=BUCKETS(offset=-2, bucket_counts=[1, 0, 5]),
    negative=BUCKETS(bucket_counts=[3]),
)
QUANTILES = [SummaryDataPoint.ValueAtQuantile(quantile=quantile, value=value) for quantile, value in ((0.0, -0.0), (1.5, nan))]

METRICS: dict[str, tuple[str, bytes]] = {
    "empty": ("No byte at all.", b""),
    "gauge": (
        "Doubles and integers.",
        metrics.request(
            metric("gauge", *(point(as_double=value) for value in (0.0, -0.0, 1e300, nan, inf)), point(as_int=2**63 - 1))
        ),
    ),
    "sum": (
        "Delta and cumulative, monotonic or not.",
        metrics.request(
            metric("sum", point("sum", start_time_unix_nano=START - 5)),
            metric("sum", point("sum"), data={"aggregation_temporality": 1, "is_monotonic": True}),
        ),
    ),
    "histogram": (
        "With all, and with nothing, that may be absent.",
        metrics.request(
            metric(
                "histogram",
                point("histogram", count=6, sum=-0.0, min=0.0, max=9.5, explicit_bounds=[1, 2.5], bucket_counts=[1, 2, 3]),
                point("histogram"),
            )
        ),
    ),
    "exponential_histogram": (
        "With all, and with nothing, and with empty sides.",
        metrics.request(
            metric(
                "exponential_histogram",
                EXPONENTIAL,
                point("exponential_histogram"),
                point("exponential_histogram", positive=BUCKETS()),
            ),
        ),
    ),
    "summary": (
        "Quantiles, and none.",
        metrics.request(metric("summary", point("summary", count=2, sum=3.5, quantile_values=QUANTILES), point("summary"))),
    ),
    "exemplars": (
        "Exemplars, of which the first with a trace names it.",
        metrics.request(
            metric(
                "sum",
                point(
                    "sum",
                    exemplars=[
                        exemplar(),
                        exemplar(as_int=-5, time_unix_nano=START, filtered_attributes=attributes({"k": nan})),
                        exemplar(as_double=nan, trace_id=TRACE_ID, span_id=SPAN_ID),
                    ],
                ),
            )
        ),
    ),
    "series": (
        "Attributes in any order are one series; metadata, unit and description are part of it.",
        metrics.request(
            metric("gauge", point(items={"a": 1, "b": 2}), point(items={"b": 2, "a": 1}), point(items=VALUES)),
            metric("gauge", point(), unit="s", description="d", metadata=attributes({"m": [1]})),
            metric("gauge", point(), name="n" * 600),
        ),
    ),
    "no_recorded_value": (
        "A flag instead of a value.",
        metrics.request(metric("gauge", point(as_int=None, flags=1), point(flags=2**32 - 1))),
    ),
    "metric_without_data": ("Stored is nothing, said is something.", metrics.request(Metric(name="x"), GOOD_METRIC)),
    "unknown_fields": (
        "Fields that nobody knows.",
        styled("metrics", metrics.request(metric("sum", point("sum"))), Style(unknown=True)),
    ),
    "halved": (
        "Messages in two halves, numbers unpacked.",
        styled(
            "metrics",
            metrics.request(metric("exponential_histogram", EXPONENTIAL, unit="s", description="d")),
            Style(reversed=True, halved=True),
        ),
    ),
    "odd": (
        "What no specification allows.",
        metrics.request(
            metric("sum", point("sum", start_time_unix_nano=START + 9), data={"aggregation_temporality": 0}),
            metric(
                "histogram",
                point("histogram", count=9, explicit_bounds=[1, 2], bucket_counts=[1, 2, 3]),
                point("histogram", count=3, explicit_bounds=[1, 2], bucket_counts=[1, 2]),
                point("histogram", count=3, explicit_bounds=[2, 2], bucket_counts=[1, 1, 1]),
                point("histogram", count=2, explicit_bounds=[nan], bucket_counts=[1, 1]),
            ),
            metric("exponential_histogram", point("exponential_histogram", count=1)),
            metric("sum", point("sum"), data={"aggregation_temporality": 99}),
        ),
    ),
    "nul": (
        "NUL in every string.",
        metrics.request(
            metric(
                "sum",
                point("sum", {"\0": "\0"}, exemplars=[exemplar(filtered_attributes=attributes({"\0": "\0"}))]),
                point("sum"),
                name="\0",
                unit="\0",
                description="\0",
                metadata=attributes({"\0": "\0"}),
            ),
            scope="\0",
        ),
    ),
    "exemplars_dropped": (
        "No value; ids that are none.",
        metrics.request(
            metric(
                "gauge",
                point(
                    exemplars=[
                        exemplar(as_double=None),
                        exemplar(trace_id=bytes(16)),
                        exemplar(span_id=b"\1"),
                        exemplar(trace_id=TRACE_ID),
                    ]
                ),
            )
        ),
    ),
    "point_time_missing": ("", metrics.request(metric("gauge", point(**ZERO), point()))),
    "point_value_missing": ("", metrics.request(metric("gauge", point(as_int=None), point()))),
    "count_out_of_range": (
        "",
        metrics.request(
            metric(
                "histogram",
                point("histogram", count=2**63),
                point("histogram", bucket_counts=[2**64 - 1], explicit_bounds=[]),
                point("histogram"),
            ),
            metric(
                "exponential_histogram",
                point("exponential_histogram", zero_count=2**63),
                point("exponential_histogram", negative=BUCKETS(bucket_counts=[2**63])),
                EXPONENTIAL,
            ),
            metric("summary", point("summary", count=2**63), point("summary")),
        ),
    ),
    "time_out_of_range": (
        "",
        metrics.request(
            metric(
                "gauge",
                point(time_unix_nano=2**63),
                point(start_time_unix_nano=2**63),
                point(exemplars=[exemplar(time_unix_nano=2**63)]),
                point(),
            )
        ),
    ),
    "outside_window": (
        "Too old, too far ahead.",
        metrics.request(metric("gauge", point(time_unix_nano=LONG_AGO), point(time_unix_nano=FAR_AHEAD), point())),
    ),
    "enum_out_of_range": (
        "",
        metrics.request(metric("sum", point("sum"), point("sum"), data={"aggregation_temporality": 32768}), GOOD_METRIC),
    ),
    "metric_malformed": (
        "Invalid UTF-8 in a name.",
        metrics.request(GOOD_METRIC, metric("gauge", point(), point(), name="SPOILED")).replace(b"SPOILED", b"\xffPOILED"),
    ),
    "record_malformed": (
        "Invalid UTF-8 in one point.",
        metrics.request(metric("gauge", point(items={"k": "SPOILED"}), point())).replace(b"SPOILED", b"SPOILE\xff"),
    ),
    "source_malformed": (
        "Invalid UTF-8 in a scope.",
        metrics.request(metric("gauge", point(), point()), scope="SPOILED").replace(b"SPOILED", b"SPO\xc0\x80ED")
        + metrics.request(GOOD_METRIC),
    ),
}
