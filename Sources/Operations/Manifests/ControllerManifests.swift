internal import KubernetesAPI
internal import Yams

/// What runs the maintenance controller and its agents in a cluster, as YAML that `kubectl apply --server-side -k` takes.
package struct ControllerManifests: Sendable {
    package var image: String
    package var namespace = "drydock"
    package var replicas = 2
    /// Of Kubernetes 1.x.
    package var minor: Int
    /// MAX_UNAVAILABLE and its like, for who wants no custom resources.
    package var environment: [(name: String, value: String)] = []
    /// `HOST:PORT` of the API, for pods that are not to depend on its service and kube-proxy; nil for the service.
    package var apiServer: (host: String, port: Int)?
    /// Whether it carries ClusterUpgrades out, which makes it root on every host.
    package var withUpgrades = false
    /// Whether Prometheus' operator is there.
    package var withServiceMonitor = false

    package init(image: String, minor: Int) {
        self.image = image
        self.minor = minor
    }

    /// The parts, by the name of their file.
    package func files() throws -> [(name: String, text: String)] {
        var files: [(String, String)] = [
            ("crds.yaml", try definitions()), ("namespace.yaml", namespaceObject), ("rbac.yaml", access), ("controller.yaml", controller),
            ("agent.yaml", agent), ("network.yaml", network),
        ]
        if withServiceMonitor { files.append(("monitoring.yaml", serviceMonitor)) }
        files.append(
            (
                "kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n\(files.map { "  - \($0.0)\n" }.joined())"
            ))
        return files
    }

    /// All of it in one stream; without what only kustomize reads.
    package func text() throws -> String {
        try files().filter { $0.name != "kustomization.yaml" }.map(\.text).joined(separator: "---\n")
    }

    private func definitions() throws -> String {
        guard minor < 25 else { return CustomResources.yaml.joined(separator: "---\n") }
        return try CustomResources.definitions(rules: false).map { try YAMLEncoder().encode($0) }.joined(separator: "---\n")
    }

    private func labels(_ component: String) -> String { "{app.kubernetes.io/name: drydock, app.kubernetes.io/component: \(component)}" }

    private var namespaceObject: String {
        """
        apiVersion: v1
        kind: Namespace
        metadata:
          name: \(namespace)
          labels:
            app.kubernetes.io/name: drydock
            # The agents are privileged.
            pod-security.kubernetes.io/enforce: privileged

        """
    }

    // MARK: Access

    /// A rule of a role: what it is for, and what it allows.
    package struct Rule: Sendable, Equatable {
        package var group: String
        package var resources: [String]
        package var verbs: [String]
        package var names: [String] = []
        package var why: String

        init(_ group: String, _ resources: [String], _ verbs: [String], names: [String] = [], _ why: String) {
            self.group = group
            self.resources = resources
            self.verbs = verbs
            self.names = names
            self.why = why
        }

        fileprivate var yaml: String {
            func list(_ words: [String]) -> String { "[\(words.map { $0.isEmpty || $0 == "*" ? "\"\($0)\"" : $0 }.joined(separator: ", "))]" }
            return """
                  # \(why)
                  - apiGroups: \(list([group]))
                    resources: \(list(resources))
                    verbs: \(list(verbs))
                \(names.isEmpty ? "" : "    resourceNames: \(list(names))\n")
                """
        }
    }

    /// Of the controller, in the whole cluster.
    package static let clusterRules: [Rule] = [
        Rule("", ["nodes"], ["get", "list", "watch", "patch"], "nodes are followed, cordoned and marked"),
        Rule("", ["pods"], ["list", "watch"], "pods are followed"),
        Rule("", ["pods/eviction"], ["create"], "pods are evicted, as their budgets allow"),
        Rule("apps", ["daemonsets"], ["get"], "a DaemonSet's pods stay while it is there"),
        Rule("policy", ["poddisruptionbudgets"], ["list", "watch"], "budgets are known beforehand"),
        Rule(CustomResources.group, ["maintenancewindows", "nodemaintenances", "clusterupgrades"], ["list", "watch"], "what people ask for"),
        Rule(CustomResources.group, ["maintenancewindows/status", "nodemaintenances/status"], ["patch"], "what they are told"),
        Rule(CustomResources.group, ["maintenanceruns"], ["get", "list", "watch", "create", "patch", "delete"], "the journal"),
        Rule(CustomResources.group, ["maintenanceruns/status"], ["update", "patch"], "its steps"),
        Rule(CustomResources.group, ["nodeagents"], ["get", "list", "watch", "create", "patch"], "orders to agents, and their reports"),
    ]

    /// Of the controller, where it carries ClusterUpgrades out.
    package static let upgradeRules: [Rule] = [
        Rule("*", ["*"], ["list"], "what a minor takes away may stand in any kind, and in the Secrets of Helm's releases"),
        Rule(CustomResources.group, ["clusterupgrades"], ["get", "patch"], "annotations that people set are taken away when they are obeyed"),
        Rule(CustomResources.group, ["clusterupgrades/status"], ["update", "patch"], "the journal"),
    ]

    /// The same, in its own namespace.
    package static let ownUpgradeRules: [Rule] = [
        Rule(
            "batch", ["jobs"], ["get", "create", "delete"],
            "nodes are reached by Jobs, whose pods are privileged: whoever has this is root on every host"),
        Rule("", ["pods/exec"], ["get", "create"], "commands are run in them"),
    ]

    /// The same, in kube-system.
    package static let addonRules: [Rule] = [
        Rule("", ["namespaces"], ["get"], "its uid tells the cluster from others"),
        Rule("", ["pods"], ["get"], "static pods say of which version they are"),
        Rule("", ["configmaps"], ["get", "update"], "kubeadm's configuration is read, and put back by a rollback"),
        Rule("apps", ["daemonsets", "deployments"], ["get", "update"], "kubeadm's add-ons are put back by a rollback"),
    ]

    /// What drains that pass over budgets need besides: `drain.disableEviction`.
    package static let deletionRule = Rule("", ["pods"], ["delete"], "drain.disableEviction deletes pods")

    /// What the environment needs besides, which makes resources of itself.
    package static let environmentRule = Rule(
        CustomResources.group, ["maintenancewindows", "nodemaintenances"], ["create", "patch"],
        "MAX_UNAVAILABLE and its like become a NodeMaintenance")

    /// Of the controller, in its own namespace.
    package func ownRules() -> [Rule] {
        [
            Rule("coordination.k8s.io", ["leases"], ["create"], "the leader election"),
            Rule("coordination.k8s.io", ["leases"], ["get", "update"], names: ["drydock-controller"], "the leader election"),
        ]
    }

    /// Of the controller, in other namespaces, by name.
    package static let otherRules: [(namespace: String, rule: Rule)] = [
        ("kube-node-lease", Rule("coordination.k8s.io", ["leases"], ["get"], "a kubelet that is back renews its lease")),
        ("default", Rule("", ["events"], ["create"], "events of nodes are there")),
    ]

    /// The namespace whose annotation pauses everything.
    package func namespaceRule() -> Rule {
        Rule("", ["namespaces"], ["list", "watch"], names: [namespace], "its annotation pauses everything")
    }

    /// Of the agents: they read their orders and tell how they stand, and nothing else.
    package static let agentRules: [Rule] = [
        Rule(CustomResources.group, ["nodeagents"], ["get", "list", "watch"], "orders"),
        Rule(CustomResources.group, ["nodeagents/status"], ["patch"], "reports"),
    ]

    /// - Parameter account: whose it is; nil for the account of its name.
    private func role(_ kind: String, _ name: String, in place: String?, _ rules: [Rule], of account: String? = nil) -> String {
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: \(kind)
        metadata:
          name: \(name)
        \(place.map { "  namespace: \($0)\n" } ?? "")  labels: \(labels(name))
        rules:
        \(rules.map(\.yaml).joined())---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: \(kind)Binding
        metadata:
          name: \(name)
        \(place.map { "  namespace: \($0)\n" } ?? "")  labels: \(labels(name))
        roleRef:
          apiGroup: rbac.authorization.k8s.io
          kind: \(kind)
          name: \(name)
        subjects:
          - kind: ServiceAccount
            name: \(account ?? name)
            namespace: \(namespace)

        """
    }

    private func account(_ name: String) -> String {
        """
        apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: \(name)
          namespace: \(namespace)
          labels: \(labels(name))
        automountServiceAccountToken: true

        """
    }

    private var access: String {
        let cluster = Self.clusterRules + [namespaceRule()] + (environment.isEmpty ? [] : [Self.environmentRule])
        return
            ([
                account("drydock-controller"), account("drydock-agent"), role("ClusterRole", "drydock-controller", in: nil, cluster),
                role("Role", "drydock-controller", in: namespace, ownRules()),
            ] + Self.otherRules.map { role("Role", "drydock-controller", in: $0.namespace, [$0.rule]) }
            + [role("ClusterRole", "drydock-agent", in: nil, Self.agentRules)] + (withUpgrades ? upgradeRoles : [])).joined(separator: "---\n")
    }

    private var upgradeRoles: [String] {
        [(nil, Self.upgradeRules), (namespace, Self.ownUpgradeRules), ("kube-system", Self.addonRules)].map { place, rules in
            role(place == nil ? "ClusterRole" : "Role", "drydock-upgrades", in: place, rules, of: "drydock-controller")
        }
    }

    // MARK: Pods

    private func variables(_ more: [(name: String, value: String)]) -> String {
        let api = apiServer.map { [("KUBERNETES_SERVICE_HOST", $0.host), ("KUBERNETES_SERVICE_PORT", "\($0.port)")] } ?? []
        return (api + more).map { "            - {name: \($0.0), value: \"\($0.1)\"}\n" }.joined()
    }

    private var controller: String {
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: drydock-controller
          namespace: \(namespace)
          labels: \(labels("drydock-controller"))
        spec:
          replicas: \(replicas)
          selector:
            matchLabels: \(labels("drydock-controller"))
          template:
            metadata:
              labels: \(labels("drydock-controller"))
            spec:
              serviceAccountName: drydock-controller
              priorityClassName: system-cluster-critical
              # Who is maintained must not end the maintainer: the other replica is elsewhere.
              affinity:
                podAntiAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                    - topologyKey: kubernetes.io/hostname
                      labelSelector:
                        matchLabels: \(labels("drydock-controller"))
              tolerations:
                - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
                - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
              securityContext:
                runAsNonRoot: true
                runAsUser: 65532
                runAsGroup: 65532
                seccompProfile: {type: RuntimeDefault}
              containers:
                - name: controller
                  image: \(image)
                  imagePullPolicy: IfNotPresent
                  args: [controller\(withUpgrades ? ", --upgrades-by-job, \"\(image)\"" : "")]
                  env:
                    - name: POD_NAMESPACE
                      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
        \(variables(environment))          ports:
                    - {name: metrics, containerPort: 9108, protocol: TCP}
                  livenessProbe:
                    httpGet: {path: /healthz, port: metrics}
                    periodSeconds: 10
                    failureThreshold: 6
                  readinessProbe:
                    httpGet: {path: /readyz, port: metrics}
                    periodSeconds: 5
                  resources:
                    requests: {cpu: 50m, memory: 64Mi}
                    limits: {memory: 512Mi}
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    capabilities: {drop: [ALL]}
        \(withUpgrades ? Self.room : "")---
        apiVersion: policy/\(minor < 21 ? "v1beta1" : "v1")
        kind: PodDisruptionBudget
        metadata:
          name: drydock-controller
          namespace: \(namespace)
          labels: \(labels("drydock-controller"))
        spec:
          maxUnavailable: 1
        \(minor >= 27 ? "  unhealthyPodEvictionPolicy: AlwaysAllow\n" : "")  selector:
            matchLabels: \(labels("drydock-controller"))
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: drydock-controller
          namespace: \(namespace)
          labels: \(labels("drydock-controller"))
        spec:
          selector: \(labels("drydock-controller"))
          ports:
            - {name: metrics, port: 9108, targetPort: metrics, protocol: TCP}

        """
    }

    /// Backups are made in files first.
    private static let room = """
                  volumeMounts:
                    - {name: tmp, mountPath: /tmp}
              volumes:
                - name: tmp
                  emptyDir: {}

        """

    private var agent: String {
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata:
          name: drydock-agent
          namespace: \(namespace)
          labels: \(labels("drydock-agent"))
        spec:
          selector:
            matchLabels: \(labels("drydock-agent"))
          updateStrategy:
            rollingUpdate: {maxUnavailable: 10%}
          template:
            metadata:
              labels: \(labels("drydock-agent"))
            spec:
              serviceAccountName: drydock-agent
              priorityClassName: system-node-critical
              # Its package manager fetches from where the host does, by the host's names.
              hostNetwork: true
              dnsPolicy: ClusterFirstWithHostNet
              tolerations:
                - {operator: Exists}
              containers:
                - name: agent
                  image: \(image)
                  imagePullPolicy: IfNotPresent
                  args: [agent, --root, /host]
                  env:
                    - name: NODE_NAME
                      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
        \(variables([]))          resources:
                    requests: {cpu: 10m, memory: 32Mi}
                    limits: {memory: 256Mi}
                  # It installs packages and boots the host: whoever may do that is root there.
                  securityContext:
                    privileged: true
                    runAsUser: 0
                    readOnlyRootFilesystem: true
                  volumeMounts:
                    - {name: host-root, mountPath: /host, mountPropagation: HostToContainer}
              volumes:
                - name: host-root
                  hostPath: {path: /, type: Directory}

        """
    }

    // MARK: Network and monitoring

    private var network: String {
        """
        # The controller is asked for its metrics, and asks the API, DNS, Prometheus, Alertmanager, webhooks and health endpoints, wherever they are.
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: drydock-controller
          namespace: \(namespace)
          labels: \(labels("drydock-controller"))
        spec:
          podSelector:
            matchLabels: \(labels("drydock-controller"))
          policyTypes: [Ingress, Egress]
          ingress:
            - ports:
                - {protocol: TCP, port: 9108}
          egress:
            - {}
        """
    }

    private var serviceMonitor: String {
        """
        apiVersion: monitoring.coreos.com/v1
        kind: ServiceMonitor
        metadata:
          name: drydock-controller
          namespace: \(namespace)
          labels: \(labels("drydock-controller"))
        spec:
          selector:
            matchLabels: \(labels("drydock-controller"))
          endpoints:
            - {port: metrics, interval: 30s}

        """
    }
}
