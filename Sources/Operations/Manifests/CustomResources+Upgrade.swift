extension CustomResources {
    static let clusterUpgrade = definition(
        "ClusterUpgrade", "clusterupgrades", ["cu"],
        columns: [
            ("Version", "string", ".spec.version"), ("State", "string", ".status.state"), ("Steps", "string", ".status.progress"),
            ("Step", "string", ".status.step"), ("Message", "string", ".status.message"), ("Age", "date", ".metadata.creationTimestamp"),
        ],
        schema: """
            spec:
              type: object
              description: What version the cluster is to have, and how it gets there. One is carried out at a time, and no NodeMaintenance meanwhile.
              required: [version]
              x-kubernetes-validations:
                - rule: has(self.backup) != (has(self.noBackup) && self.noBackup)
                  message: an upgrade has either a backup or noBackup
              properties:
                version: {type: string, pattern: '^v?1\\.[0-9]{1,3}\\.[0-9]{1,3}$', maxLength: 16}
                via: {type: array, maxItems: 32, items: {type: string, maxLength: 16}, description: "Patches of minors on the way. The newest in the repositories when left out."}
                paused: {type: boolean, default: false, description: "Stop when the node that is in work is done; begin nothing."}
                rollBack: {type: boolean, default: false, description: "Take the upgrade back, node by node; etcd's data stays as it is."}
                windows: {type: array, maxItems: 16, items: {type: string}, description: "Names of MaintenanceWindows. Any time when it is left out."}
                maxUnavailable:
                  x-kubernetes-int-or-string: true
                  default: 1
                  description: How many nodes of the cluster may be away at once. Control planes go one at a time.
                canaries: {type: integer, minimum: 0, default: 1, description: "How many workers go first, one after the other."}
                soak: {\(duration), default: 0s, description: "How long to watch after the canaries."}
                drain:
                  type: object
                  default: {}
                  properties:
                    timeout: {\(duration)}
                    gracePeriodSeconds: {type: integer, minimum: 0}
                    force: {type: boolean, default: false, description: "Also pods that no controller makes anew."}
                    deleteEmptyDirData: {type: boolean, default: false}
                stepTimeout: {\(duration), default: 10m, description: "How long a component may take to be ready, and kubeadm for a node."}
                lockTimeout: {\(duration), default: 5m, description: "How long another package manager on a node is waited for."}
                ignorePreflightErrors: {type: string, maxLength: 1024, description: "For kubeadm."}
                waive: {type: array, maxItems: 32, items: {type: string}, description: "Names of checks that do not forbid it."}
                backup:
                  type: object
                  required: [locations, cluster]
                  properties:
                    locations: {type: array, minItems: 1, maxItems: 8, items: {type: string}, description: "s3://BUCKET/PREFIX, or a folder of the controller's pod."}
                    cluster: {type: string, maxLength: 63, description: "What it is called there."}
                    recipients: {type: array, maxItems: 16, items: {type: string}, description: "age1… of who can read it."}
                    identityFiles: {type: array, maxItems: 4, items: {type: string}, description: "Files of the controller's pod, to see that it can be read."}
                    acceptPlainKeys: {type: boolean, default: false}
                noBackup: {type: boolean, default: false, description: "There is no way back for etcd's data."}
            status:
              type: object
              properties:
                observedGeneration: {type: integer, description: "Of the spec that was planned, or refused, last."}
                state: {type: string}
                progress: {type: string, description: "Steps that are over, of all."}
                step: {type: string, description: "The step that it is at."}
                message: {type: string}
                owner: {type: string, description: "The leader that carries it out."}
                startedAt: {type: string, format: date-time}
                updatedAt: {type: string, format: date-time}
                failed: {type: boolean, description: "Whether a person has to look at it: the annotation drydock.dev/resume lets it go on."}
                retries: {type: integer}
                operation: {type: string}
                subject: {type: string}
                plan: {type: object, x-kubernetes-preserve-unknown-fields: true}
                settings: {type: object, x-kubernetes-preserve-unknown-fields: true}
                steps: {\(steps)}
            """)
}
