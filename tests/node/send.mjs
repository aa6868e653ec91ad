// Records with the SDK of Node.js, sends by every exporter it has, and says what each one's callback was told.
//
//     node send.mjs '{"run": "1", "at": 1795838760318160575, "roads": [["grpc", "http://127.0.0.1:4317", "gzip"]]}'
//
// What goes one way is of the service `RUN node PROTOCOL COMPRESSION`; all ways have the same records otherwise, and go at the same
// moment: when a line comes on stdin, after `ready` was written. Then comes a line of JSON.

import { createInterface } from "node:readline";

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, createTraceState, diag, DiagLogLevel, trace } from "@opentelemetry/api";
import { OTLPLogExporter as LogsGrpc } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as LogsJson } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as LogsProto } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter as MetricsGrpc } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPMetricExporter as MetricsJson } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as MetricsProto } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter as TracesGrpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as TracesJson } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as TracesProto } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { AggregationType, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const EXPORTERS = {
  grpc: { traces: TracesGrpc, metrics: MetricsGrpc, logs: LogsGrpc },
  "http/json": { traces: TracesJson, metrics: MetricsJson, logs: LogsJson },
  "http/protobuf": { traces: TracesProto, metrics: MetricsProto, logs: LogsProto },
};

const SCHEMA = { schemaUrl: "https://opentelemetry.io/schemas/1.40.0" };
const ATTRIBUTES = {
  text: 'Ä "quoted" \u2028 \u{1f600}', empty: "", true: true, false: false, zero: 0, negative: -7, large: Number.MAX_SAFE_INTEGER,
  tenth: 0.1, texts: ["a", ""], numbers: [1, -5], doubles: [0.5, 1.25], none: [],
};

function spans(resource, at) {
  const kept = new InMemorySpanExporter();
  const provider = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter: kept })] });
  const tracer = provider.getTracer("a scope", "2.1", SCHEMA);
  const elsewhere = { traceId: "8".padEnd(32, "0"), spanId: "8".padEnd(16, "0"), traceFlags: 1, isRemote: true,
                      traceState: createTraceState("k=v") };
  const parent = tracer.startSpan("request", { kind: SpanKind.SERVER, startTime: at, links: [{ context: elsewhere, attributes: { why: "x" } }] });
  const within = trace.setSpan(ROOT_CONTEXT, parent);
  const child = tracer.startSpan("step", { kind: SpanKind.CLIENT, startTime: at, attributes: ATTRIBUTES }, within);
  child.addEvent("event", ATTRIBUTES, at);
  child.setStatus({ code: SpanStatusCode.ERROR, message: "it broke" });
  child.end([at[0] + 1, at[1]]);
  parent.end([at[0] + 2, at[1]]);
  return { records: kept.getFinishedSpans(), within };
}

class OneReading extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

async function metrics(resource, within) {
  const reader = new OneReading();
  const provider = new MeterProvider({
    resource,
    readers: [reader],
    views: [{ instrumentName: "*.exponential", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter("a meter", "1.0", SCHEMA);
  meter.createObservableGauge("level", { unit: "1", description: "how full" }).addCallback((seen) => seen.observe(0.75, { tank: "a" }));
  meter.createCounter("calls", { unit: "{call}" }).add(Number.MAX_SAFE_INTEGER, { model: "gpt-5" }, within);
  meter.createUpDownCounter("open").add(-3, {}, within);
  for (const name of ["latency", "latency.exponential"]) {
    const advice = { explicitBucketBoundaries: [0.1, 1, 10] };
    const histogram = meter.createHistogram(name, { unit: "s", advice });
    for (const value of [0, 0.05, 0.5, 100]) histogram.record(value, { model: "gpt-5" }, within);
  }
  const { resourceMetrics, errors } = await reader.collect();
  if (errors.length) throw errors[0];
  return resourceMetrics;
}

function logs(resource, at, within) {
  const kept = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: kept })] });
  const logger = provider.getLogger("a logger", "3", SCHEMA);
  const bodies = ["said", 17, 0.5, true, ["a", 1], { parts: [{ type: "text", n: 1, x: 0.5 }] }];
  bodies.forEach((body, number) =>
    logger.emit({
      timestamp: [at[0], at[1] + number], observedTimestamp: [at[0] + 1, at[1]], context: within, severityNumber: 13,
      severityText: "warning", body, attributes: { ...ATTRIBUTES, map: { a: { b: [1, 2] } } }, eventName: number % 2 ? "an.event" : undefined,
    }));
  return kept.getFinishedLogRecords();
}

// The same records as those of another resource.
const of = (resource) => (record) => Object.create(record, { resource: { value: resource, enumerable: true } });

const asked = JSON.parse(process.argv[2], (key, value, { source }) => (key === "at" ? BigInt(source) : value));
const at = [Number(asked.at / 1_000_000_000n), Number(asked.at % 1_000_000_000n)];
const described = (name) => resourceFromAttributes({ "service.name": name, "service.instance.id": "one", ...ATTRIBUTES }, SCHEMA);

const logged = [];
const log = (...words) => logged.push(words.map(String).join(" "));
diag.setLogger({ error: log, warn: log, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

const any = described("any");
const recorded = spans(any, at);
const records = { traces: recorded.records, metrics: await metrics(any, recorded.within), logs: logs(any, at, recorded.within) };

const ways = [];
for (const [protocol, endpoint, compression] of asked.roads) {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
  process.env.OTEL_EXPORTER_OTLP_COMPRESSION = compression;
  const service = `${asked.run} node ${protocol} ${compression}`;
  const own = of(described(service));
  for (const [signal, Exporter] of Object.entries(EXPORTERS[protocol])) {
    const data = signal === "metrics" ? { ...records.metrics, resource: described(service) } : records[signal].map(own);
    ways.push({ service, signal, exporter: new Exporter(), data });
  }
}

console.log("ready");
await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
const told = ({ exporter, data }) => new Promise((resolve) => exporter.export(data, resolve));
const results = await Promise.all(ways.map(async (way) => {
  const { code, error } = await told(way);
  return [way.service, way.signal, code === 0 ? "SUCCESS" : `FAILURE ${error?.code} ${error?.message}`];
}));
console.log(JSON.stringify({ results, logged }));
process.exit();
