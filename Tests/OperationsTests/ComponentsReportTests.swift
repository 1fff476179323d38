import KubernetesAPI
import Operations
import Testing

/// What `components status` and the checks of an upgrade say of the control plane's parts.
struct ComponentsReportTests {
    private func controlPlane(_ name: String) -> JSON {
        [
            "metadata": ["name": .string(name), "labels": ["node-role.kubernetes.io/control-plane": ""]],
            "status": [
                "nodeInfo": ["kubeletVersion": "v1.24.17", "containerRuntimeVersion": "containerd://1.6.20"],
                "conditions": [["type": "Ready", "status": "True"]],
            ],
        ]
    }

    private func pod(_ component: String, on node: String, isReady: Bool = true) -> JSON {
        [
            "metadata": ["name": .string("\(component)-\(node)"), "labels": ["component": .string(component), "tier": "control-plane"]],
            "spec": ["nodeName": .string(node), "containers": [["image": "registry.k8s.io/x:v1.24.17"]]],
            "status": ["phase": isReady ? "Running" : "Pending", "conditions": [["type": "Ready", "status": isReady ? "True" : "False"]]],
        ]
    }

    private func said(_ report: ComponentsReport) -> [String] { report.findings.map { "\($0.component) on \($0.node): \($0.problem)" } }

    @Test func `A component that only other control planes run is missing, by its node's name`() {
        let pods = [pod("kube-apiserver", on: "cp1"), pod("kube-apiserver", on: "cp2"), pod("kube-scheduler", on: "cp1")]
        let report = ComponentsReport(nodes: [controlPlane("cp1"), controlPlane("cp2")], pods: pods)
        #expect(said(report) == ["kube-scheduler on cp2: the API has no pod of it"])
        #expect(report.rows.filter { $0.complaint != nil }.map(\.state) == ["Absent"])
    }

    @Test func `What no control plane runs as a pod is missed nowhere`() {
        #expect(ComponentsReport(nodes: [controlPlane("cp1"), controlPlane("cp2")], pods: []).findings.isEmpty)
    }

    @Test func `A component that waits is not well`() {
        let report = ComponentsReport(nodes: [controlPlane("cp1")], pods: [pod("etcd", on: "cp1", isReady: false)])
        #expect(said(report) == ["etcd on cp1: it is not ready (Pending)"])
    }
}
