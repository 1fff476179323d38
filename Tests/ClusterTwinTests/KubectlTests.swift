import ClusterTwin
import Foundation
import KubernetesAPI
import Maintenance
import Proving
import Testing

/// Real kubectl, old and new, as a client of the twin.
@Suite(.enabled(if: Kubectl.mayRun, Comment(rawValue: Kubectl.missing)), .timeLimit(.minutes(40)))
struct KubectlTests {
    private let web = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, labels: {app: web}}
        spec:
          replicas: 3
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers: [{name: main, image: "k8s.gcr.io/pause:3.2"}]
        """

    private struct Desk: Sendable {
        let kubectl: Kubectl
        let served: ServedTwin

        /// Runs `kubectl WORDS`, which must end with `status`, and returns what it printed.
        @discardableResult
        func callAsFunction(_ words: String, _ more: [String] = [], status: Int32 = 0) async throws -> String {
            let run = try await kubectl.run(words.split(separator: " ").map(String.init) + more, kubeconfig: served.kubeconfig.path)
            #expect(run.status == status, "\(kubectl) \(words): \(run.status)\n\(run.output)\(run.errors)")
            return run.output + run.errors
        }

        func file(_ text: String) throws -> String {
            let path = served.kubeconfig.deletingLastPathComponent().appendingPathComponent("\(UUID().uuidString).yaml")
            try Data(text.utf8).write(to: path)
            return path.path
        }
    }

    private func withDesk(_ kubectl: Kubectl, _ body: @escaping @Sendable (Desk) async throws -> Void) async throws {
        var options = TwinOptions()
        options.minor = kubectl == .v1_20 ? 20 : 30
        try await ServedTwin.running(options, speed: 10, fill: { $0.addNodes(4, controlPlanes: 1) }) { served in
            try await body(Desk(kubectl: kubectl, served: served))
        }
    }

    @Test(arguments: Kubectl.allCases)
    func `Applies, shows, scales, waits, watches, describes and deletes`(_ kubectl: Kubectl) async throws {
        let web = web
        try await withDesk(kubectl) { desk in
            let file = try desk.file(web)
            let bad = try desk.file(web.replacing("replicas:", with: "replica:"))
            #expect(try await desk("apply -f \(bad)", status: 1).contains("unknown field \(kubectl == .v1_20 ? "\"replica\"" : "\"spec.replica\"")"))
            #expect(try await desk("apply -f \(file)").contains("deployment.apps/web created"))
            #expect(try await desk("apply -f \(file)").contains("unchanged"))
            #expect(try await desk("rollout status deploy/web --timeout 60s").contains("successfully rolled out"))
            #expect(try await desk("get deploy web").contains("3/3"))
            #expect(try await desk("scale deploy/web --replicas 5").contains("scaled"))
            try await desk("rollout status deploy/web --timeout 60s")
            try await desk("wait --for=condition=Available deploy/web --timeout 60s")
            #expect(try await desk("get pods -l app=web --no-headers").split(separator: "\n").count == 5)
            #expect(try await desk("get pods -l app!=web").contains("No resources found"))
            let wide = try await desk("get pods -o wide")
            #expect(wide.contains("NOMINATED NODE") && wide.contains("Running") && wide.contains("1/1"))
            let yaml = try await desk("get deploy web -o yaml")
            #expect(yaml.contains("kind: Deployment") && yaml.contains("replicas: 5"))
            #expect(try await desk("get nodes --show-labels").contains("topology.kubernetes.io/zone=b"))
            #expect(try await desk("describe node node-0002").contains("Allocated resources"))
            #expect(try await desk("describe deploy web").contains("5 desired | 5 updated | 5 total | 5 available"))
            #expect(try await desk("label node node-0002 drydock=yes").contains("labeled"))
            #expect(try await desk("get nodes -l drydock=yes -o name").trimmingCharacters(in: .whitespacesAndNewlines) == "node/node-0002")
            #expect(try await desk("annotate node node-0002 a=b").contains("annotated"))
            #expect(try await desk("set image deploy/web main=k8s.gcr.io/pause:3.3").contains("image updated"))
            try await desk("rollout status deploy/web --timeout 60s")
            #expect(try await desk("get rs -l app=web --no-headers").split(separator: "\n").count == 2)
            #expect(try await desk("explain pod.spec.containers").contains("containers"))
            #expect(try await desk("api-resources").contains("poddisruptionbudgets"))
            #expect(try await desk("delete deploy web").contains("deleted"))
            while try await !desk("get pods -l app=web").contains("No resources found") {}
        }
    }

    @Test(arguments: Kubectl.allCases)
    func `Watches until it is ended`(_ kubectl: Kubectl) async throws {
        let web = web
        try await withDesk(kubectl) { desk in
            let watching = try CommandRun.Running(
                kubectl.path, ["get", "pods", "-w"], environment: ["KUBECONFIG": desk.served.kubeconfig.path, "HOME": "/nonexistent"])
            try await desk("apply -f \(try desk.file(web))")
            try await desk("rollout status deploy/web --timeout 60s")
            while watching.isRunning, !watching.outputSoFar.contains("1/1") { await Task.yield() }
            watching.send(SIGTERM)
            let run = await watching.finish()
            #expect(run.output.contains("NAME") && run.output.contains("Pending") && run.output.contains("1/1"), "\(run.output)")
        }
    }

    @Test(arguments: Kubectl.allCases)
    func `Applies on the server side, and conflicts are named`(_ kubectl: Kubectl) async throws {
        let web = web
        try await withDesk(kubectl) { desk in
            let file = try desk.file(web)
            #expect(try await desk("apply --server-side -f \(file)").contains("serverside-applied"))
            try await desk("scale deploy/web --replicas 4")
            let conflict = try await desk("apply --server-side -f \(file)", status: 1)
            #expect(conflict.contains("conflict") && conflict.contains(".spec.replicas"), "\(conflict)")
            try await desk("apply --server-side --force-conflicts -f \(file)")
            #expect(try await desk("get deploy web -o jsonpath={.spec.replicas}").hasPrefix("3"))
            // What is no longer applied goes.
            let labelled = try desk.file(web.replacing("labels: {app: web}}\nspec", with: "labels: {app: web, tier: front}}\nspec"))
            try await desk("apply --server-side -f \(labelled)")
            #expect(try await desk("get deploy web -o jsonpath={.metadata.labels}").contains("front"))
            try await desk("apply --server-side -f \(file)")
            #expect(try await !desk("get deploy web -o jsonpath={.metadata.labels}").contains("front"))
        }
    }

    @Test(arguments: Kubectl.allCases)
    func `Cordons and drains, with budgets and without`(_ kubectl: Kubectl) async throws {
        let web = web
        try await withDesk(kubectl) { desk in
            try await desk("apply -f \(try desk.file(web.replacing("replicas: 3", with: "replicas: 8")))")
            try await desk("rollout status deploy/web --timeout 60s")
            #expect(try await desk("cordon node-0002").contains("cordoned"))
            #expect(try await desk("get node node-0002").contains("SchedulingDisabled"))
            #expect(try await desk("drain node-0002 --timeout 60s").contains("evicted"))
            #expect(try await desk("uncordon node-0002").contains("uncordoned"))
            let policy = kubectl == .v1_20 ? "policy/v1beta1" : "policy/v1"
            try await desk(
                "apply -f \(try desk.file("apiVersion: \(policy)\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}\n"))"
            )
            try await desk("rollout status deploy/web --timeout 60s")
            let drain = try await desk("drain node-0003 --timeout 120s")
            #expect(drain.contains("evicted"), "\(drain)")
            #expect(try await desk("get pdb web").contains("N/A"))
        }
    }

    @Test(arguments: Kubectl.allCases)
    func `Custom resources are served as their definition says`(_ kubectl: Kubectl) async throws {
        try await withDesk(kubectl) { desk in
            let definition = """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: windows.example.com}
                spec:
                  group: example.com
                  scope: Namespaced
                  names: {plural: windows, singular: window, kind: Window, shortNames: [win]}
                  versions:
                  - name: v1
                    served: true
                    storage: true
                    subresources: {status: {}}
                    additionalPrinterColumns: [{name: Hours, type: string, jsonPath: .spec.hours}]
                    schema:
                      openAPIV3Schema:
                        type: object
                        properties:
                          spec:
                            type: object
                            required: [hours]
                            properties:
                              hours: {type: string}
                              retries: {type: integer, minimum: 1, default: 3}
                """
            try await desk("apply -f \(try desk.file(definition))")
            try await desk("wait --for=condition=Established crd/windows.example.com --timeout 30s")
            func window(_ spec: String) throws -> String {
                try desk.file("apiVersion: example.com/v1\nkind: Window\nmetadata: {name: night}\nspec: \(spec)\n")
            }
            #expect(try await desk("apply --validate=false -f \(try window("{retries: 2}"))", status: 1).contains("Required value"))
            #expect(
                try await desk("apply --validate=false -f \(try window("{hours: x, retries: 0}"))", status: 1).contains("greater than or equal to 1"))
            try await desk("apply -f \(try window("{hours: \"01:00-05:00\"}"))")
            #expect(try await desk("get win").contains("01:00-05:00"))
            #expect(try await desk("get window night -o jsonpath={.spec.retries}").hasPrefix("3"), "defaults are filled in")
            try await desk("delete crd windows.example.com")
            try await desk("get windows", status: 1)
        }
    }
}
