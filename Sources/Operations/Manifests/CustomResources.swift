package import KubernetesAPI
internal import KubernetesClient

/// The kinds that drydock adds to a cluster, as CustomResourceDefinitions (apiextensions.k8s.io/v1).
package enum CustomResources {
    package static let group = "drydock.dev"
    package static let version = "v1alpha1"

    /// In the order in which they are applied.
    package static let yaml = [maintenanceWindow, nodeMaintenance, maintenanceRun, nodeAgent, clusterUpgrade]

    /// - Parameter rules: whether rules in CEL are kept, which servers know since 1.25; older ones refuse or drop them.
    package static func definitions(rules: Bool = true) throws -> [JSON] {
        try yaml.map { text in
            let definition = try YAMLText.documents(text).first ?? .null
            return rules ? definition : withoutRules(definition)
        }
    }

    private static func withoutRules(_ value: JSON) -> JSON {
        switch value {
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.filter { $0.name != "x-kubernetes-validations" }.map { .init(name: $0.name, value: withoutRules($0.value)) }))
        case .array(let elements): return .array(elements.map(withoutRules))
        default: return value
        }
    }

    static func definition(
        _ kind: String, _ plural: String, _ shortNames: [String], columns: [(name: String, type: String, path: String)], schema: String
    ) -> String {
        """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata:
          name: \(plural).\(group)
        spec:
          group: \(group)
          scope: Cluster
          names:
            kind: \(kind)
            listKind: \(kind)List
            plural: \(plural)
            singular: \(kind.lowercased())
            shortNames: [\(shortNames.joined(separator: ", "))]
            categories: [drydock]
          versions:
            - name: \(version)
              served: true
              storage: true
              subresources:
                status: {}
              additionalPrinterColumns:
        \(columns.map { "        - {name: \"\($0.name)\", type: \($0.type), jsonPath: '\($0.path)'}" }.joined(separator: "\n"))
              schema:
                openAPIV3Schema:
                  type: object
                  required: [spec]
                  properties:
                    apiVersion: {type: string}
                    kind: {type: string}
                    metadata: {type: object}
        \(schema.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "            \($0)" }.joined(separator: "\n"))

        """
    }

    /// What a schema says of a duration.
    static let duration = #"type: string, pattern: '^([0-9]+(\.[0-9]+)?[hms])+$', maxLength: 20"#
    private static let conditions = """
        conditions: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [type], items: {type: object, required: [type, status], \
        properties: {type: {type: string}, status: {type: string, enum: ["True", "False", Unknown]}, reason: {type: string}, message: {type: string}, \
        observedGeneration: {type: integer}, lastTransitionTime: {type: string, format: date-time}}}}
        """
    /// metav1.LabelSelector.
    private static let selector = """
        type: object, properties: {matchLabels: {type: object, additionalProperties: {type: string}}, matchExpressions: {type: array, items: \
        {type: object, required: [key, operator], properties: {key: {type: string}, operator: {type: string, enum: [In, NotIn, Exists, DoesNotExist]}, \
        values: {type: array, items: {type: string}}}}}}
        """

    /// The steps of a run.
    static let steps = """
        type: array, items: {type: object, required: [id], properties: {id: {type: string}, title: {type: string}, state: {type: string}, \
        attempts: {type: integer}, startedAt: {type: string}, endedAt: {type: string}, result: {type: string}, \
        evidence: {type: object, additionalProperties: {type: string}}}}
        """
    /// How far an agent is.
    private static let progress = """
        type: object, properties: {id: {type: string}, state: {type: string, enum: [Running, Done, Failed, Refused]}, startedAt: {type: string, \
        format: date-time}, endedAt: {type: string, format: date-time}, message: {type: string}}
        """

    static let maintenanceWindow = definition(
        "MaintenanceWindow", "maintenancewindows", ["mw"],
        columns: [
            ("Open", "boolean", ".status.open"), ("Opens", "string", ".status.opensAt"), ("Closes", "string", ".status.closesAt"),
            ("Zone", "string", ".spec.timeZone"), ("Message", "string", ".status.message"), ("Age", "date", ".metadata.creationTimestamp"),
        ],
        schema: """
            spec:
              type: object
              description: When maintenance is allowed. An opening belongs to the day on which it begins, and lasts as long as it says, also over midnight.
              required: [openings]
              properties:
                timeZone:
                  type: string
                  default: UTC
                  maxLength: 64
                  description: An IANA name, such as Europe/Berlin.
                openings:
                  type: array
                  minItems: 1
                  maxItems: 32
                  items:
                    type: object
                    required: [schedule, duration]
                    properties:
                      schedule: {type: string, maxLength: 128, description: "When it opens, as a CronJob has it. Over a change of clocks it opens once."}
                      duration: {\(duration), description: "How long it stays open. A minute to a week, such as 4h or 90m."}
                blackouts:
                  type: array
                  maxItems: 64
                  description: When it stays closed whatever else is said, also for NodeMaintenances that name other windows beside this one.
                  items:
                    type: object
                    required: [from, through]
                    properties:
                      from: {type: string, maxLength: 40, description: "A day (2026-12-20) or a moment (RFC 3339)."}
                      through: {type: string, maxLength: 40, description: "A day, to its end, or a moment."}
                      reason: {type: string, maxLength: 256}
                    x-kubernetes-validations:
                      - rule: self.from.size() != self.through.size() || self.from <= self.through
                        message: a blackout must not end before it begins
            status:
              type: object
              properties:
                open: {type: boolean}
                opensAt: {type: string}
                closesAt: {type: string}
                message: {type: string}
            """)

    static let nodeMaintenance = definition(
        "NodeMaintenance", "nodemaintenances", ["nm"],
        columns: [
            ("Nodes", "integer", ".status.total"), ("Current", "integer", ".status.current"), ("Pending", "integer", ".status.pending"),
            ("In work", "integer", ".status.inWork"), ("Failed", "integer", ".status.failed"), ("Phase", "string", ".status.phase"),
            ("Next try", "string", ".status.nextTry"), ("Message", "string", ".status.message"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ],
        schema: """
            spec:
              type: object
              description: What is kept true of a set of nodes, and how.
              x-kubernetes-validations:
                - rule: "!has(self.onFailure) || self.onFailure.action == 'Retry' || !has(self.onFailure.retries) || self.onFailure.retries == 0"
                  message: onFailure.retries goes with Retry only
              properties:
                paused: {type: boolean, default: false, description: "Begin no node. Nodes in work are finished."}
                nodeSelector: {description: "Which nodes. All when it is left out.", \(selector)}
                maxUnavailable:
                  x-kubernetes-int-or-string: true
                  default: 1
                  description: How many of the nodes may be away at once, for whatever reason. A percentage is rounded down, and is one at least.
                  x-kubernetes-validations:
                    - rule: "type(self) == int ? self >= 0 : self.matches('^[0-9]{1,3}%$')"
                      message: must be a number or a percentage
                windows: {type: array, maxItems: 16, items: {type: string}, description: "Names of MaintenanceWindows. Any time when it is left out."}
                order:
                  type: object
                  default: {}
                  properties:
                    zones: {type: string, enum: [Any, OneAtATime, RoundRobin], default: RoundRobin}
                    first: {type: array, maxItems: 16, items: {\(selector)}, description: "Nodes that match the first selector go first."}
                    priorityLabel: {type: string, description: "A label whose number says which go first. The smaller first."}
                    controlPlaneLast: {type: boolean, default: true}
                drain:
                  type: object
                  default: {}
                  properties:
                    enabled: {type: boolean, default: true}
                    timeout: {\(duration), default: 30m}
                    gracePeriodSeconds: {type: integer, minimum: 0}
                    force: {type: boolean, default: false, description: "Also pods that no controller makes anew."}
                    deleteEmptyDirData: {type: boolean, default: true}
                    disableEviction: {type: boolean, default: false, description: "Delete pods without a look at disruption budgets."}
                    skipWaitForDeleteTimeoutSeconds: {type: integer, minimum: 0, default: 0}
                    podSelector: {\(selector)}
                    awaitReplacements: {type: boolean, default: true, description: "Wait until others are ready in the place of the pods."}
                    replacementTimeout: {\(duration), default: 5m}
                action:
                  type: object
                  default: {osUpdate: {}}
                  minProperties: 1
                  maxProperties: 1
                  properties:
                    osUpdate:
                      type: object
                      description: Apply the updates of the package manager. What is held there stays.
                      properties:
                        securityOnly: {type: boolean, default: false}
                        includeKubernetes: {type: boolean, default: false, description: "Also the kubelet, kubeadm and the container runtime."}
                        exclude: {type: array, maxItems: 256, items: {type: string}}
                    reboot: {type: object, description: "Only boot anew."}
                    command:
                      type: object
                      required: [command]
                      description: Run a command on the host, once a round.
                      properties:
                        command: {type: array, minItems: 1, maxItems: 64, items: {type: string}}
                    none: {type: object, description: "Only drain and check. Somebody else does the work."}
                reboot: {type: string, enum: [IfNeeded, Always, Never], default: IfNeeded}
                checks:
                  type: array
                  maxItems: 32
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {type: string, maxLength: 63}
                      when: {type: array, items: {type: string, enum: [Before, During, After]}, default: [Before, During, After]}
                      http:
                        type: object
                        required: [url]
                        properties:
                          url: {type: string, pattern: '^https?://', description: "{node} and {address} stand for the node's name and address."}
                      command: {type: array, minItems: 1, maxItems: 64, items: {type: string}, description: "Run on the host by the agent."}
                      timeout: {\(duration), default: 10s}
                    x-kubernetes-validations:
                      - rule: has(self.http) != has(self.command)
                        message: a check has either http or command
                onFailure:
                  type: object
                  default: {}
                  properties:
                    action: {type: string, enum: [Pause, Retry, RollBack], default: Pause}
                    retries: {type: integer, minimum: 0, maximum: 10, default: 0}
                soak: {\(duration), default: 0s, description: "How long a node is watched before it takes pods again."}
                canaries: {type: integer, minimum: 0, default: 0, description: "How many nodes must be done before the others begin."}
                timeouts:
                  type: object
                  default: {}
                  properties:
                    node: {\(duration), default: 15m, description: "How long a node is expected to take until some have been seen."}
                    action: {\(duration), default: 30m}
                    reboot: {\(duration), default: 15m}
                    health: {\(duration), default: 10m}
                blockingPods: {type: array, maxItems: 16, items: {\(selector)}, description: "Nodes with such pods wait."}
                prometheus:
                  type: object
                  required: [url]
                  description: No node begins while alerts fire. Where nobody answers, none begins either.
                  properties:
                    url: {type: string, pattern: '^https?://'}
                    ignoreAlerts: {type: string, maxLength: 1024, description: "A regular expression for the whole name of alerts that do not count."}
                    countPending: {type: boolean, default: false}
                alertmanager:
                  type: object
                  required: [url]
                  description: Nodes in work are silenced there.
                  properties:
                    url: {type: string, pattern: '^https?://'}
                notifications:
                  type: array
                  maxItems: 8
                  items:
                    type: object
                    properties:
                      url: {type: string, pattern: '^https?://'}
                      urlFile: {type: string, description: "A file of the controller's pod that has the URL."}
                      format: {type: string, enum: [Generic, Slack], default: Generic}
                    x-kubernetes-validations:
                      - rule: has(self.url) != has(self.urlFile)
                        message: a notification has either url or urlFile
            status:
              type: object
              properties:
                observedGeneration: {type: integer}
                phase: {type: string}
                message: {type: string}
                total: {type: integer}
                current: {type: integer}
                pending: {type: integer}
                inWork: {type: integer}
                failed: {type: integer}
                unknown: {type: integer}
                nextTry: {type: string}
                nodeSeconds: {type: number, description: "How long a node has taken of late."}
                rolloutStartedAt: {type: string}
                roundStartedAt: {type: string}
                blockers:
                  type: array
                  items: {type: object, properties: {node: {type: string}, reason: {type: string}}}
                nodes:
                  type: array
                  description: Those that are in work, or failed.
                  items:
                    type: object
                    properties: {name: {type: string}, state: {type: string}, step: {type: string}, since: {type: string}, message: {type: string}}
                forecast:
                  type: object
                  properties:
                    thisWindow: {type: integer, description: "Nodes that go in the window that is open or comes next."}
                    left: {type: integer, description: "Nodes that are left for later windows."}
                    endsAt: {type: string}
                \(conditions)
            """)

    static let maintenanceRun = definition(
        "MaintenanceRun", "maintenanceruns", ["mr"],
        columns: [
            ("Maintenance", "string", ".spec.maintenance"), ("State", "string", ".status.state"), ("Step", "string", ".status.step"),
            ("Message", "string", ".status.message"), ("Began", "date", ".status.startedAt"), ("Changed", "date", ".status.updatedAt"),
        ],
        schema: """
            spec:
              type: object
              description: The run that is, or was last, on the node of the same name. Written ahead of every step, so that the next leader goes on with it.
              required: [maintenance]
              properties:
                maintenance: {type: string}
                operation: {type: string}
                subject: {type: string}
                plan: {type: object, x-kubernetes-preserve-unknown-fields: true}
                settings: {type: object, x-kubernetes-preserve-unknown-fields: true}
            status:
              type: object
              properties:
                state: {type: string}
                step: {type: string, description: "The step that it is at."}
                message: {type: string}
                owner: {type: string, description: "The leader that carries it out."}
                startedAt: {type: string, format: date-time}
                updatedAt: {type: string, format: date-time}
                failed: {type: boolean, description: "Whether it is the node's failure that it stopped."}
                retries: {type: integer}
                steps: {\(steps)}
            """)

    static let nodeAgent = definition(
        "NodeAgent", "nodeagents", ["na"],
        columns: [
            ("Updates", "integer", ".status.updates.pending"), ("Security", "integer", ".status.updates.security"),
            ("Held", "integer", ".status.updates.held"), ("Reboot", "boolean", ".status.rebootRequired"),
            ("Order", "string", ".spec.order.kind"), ("State", "string", ".status.order.state"), ("Reported", "date", ".status.reportedAt"),
            ("Message", "string", ".status.message"),
        ],
        schema: """
            spec:
              type: object
              description: What the controller orders the agent of the node of the same name to do. Only the controller may write it.
              properties:
                order:
                  type: object
                  required: [id, kind]
                  properties:
                    id: {type: string, description: "An order is carried out once."}
                    kind: {type: string, enum: [Update, Command, Reboot]}
                    packages: {type: object, x-kubernetes-preserve-unknown-fields: true}
                    command: {type: array, items: {type: string}}
                    timeoutSeconds: {type: number}
                    notAfter: {type: string, format: date-time, description: "An order that arrives later is refused."}
                    bootID: {type: string, description: "The boot that a reboot is to end."}
                check:
                  type: object
                  required: [id, kind]
                  description: What the host is asked beside its order.
                  properties:
                    id: {type: string}
                    kind: {type: string, enum: [Check]}
                    command: {type: array, items: {type: string}}
                    timeoutSeconds: {type: number}
            status:
              type: object
              description: What the agent says. Only the agent may write it.
              properties:
                agentVersion: {type: string}
                packageManager: {type: string}
                bootID: {type: string}
                reportedAt: {type: string, format: date-time}
                message: {type: string}
                rebootRequired: {type: boolean}
                rebootReasons: {type: array, items: {type: string}}
                updates:
                  type: object
                  properties:
                    pending: {type: integer}
                    security: {type: integer}
                    held: {type: integer}
                    packages:
                      type: array
                      items:
                        type: object
                        properties: {name: {type: string}, from: {type: string}, to: {type: string}, security: {type: boolean}, held: {type: boolean}}
                order: {\(progress)}
                check: {\(progress)}
            """)
}

extension Resource {
    private static func custom(_ plural: String, _ kind: String) -> Resource {
        Resource(group: CustomResources.group, version: CustomResources.version, plural: plural, kind: kind, isNamespaced: false)
    }

    package static let maintenanceWindows = custom("maintenancewindows", "MaintenanceWindow")
    package static let nodeMaintenances = custom("nodemaintenances", "NodeMaintenance")
    package static let maintenanceRuns = custom("maintenanceruns", "MaintenanceRun")
    package static let nodeAgents = custom("nodeagents", "NodeAgent")
    package static let clusterUpgrades = custom("clusterupgrades", "ClusterUpgrade")
}
