//! One trace id from a request to the last effect of its event: W3C `traceparent` in and out of spans.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const HEADER: &str = "traceparent";

/// The `traceparent` of the current span, to be stored with an event.
pub fn current_traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(HEADER)
}

/// The trace that a `traceparent` names, in hexadecimal digits; `None` when it is not well-formed.
pub fn trace_id_of(traceparent: &str) -> Option<&str> {
    let trace = traceparent.get(3..35)?;
    let is_whole =
        traceparent.len() >= 55 && traceparent.as_bytes()[2] == b'-' && traceparent.as_bytes()[35] == b'-';
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (is_whole && trace.bytes().all(is_digit) && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

/// Makes a new span the child of a remote one, and records its `trace_id` (declare the field as empty). Gives that
/// id, in hexadecimal digits.
pub fn continue_from(span: &Span, traceparent: Option<&str>) -> Option<String> {
    if let Some(traceparent) = traceparent {
        let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
        // An invalid header or a span that is not recorded starts a trace of its own.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    let context = span.context();
    let trace = context.span().span_context().trace_id();
    if trace == opentelemetry::TraceId::INVALID {
        return None;
    }
    let trace = trace.to_string();
    span.record("trace_id", &trace);
    Some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_32_digits() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id_of(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        for wrong in
            ["", "00", trace, &format!("00-{trace}"), &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))]
        {
            assert_eq!(trace_id_of(wrong), None, "{wrong}");
        }
        assert_eq!(trace_id_of("00-ä-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), None);
    }
}
