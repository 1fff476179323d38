internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Operations

/// How to reach a Kubernetes cluster: kubectl's flags and KUBECONFIG.
struct KubernetesOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The kubeconfig to use. (KUBECONFIG; default: ~/.kube/config, or the pod's own account)", valueName: "file"))
    var kubeconfig: String?

    @Option(help: "The context of the kubeconfig. (default: its current one)")
    var context: String?

    var access: ClusterAccess {
        get throws { try ClusterAccess.discover(kubeconfig: kubeconfig, context: context, environment: ProcessInfo.processInfo.environment) }
    }

    init() {}

    init(kubeconfig: String?) { (self.kubeconfig, context) = (kubeconfig, nil) }

    /// For who goes on while credentials are replaced.
    var origin: ProbeTarget.Origin {
        ProbeTarget.Origin(files: files) { [kubeconfig, context] in
            try ClusterAccess.discover(kubeconfig: kubeconfig, context: context, environment: ProcessInfo.processInfo.environment)
        }
    }

    /// The files that are read, absolute, so that a run can be resumed from another folder.
    var files: [String] {
        Kubeconfig.paths(explicit: kubeconfig, environment: ProcessInfo.processInfo.environment).map { URL(fileURLWithPath: $0).path }
    }
}
