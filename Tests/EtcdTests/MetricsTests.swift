import Testing

@testable import Etcd

@Suite struct MetricsTests {
    private let page = PrometheusText(
        """
        # HELP a_seconds how long
        # TYPE a_seconds histogram
        a_seconds_bucket{le="0.001"} 0
        a_seconds_bucket{le="0.01"} 90
        a_seconds_bucket{le="0.1"} 100
        a_seconds_bucket{le="+Inf"} 100
        quota 2.147483648e+09
        labelled{x="with \\"quotes\\", a comma, and a } brace",y="\\\\"} 7 1700000000
        broken{x="never closed
        nonsense
        """)

    @Test func `A metrics page is read as Prometheus writes it, and odd lines are passed over`() {
        #expect(page.value("quota") == 2_147_483_648 && page.value("nothing") == nil)
        #expect(page.samples.last == .init(name: "labelled", labels: ["x": "with \"quotes\", a comma, and a } brace", "y": "\\"], value: 7))
        #expect(MemberMetrics(page).quota == nil && MemberMetrics(page).isDefragmenting == false)
    }

    @Test func `Quantiles are those of histogram_quantile`() throws {
        let histogram = try #require(page.histogram("a_seconds"))
        // In the bucket from 0.01 to 0.1, nine tenths of the way.
        #expect(abs(try #require(histogram.quantile(0.99)) - 0.091) < 1e-9)
        #expect(abs(try #require(histogram.quantile(0.45)) - 0.0055) < 1e-9)
        #expect(Histogram(buckets: []).quantile(0.5) == nil)
        #expect(Histogram(buckets: [.init(upTo: 1, count: 0), .init(upTo: .infinity, count: 5)]).quantile(0.5) == 1)
    }

    @Test func `What was observed since another look is the difference, unless the server has restarted`() throws {
        let old = Histogram(buckets: [.init(upTo: 1, count: 5), .init(upTo: .infinity, count: 10)])
        let new = Histogram(buckets: [.init(upTo: 1, count: 7), .init(upTo: .infinity, count: 20)])
        #expect(new.since(old).buckets.map(\.count) == [2, 10])
        #expect(old.since(new) == old)
    }
}
