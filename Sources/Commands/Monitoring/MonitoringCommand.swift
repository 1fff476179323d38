internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Operations

struct MonitoringCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitoring", abstract: "Monitoring as files, for the tools that you run already.", subcommands: [Render.self])

    struct Render: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print alert rules, scrape configuration or a dashboard.",
            discussion: """
                prometheus-operator: a ServiceMonitor and a PrometheusRule. prometheus: a rule file. prometheus-config: a prometheus.yml that \
                scrapes --endpoints and loads the rule file. grafana: a dashboard, of etcd or, with --for control-plane, of HAProxy, the API servers, \
                certificates and the probe.
                """)

        enum Subject: String, ExpressibleByArgument, CaseIterable {
            case etcd, backups
            case controlPlane = "control-plane"
            case all
        }

        enum Format: String, ExpressibleByArgument, CaseIterable {
            case prometheusOperator = "prometheus-operator"
            case prometheus
            case prometheusConfig = "prometheus-config"
            case grafana
        }

        @Option(name: .customLong("for"), help: "What is to be watched.") var subject = Subject.all
        @Option(help: "Whom the file is for.") var format: Format
        @Option(help: "The namespace of the custom resources.") var namespace = "monitoring"
        @Option(help: "The label matcher that finds etcd's servers in Prometheus.") var selector = "job=~\".*etcd.*\""
        @Option(help: "What the runbook links begin with: where you serve docs/runbooks of this project.")
        var runbookUrl = "https://runbooks.example/drydock"
        @Option(help: "How often prometheus-config scrapes and evaluates.") var interval = "30s"
        @Option(help: "The rule file that prometheus-config loads; may be repeated.") var ruleFile: [String] = ["etcd.rules.yml"]
        @OptionGroup(title: "etcd, for prometheus-config") var etcd: EtcdOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() throws {
            // Every part of drydock that watches something adds its group here.
            let groups: [AlertGroup] =
                switch subject {
                case .etcd: [.etcd]
                case .backups: [.backups]
                case .controlPlane: AlertGroup.controlPlane
                case .all: AlertGroup.all
                }
            var files = MonitoringFiles(groups: groups)
            files.selector = selector
            files.namespace = namespace
            files.runbooks = runbookUrl.hasSuffix("/") ? String(runbookUrl.dropLast()) : runbookUrl
            switch format {
            case .prometheusOperator: print(try files.operatorResources(), terminator: "")
            case .prometheus: print(try files.rules(), terminator: "")
            case .prometheusConfig: print(try files.configuration(try scrape()), terminator: "")
            case .grafana: print(try GrafanaDashboard(subject == .controlPlane ? .controlPlane : .etcd, selector: selector).json(), terminator: "")
            }
        }

        private func scrape() throws -> MonitoringFiles.Scrape {
            let configuration = try etcd.configuration()
            let targets = try configuration.endpoints.map { endpoint in
                guard case .host(let host, let port) = endpoint.address else {
                    throw EtcdError(.invalid, "Prometheus cannot scrape the socket \(endpoint). Name members by host and port.")
                }
                return "\(host.contains(":") ? "[\(host)]" : host):\(port)"
            }
            return .init(
                targets: targets, usesTLS: configuration.tls != nil || configuration.endpoints.contains { $0.requiresTLS == true },
                authority: configuration.tls?.authority, certificate: configuration.tls?.certificate, key: configuration.tls?.key, interval: interval,
                ruleFiles: ruleFile)
        }
    }
}
