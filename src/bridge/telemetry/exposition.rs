//! The counts as Prometheus reads them: its text format 0.0.4. Pure.

use std::fmt::{Display, Write};
use std::time::UNIX_EPOCH;

use super::histogram::{BOUNDS, Durations};
use super::metrics::{Exited, Metrics};
use super::process::Usage;
use super::wire::{Fault, Outcome, Wire};

/// The media type.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted, and how many server processes there may be.
pub(crate) fn page(metrics: &Metrics, usage: &Usage, most_servers: usize) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    page.head("mcp_bridge_build_info", "gauge", "The bridge's version.");
    page.sample("mcp_bridge_build_info", &[("version", VERSION)], 1);
    wires(&mut page, metrics);
    latencies(&mut page, metrics);
    servers(&mut page, metrics, most_servers);
    page.counter(
        "mcp_bridge_spans_exported_total",
        "Spans that the collector took.",
        metrics.spans_sent.read(),
    );
    page.counter(
        "mcp_bridge_spans_dropped_total",
        "Spans that the collector was too slow for or did not take.",
        metrics.spans_dropped.read(),
    );
    process(&mut page, metrics, usage);
    page.0
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn wires(page: &mut Page, metrics: &Metrics) {
    page.head("mcp_bridge_requests_total", "counter", "Requests that have ended, by how.");
    for wire in Wire::ALL {
        for outcome in Outcome::ALL {
            let labels = [("wire", wire.name()), ("outcome", outcome.name())];
            page.sample(
                "mcp_bridge_requests_total",
                &labels,
                metrics.on(wire).requests[outcome as usize].read(),
            );
        }
    }
    page.head("mcp_bridge_errors_total", "counter", "Requests that did not go well, by what went wrong.");
    for fault in Fault::ALL {
        let kind = [("kind", fault.name())];
        page.sample("mcp_bridge_errors_total", &kind, metrics.faults[fault as usize].read());
    }
    let in_flight = "Requests under way, without WebSockets that are open.";
    page.gauge("mcp_bridge_requests_in_flight", in_flight, metrics.in_flight.read());
    page.head("mcp_bridge_sessions_open", "gauge", "Sessions that are open.");
    for wire in [Wire::WebSocket, Wire::HttpLegacy] {
        let labels = [("wire", wire.name())];
        page.sample("mcp_bridge_sessions_open", &labels, metrics.on(wire).sessions.read());
    }
    page.head("mcp_bridge_received_bytes_total", "counter", "Bytes of clients' bodies and messages.");
    for wire in Wire::ALL {
        let labels = [("wire", wire.name())];
        page.sample("mcp_bridge_received_bytes_total", &labels, metrics.on(wire).received.read());
    }
    page.head("mcp_bridge_sent_bytes_total", "counter", "Bytes of bodies and messages to clients.");
    for wire in Wire::ALL {
        page.sample("mcp_bridge_sent_bytes_total", &[("wire", wire.name())], metrics.on(wire).sent.read());
    }
    let name = "mcp_bridge_websocket_messages_total";
    page.head(name, "counter", "Messages over WebSockets.");
    page.sample(name, &[("direction", "in")], metrics.messages_in.read());
    page.sample(name, &[("direction", "out")], metrics.messages_out.read());
}

fn latencies(page: &mut Page, metrics: &Metrics) {
    let name = "mcp_bridge_request_duration_seconds";
    let help = "From a request's head to its answer's last byte. Tools that no call of went well yet, and \
                those past the 128th, are \"other\".";
    page.head(name, "histogram", help);
    for tool in metrics.tools.all() {
        for wire in Wire::ALL {
            let durations = tool.on(wire).read();
            // Most pairs never occur.
            if durations.count > 0 {
                page.histogram(name, &[("wire", wire.name()), ("tool", tool.name())], &durations);
            }
        }
    }
    let wait = "mcp_bridge_queue_wait_seconds";
    page.head(wait, "histogram", "How long calls waited for a server or the right to start one.");
    page.histogram(wait, &[], &metrics.queue.wait.read());
    page.gauge("mcp_bridge_queue_length", "Calls that wait for a server.", metrics.queue.length.read());
}

fn servers(page: &mut Page, metrics: &Metrics, most: usize) {
    let servers = &metrics.servers;
    page.gauge("mcp_bridge_children_running", "Server processes that run.", servers.running.read());
    page.gauge("mcp_bridge_children_max", "The most server processes at a time.", most);
    page.counter(
        "mcp_bridge_children_started_total",
        "Server processes that were started.",
        servers.started.read(),
    );
    page.counter(
        "mcp_bridge_children_not_started_total",
        "Server processes that could not be started.",
        servers.not_started.read(),
    );
    let restarted = "Servers of calls that were started in the place of one that had ended by itself.";
    page.counter("mcp_bridge_child_restarts_total", restarted, servers.restarted.read());
    page.head(
        "mcp_bridge_children_ended_total",
        "counter",
        "Server processes that have ended, by their status.",
    );
    for exited in Exited::ALL {
        let reason = [("reason", exited.name())];
        page.sample("mcp_bridge_children_ended_total", &reason, servers.ended[exited as usize].read());
    }
}

fn process(page: &mut Page, metrics: &Metrics, usage: &Usage) {
    let seconds = usage.processor.as_secs_f64();
    page.counter("process_cpu_seconds_total", "Processor time of the bridge itself.", seconds);
    let begun = metrics.begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    page.gauge("process_start_time_seconds", "When the bridge began, since 1970.", begun);
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory of the bridge itself.", usage.resident),
        ("process_open_fds", "Descriptors that are open.", usage.descriptors),
        ("process_max_fds", "Descriptors that may be open.", usage.most_descriptors),
    ] {
        if let Some(value) = value {
            page.gauge(name, help, value);
        }
    }
}

type Labels<'a> = &'a [(&'a str, &'a str)];

struct Page(String);

impl Page {
    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    // Writing to a string cannot fail.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            self.escaped(text);
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    fn histogram(&mut self, name: &str, labels: Labels<'_>, durations: &Durations) {
        let buckets = format!("{name}_bucket");
        for (&bound, &count) in BOUNDS.iter().zip(&durations.within) {
            let bound = seconds(bound).to_string();
            self.sample(&buckets, &[labels, &[("le", bound.as_str())]].concat(), count);
        }
        self.sample(&buckets, &[labels, &[("le", "+Inf")]].concat(), durations.count);
        self.sample(&format!("{name}_sum"), labels, seconds(durations.sum));
        self.sample(&format!("{name}_count"), labels, durations.count);
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_new_bridge_s_page_is_complete_and_one_with_calls_has_their_histograms() {
        let mut metrics = Metrics::default();
        metrics.begun = UNIX_EPOCH + Duration::from_millis(1500);
        metrics.end(Wire::Rest, Some("say \"a\\b\"\n"), (Outcome::Ok, 200), Duration::from_micros(300));
        let usage = Usage { resident: Some(4096), ..Usage::default() };
        let page = page(&metrics, &usage, 64).replace(VERSION, "VERSION");
        insta::assert_snapshot!(page);
    }
}
