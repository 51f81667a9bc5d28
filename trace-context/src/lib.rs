//! W3C trace context: from its text, a `traceparent`, to a span of ours, and back.
//!
//! With it, what a request leads to is seen as one: its events carry the text, and whoever acts on
//! an event goes on in the same trace. Where traces are not exported, nothing is recorded and both
//! functions do nothing.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes a span, which nobody has entered yet, go on where a `traceparent` came from. What has not
/// the form of one is ignored.
pub fn go_on(span: &Span, traceparent: &str) {
    if let Some(remote) = parse(traceparent) {
        // It fails where no traces are exported.
        let _not_exported = span.set_parent(Context::new().with_remote_span_context(remote));
    }
}

/// Says that a span has to do with a `traceparent` too, beside the one where it goes on.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(remote) = parse(traceparent) {
        span.add_link(remote);
    }
}

/// The `traceparent` of what goes on now; none where no traces are exported.
#[must_use]
pub fn current() -> Option<String> {
    let context = Span::current().context();
    let here = context.span().span_context().clone();
    let (trace, span, flags) = (here.trace_id(), here.span_id(), here.trace_flags().to_u8());
    here.is_valid().then(|| format!("00-{trace}-{span}-{flags:02x}"))
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; a later version may have more behind it.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    if version.len() != 2 || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let remote = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    remote.is_valid().then_some(remote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_only_in_its_form() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = parse(good).unwrap();
        assert_eq!(read.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(read.is_sampled() && read.is_remote());
        let none = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for text in ["", "00", none, &good[1..], &good.replace('4', "x")] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn without_an_exporter_there_is_no_trace_to_go_on_in() {
        let span = tracing::info_span!("alone");
        go_on(&span, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(span.in_scope(current), None);
    }
}
