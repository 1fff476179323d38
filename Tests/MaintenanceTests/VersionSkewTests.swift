import Maintenance
import Testing

struct VersionSkewTests {
    @Test(arguments: [
        ("v1.20.2", KubernetesVersion(major: 1, minor: 20, patch: 2)), ("1.24.17-00", KubernetesVersion(major: 1, minor: 24, patch: 17)),
        ("v0.0.0-master+abc", KubernetesVersion(major: 0, minor: 0, patch: 0)),
        ("v1.30.0-rc.1+k3s", KubernetesVersion(major: 1, minor: 30, patch: 0)),
    ])
    func `Versions are read from tags and packages`(_ text: String, _ expected: KubernetesVersion) { #expect(KubernetesVersion(text) == expected) }

    @Test(arguments: ["", "latest", "v1", "1.20", "v1.x.0", "sha256:abc", "v1.99999.0", "v-1.0.0"])
    func `What is no version is none`(_ text: String) { #expect(KubernetesVersion(text) == nil) }

    private static let cases: [(VersionSkew.Component, String, [String], Bool)] = [
        // Component, its version, the API servers', and whether it fits.
        (.kubelet, "1.23.5", ["1.23.5", "1.23.5"], true), (.kubelet, "1.21.0", ["1.23.5"], true), (.kubelet, "1.20.0", ["1.23.5"], false),
        (.kubelet, "1.24.0", ["1.23.5", "1.24.0"], false), (.kubelet, "1.23.9", ["1.23.5"], true), (.kubelet, "1.25.0", ["1.28.1"], true),
        (.kubelet, "1.24.0", ["1.27.0"], false), (.kubelet, "1.25.0", ["1.29.0"], false), (.kubelet, "1.22.0", ["1.23.0", "1.24.0"], true),
        (.proxy, "1.25.0", ["1.28.0"], true), (.proxy, "1.29.0", ["1.28.0"], false), (.scheduler, "1.23.0", ["1.24.0"], true),
        (.scheduler, "1.24.0", ["1.23.0", "1.24.0"], false), (.controllerManager, "1.22.0", ["1.24.0"], false),
        (.apiServer, "1.24.0", ["1.23.0", "1.24.0"], true), (.apiServer, "1.24.0", ["1.22.0", "1.24.0"], false),
        (.apiServer, "1.22.0", ["1.22.0", "1.24.0"], true), (.kubelet, "1.19.0", [], true),
    ]

    @Test(arguments: cases)
    func `The skew policy is kept, by the oldest and the newest API server`(
        _ component: VersionSkew.Component, _ version: String, _ servers: [String], _ fits: Bool
    ) throws {
        let complaint = VersionSkew.complaint(
            component, try #require(KubernetesVersion(version)), servers: servers.compactMap { KubernetesVersion($0) })
        #expect((complaint == nil) == fits, "\(complaint ?? "nothing")")
    }

    @Test func `Docker's own shim is named before it is gone`() throws {
        let (old, last, new) = (
            KubernetesVersion(major: 1, minor: 20, patch: 0), KubernetesVersion(major: 1, minor: 23, patch: 1),
            KubernetesVersion(major: 1, minor: 24, patch: 0)
        )
        #expect(VersionSkew.complaint(runtime: "docker://20.10.5", kubelet: old) == nil)
        #expect(
            VersionSkew.complaint(runtime: "docker://20.10.5", kubelet: last) != nil
                && VersionSkew.complaint(runtime: "docker://20.10.5", kubelet: new) != nil)
        #expect(VersionSkew.complaint(runtime: "containerd://1.6.9", kubelet: new) == nil)
    }
}
