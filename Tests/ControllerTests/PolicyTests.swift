import Foundation
import KubernetesAPI
import Maintenance
import NodeAccess
import Operations
import Testing

@testable import Controller

struct PolicyTests {
    private func policy(_ spec: JSON, windows: [String: JSON] = [:]) throws -> MaintenancePolicy {
        try MaintenancePolicy(["metadata": ["name": "weekly"], "spec": spec], windows: windows)
    }

    @Test func `A NodeMaintenance is read as it is written`() throws {
        let nights: JSON = ["timeZone": "Europe/Berlin", "openings": [["schedule": "0 22 * * *", "duration": "6h"]]]
        let holidays: JSON = [
            "openings": [["schedule": "0 0 * * SAT", "duration": "2h"]], "blackouts": [["from": "2026-12-18", "through": "2027-01-03"]],
        ]
        let read = try policy(
            [
                "nodeSelector": ["matchLabels": ["pool": "a"]], "maxUnavailable": "20%", "windows": ["nights", "holidays"],
                "action": ["osUpdate": ["securityOnly": true, "exclude": ["grub-pc"]]], "reboot": "Never", "soak": "2m", "canaries": 1,
                "drain": ["timeout": "10m", "force": true, "gracePeriodSeconds": 5], "onFailure": ["action": "Retry", "retries": 3],
                "checks": [
                    ["name": "web", "http": ["url": "http://{address}/"], "when": ["After"], "timeout": "5s"], ["name": "disk", "command": ["true"]],
                ],
                "prometheus": ["url": "http://p", "ignoreAlerts": "Watchdog"], "alertmanager": ["url": "http://a"],
                "notifications": [["url": "http://n", "format": "Slack"]], "order": ["zones": "OneAtATime", "priorityLabel": "p"],
                "blockingPods": [["matchLabels": ["never": "true"]]],
            ], windows: ["nights": nights, "holidays": holidays])
        #expect(read.maxUnavailable == .percent(20) && read.soakSeconds == 120 && read.canaries == 1 && read.retries == 3 && read.onFailure == .retry)
        #expect(read.window?.description == "0 22 * * * 6h Europe/Berlin; 0 0 * * SAT 2h UTC; not 2026-12-18..2027-01-03 UTC")
        #expect(read.window?.remaining(at: try Date("2026-12-20T23:00:00Z", strategy: .iso8601)) == nil, "blackouts hold for all windows")
        #expect(read.drain?.options.timeoutSeconds == 600 && read.drain?.gracePeriodSeconds == 5 && read.drain?.options.filters.force == true)
        #expect(read.checks.map(\.moments.count) == [1, 3] && read.checks[0].timeoutSeconds == 5)
        #expect(read.notifications == [.init(url: "http://n", format: .slack)])
        guard case .osUpdate(let choice) = read.action else {
            Issue.record("it is \(read.action)")
            return
        }
        #expect(choice.securityOnly && choice.exclude == ["grub-pc"])
    }

    @Test(
        arguments: [
            (["maxUnavailable": "x"], "spec.maxUnavailable"), (["windows": ["none"]], "no such MaintenanceWindow"),
            (["windows": ["bad"]], "the MaintenanceWindow bad is not valid"), (["soak": "2 minutes"], "spec.soak"), (["soak": "400h"], "spec.soak"),
            (["action": ["osUpdate": .object(JSONObject()), "reboot": .object(JSONObject())]], "one thing is meant"),
            (["action": ["dance": .object(JSONObject())]], "spec.action.dance"),
            (["action": ["command": .object(JSONObject())]], "spec.action.command"),
            (["reboot": "Sometimes"], "spec.reboot is Sometimes, and IfNeeded, Always, Never are known"),
            (["checks": [["name": "x"]]], "spec.checks[0]"),
            (["prometheus": ["url": "http://p", "ignoreAlerts": "("]], "spec.prometheus.ignoreAlerts"),
            (["nodeSelector": ["matchExpressions": [["key": "a", "operator": "Near"]]]], "spec.nodeSelector"),
        ] as [(JSON, String)]) func `What cannot be meant is refused, with the field`(_ spec: JSON, _ words: String)
    {
        let bad: JSON = ["openings": [["schedule": "0 25 * * *", "duration": "6h"]]]
        #expect { try policy(spec, windows: ["bad": bad]) } throws: { "\($0)".contains(words) }
    }

    @Test func `The scenario's environment is a default NodeMaintenance`() throws {
        #expect(try DefaultMaintenance(environment: [:]) == nil)
        let made = try #require(
            try DefaultMaintenance(environment: [
                "MAX_UNAVAILABLE": "20%", "MAINTENANCE_WINDOW": "0 2 * * SAT", "MAINTENANCE_DURATION": "3h", "TZ": "Europe/Berlin",
            ]))
        #expect(made.maxUnavailable == .percent(20))
        let window = try Window(spec: try #require(made.window))
        #expect(window.description == "0 2 * * SAT 3h Europe/Berlin")
        #expect(try DefaultMaintenance(environment: ["MAINTENANCE_WINDOW": "0 2 * * SAT"])?.maxUnavailable == .count(1))
        for (variables, words) in [
            (["MAX_UNAVAILABLE": "many"], "MAX_UNAVAILABLE"), (["MAINTENANCE_WINDOW": "0 2 * * SATURDAY"], "MAINTENANCE_WINDOW"),
            (["MAINTENANCE_WINDOW": "0 2 * * SAT", "TZ": "Mars/Base"], "Mars/Base"),
            (["MAINTENANCE_WINDOW": "0 2 * * SAT", "MAINTENANCE_DURATION": "long"], "long"),
        ] {
            #expect { try DefaultMaintenance(environment: variables) } throws: { "\($0)".contains(words) }
        }
    }
}

struct PackageManagerTests {
    private let host = LinuxHost(access: .host(named: "n1", root: "/"))

    @Test func `What apt would install is read, with what is held and what mends a vulnerability`() {
        let text = """
            == trouble
            E: Failed to fetch http://deb.example.com/x  404
            == holds
            kubelet
            == updates
            NOTE: This is only a simulation!
            Inst libc6:amd64 [2.36-9+deb12u1] (2.36-9+deb12u3 Debian:12.1/stable, Debian-Security:12/stable-security [amd64]) []
            Inst kubelet [1.20.2-00] (1.21.0-00 lab [amd64])
            Inst linux-image-6.1.0-13-amd64 (6.1.55-1 Debian-Security:12/stable-security [amd64])
            Inst tzdata [2023c-5] (2024a-0 Debian:12.4/stable-updates [all])
            Conf tzdata (2024a-0 Debian:12.4/stable-updates [all])
            """
        let (packages, message) = Apt(host: host).read(text)
        #expect(
            packages == [
                .init(name: "libc6:amd64", from: "2.36-9+deb12u1", to: "2.36-9+deb12u3", isSecurity: true),
                .init(name: "kubelet", from: "1.20.2-00", to: "1.21.0-00", isHeld: true), .init(name: "tzdata", from: "2023c-5", to: "2024a-0"),
            ])
        #expect(message == "apt: E: Failed to fetch http://deb.example.com/x  404")
        for line in ["Inst", "Inst a", "Inst a [1]", "Inst a [1] (", "Inst a [1] ()", "Inst a 1 (2)", "Remv a [1]", ""] {
            #expect(Apt.inst(line) == nil)
        }
    }

    @Test func `What dnf lists is read, with versionlock's holds and security`() {
        let text = """
            == updates

            bash.x86_64                5.2.26-3.el9          baseos
            kernel.x86_64              5.14.0-427.el9        baseos
            Obsoleting Packages
            old.x86_64                 1-1                   baseos
            == all
            bash.x86_64                5.2.26-3.el9          baseos
            kernel.x86_64              5.14.0-427.el9        baseos
            kubelet.x86_64             1.30.1-1              kubernetes
            == security
            kernel.x86_64              5.14.0-427.el9        baseos
            == installed
            bash.x86_64 5.1.8-9.el9
            kernel.x86_64 5.14.0-362.el9
            kubelet.x86_64 1.29.0-1
            """
        #expect(
            Dnf(host: host).read(text).0 == [
                .init(name: "bash", from: "5.1.8-9.el9", to: "5.2.26-3.el9"),
                .init(name: "kernel", from: "5.14.0-362.el9", to: "5.14.0-427.el9", isSecurity: true),
                .init(name: "kubelet", from: "1.29.0-1", to: "1.30.1-1", isHeld: true),
            ])
        #expect(Dnf(host: host).read("== trouble\nError: no repositories\n").1 == "dnf: Error: no repositories")
        #expect(Dnf(host: host).read("").0.isEmpty)
    }

    @Test func `What zypper lists is read, with its locks`() {
        let text = """
            == locks

            # | Name    | Type    | Repository
            --+---------+---------+-----------
            1 | kubelet | package | (any)
            == updates
            <?xml version='1.0'?>
            <stream><update-status version="0.6"><update-list>
            <update name="bash" kind="package" edition="5.2-2" arch="x86_64" edition-old="5.2-1" ><summary>x</summary></update>
            <update name="kubelet" kind="package" edition="1.30.1-1" arch="x86_64" edition-old="1.29.0-1" />
            <update name="SUSE-1" kind="patch" edition="1" arch="noarch" />
            """
        #expect(
            Zypper(host: host).read(text).0 == [
                .init(name: "bash", from: "5.2-1", to: "5.2-2"), .init(name: "kubelet", from: "1.29.0-1", to: "1.30.1-1", isHeld: true),
            ])
        #expect(Zypper(host: host).read("== trouble\nno network\n").1 == "zypper: no network")
    }

    @Test func `What belongs to Kubernetes is left alone unless it is asked for`() {
        var choice = PackageChoice()
        #expect(
            !choice.takes("kubelet", isSecurity: true) && !choice.takes("containerd", isSecurity: false) && choice.takes("bash", isSecurity: false))
        choice.includesKubernetes = true
        #expect(choice.takes("kubelet", isSecurity: false))
        choice.securityOnly = true
        choice.exclude = ["bash"]
        #expect(!choice.takes("kubelet", isSecurity: false) && choice.takes("kubelet", isSecurity: true) && !choice.takes("bash", isSecurity: true))
    }
}
