//! Logs, metrics and traces of a program.
//!
//! Logs are JSON lines on standard output (`RUST_LOG`, default `info`). Metrics answer a Prometheus scrape on a port
//! of their own. Spans carry W3C trace ids; they are exported by OTLP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

use std::net::SocketAddr;
use std::sync::LazyLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio_util::sync::DropGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::log_writer::{Flush, LogWriter};

mod usage;

/// Where spans are exported to; without it they are not.
const EXPORTER_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What is logged when nobody says otherwise. The broker's driver would log messages that come back with their bodies,
/// and what shoppers do is in no log.
const DEFAULT_FILTER: &str = "info,lapin=error";
/// Bounds of every histogram of seconds.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Why a program cannot tell how it is.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The metrics port is taken, or the bounds are wrong.
    #[error("the metrics port cannot be opened")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The OTLP exporter's address is wrong.
    #[error("the trace exporter cannot be made")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The thread that writes the log cannot be had.
    #[error("the log cannot be written")]
    LogWriter(#[from] std::io::Error),
    /// A subscriber is there already.
    #[error("the log is set up already")]
    Logs(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps the exporters alive; flushes spans and log lines when dropped.
#[derive(Debug)]
pub struct Telemetry {
    traces: SdkTracerProvider,
    _log: Flush,
    _usage: Option<DropGuard>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Nobody is left to tell that the last spans did not get out.
        let _ = self.traces.shutdown();
    }
}

/// Sets up logs, traces and, with an address, metrics. Once per program, from the runtime.
pub fn init(program: &'static str, metrics_listen: Option<SocketAddr>) -> Result<Telemetry, TelemetryError> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let traces = tracer_provider(program)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let (writer, log) = LogWriter::start(std::io::stdout())?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(writer)
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    // Without the filter every library's trace events would be made, for nobody.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer(program))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry()
        .with(spans.with_filter(LevelFilter::INFO))
        .with(lines.with_filter(filter))
        .try_init()?;
    if let Some(address) = metrics_listen {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
            .with_http_listener(address)
            .install()?;
    }
    let usage = metrics_listen.map(|_| usage::report());
    Ok(Telemetry { traces, _log: log, _usage: usage })
}

/// Whether spans are exported: otherwise only their ids are of use.
pub fn exports_traces() -> bool {
    static EXPORTS: LazyLock<bool> = LazyLock::new(|| std::env::var_os(EXPORTER_VARIABLE).is_some());
    *EXPORTS
}

fn tracer_provider(program: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = opentelemetry_sdk::Resource::builder().with_service_name(program).build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    if !exports_traces() {
        return Ok(builder.build());
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}
