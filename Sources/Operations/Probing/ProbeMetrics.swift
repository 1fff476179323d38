extension ProbeReport {
    private static let families: [MetricsText.Family] = [
        .init("drydock_probe_requests_total", "counter", "Requests that were answered or failed."),
        .init("drydock_probe_failures_total", "counter", "Requests that failed."),
        .init("drydock_probe_resent_total", "counter", "Requests whose kept connection ended before the answer, sent again."),
        .init("drydock_probe_interruptions_total", "counter", "How often a watch ended and was opened again."),
        .init("drydock_probe_latency_seconds", "gauge", "Latencies since the probe began, by quantile."),
        .init("drydock_probe_longest_gap_seconds", "gauge", "The longest time without an answer."),
    ]

    /// What Prometheus is told, in its text format 0.0.4.
    package var metrics: String {
        var metrics = MetricsText(Self.families)
        for target in targets {
            let labels = [("target", target.name), ("connection", target.connection)]
            metrics.add("drydock_probe_requests_total", labels, Double(target.requests))
            metrics.add("drydock_probe_failures_total", labels, Double(target.failed))
            metrics.add("drydock_probe_resent_total", labels, Double(target.resent))
            metrics.add("drydock_probe_interruptions_total", labels, Double(target.interruptions))
            for (quantile, value) in [("0.5", target.p50), ("0.9", target.p90), ("0.99", target.p99), ("0.999", target.p999)] {
                if let value { metrics.add("drydock_probe_latency_seconds", labels + [("quantile", quantile)], value) }
            }
            metrics.add("drydock_probe_longest_gap_seconds", labels, target.longestGapSeconds)
        }
        return metrics.text
    }
}
