package import Foundation
internal import Maintenance
internal import ObjectStore

/// A page for the worst day: where this cluster's backups are, what they are worth, and the commands that bring it back.
package struct BackupRunbook: Sendable {
    /// What is known of one location.
    package struct Place: Sendable {
        package var location: String
        var problem: String?
        var newest: StoredBackup?
        var verified: StoredBackup?
        var drill: (backup: StoredBackup, report: BackupDrill.Report)?
        var count = 0
    }

    package var cluster: String
    package var places: [Place]
    /// How the control-plane hosts are reached, as options; empty for the members of the newest backup, by their names.
    package var hostOptions: String
    package var writtenAt: Date
    package var drydock: String

    package init(cluster: String, places: [Place], hostOptions: String, writtenAt: Date, drydock: String) {
        self.cluster = cluster
        self.places = places
        self.hostOptions = hostOptions
        self.writtenAt = writtenAt
        self.drydock = drydock
    }

    /// Reads what a location holds; what cannot be read is said on the page.
    package static func read(_ catalog: BackupCatalog, cluster: String) async -> Place {
        var place = Place(location: catalog.store.location)
        do {
            let backups = try await catalog.list(cluster: cluster).whole
            place.count = backups.count
            place.newest = backups.last
            place.verified = backups.last { $0.verifiedAt != nil }
            place.drill = try await catalog.drills(of: backups).last { $0.report.isProof }
        } catch { place.problem = "\(error)" }
        return place
    }

    package static func unreachable(_ location: String, _ problem: String) -> Place { Place(location: location, problem: problem) }

    // MARK: The page

    private var newest: BackupManifest? {
        places.compactMap(\.newest?.manifest).max { $0.createdAt < $1.createdAt }
    }

    private var hosts: String {
        hostOptions.isEmpty ? (newest?.members ?? []).map { "--host \($0.name)" }.joined(separator: " ") : hostOptions
    }

    private func age(_ date: Date) -> String {
        let seconds = writtenAt.timeIntervalSince(date)
        return seconds < 5400 ? "\(Int(seconds / 60)) min" : seconds < 172_800 ? "\(Int(seconds / 3600)) h" : "\(Int(seconds / 86_400)) days"
    }

    /// Markdown.
    package var text: String {
        let encrypted = newest.map { !$0.recipients.isEmpty } ?? true
        let identity = encrypted ? " --identity IDENTITY" : ""
        let first = places.first?.location ?? "LOCATION"
        let endpoints = newest?.endpoint ?? "https://127.0.0.1:2379"
        let members = newest?.members ?? []
        let member = members.first?.name ?? "MEMBER"
        var page: [String] = [
            "# If \(cluster) is lost", "",
            "Written by drydock \(drydock) on \(writtenAt.formatted(.iso8601)). Write it again after every drill, print it, and keep it where the cluster is not.",
            "", "## What there is", "",
        ]
        for place in places {
            page.append("**\(place.location)**: \(place.count) backups")
            page.append("")
            if let problem = place.problem { page.append("- CANNOT BE READ: \(problem)") }
            if let newest = place.newest {
                page.append(
                    "- newest: `\(newest.id)`, \(age(newest.manifest.createdAt)) old, \(newest.manifest.plainBytes >> 20) MiB, etcd \(newest.manifest.etcdVersion)"
                )
                page.append(
                    newest.manifest.controlPlaneNodes.map { "- it holds the keys, manifests and configuration of \($0.joined(separator: ", "))" }
                        ?? "- it holds etcd alone: the authorities' keys must come from elsewhere")
            }
            page.append(
                place.verified.map { "- newest that was read back: `\($0.id)`" } ?? "- NONE WAS EVER READ BACK: run `drydock backup verify --deep`")
            if let (backup, report) = place.drill {
                page.append("- newest whose restore was rehearsed: `\(backup.id)`, on \(report.drilledAt.formatted(.iso8601))")
                page.append(
                    "- **RTO, measured**: \(Duration.seconds(report.recoverySeconds).text) from the store until etcd served, without what people need"
                )
                page.append("- **RPO**: \(age(backup.manifest.createdAt)), the age of that backup")
            } else {
                page.append("- NO RESTORE WAS EVER REHEARSED: run `drydock backup drill`")
            }
            page.append("")
        }
        page += ["## Who can read them", ""]
        let recipients = newest?.recipients ?? []
        page.append(
            recipients.isEmpty
                ? "Whoever reads the store: they are not encrypted."
                : "Who has the age identity (`AGE-SECRET-KEY-…`) of one of these, in a file called IDENTITY below:")
        page.append("")
        page += recipients.map { "- `\($0)`" }
        if !recipients.isEmpty {
            page += ["", "Without drydock: `age -d -i IDENTITY snapshot.db.zst.age | zstd -d > snapshot.db`", ""]
        }
        func section(_ title: String, _ words: String, _ commands: [String]) {
            page += ["", "## \(title)", "", words, ""] + commands.map { "    \($0)" }
        }
        section(
            "A member is lost, and the others have a quorum",
            "Replace it; nothing is restored. A kubeadm node joins again instead (`kubeadm join --control-plane`), after its member was removed.",
            [
                "drydock etcd health --cluster --endpoints \(endpoints)",
                "drydock etcd member replace \(member) --remove-first --peer-url https://NEW:2380 --dry-run",
                "drydock etcd member replace \(member) --remove-first --peer-url https://NEW:2380",
            ])
        section(
            "The quorum is lost",
            "Start the members that can be started first: with a majority of them nothing is lost. Only when that is impossible, restore all hosts that are left, from the newest backup.",
            [
                "drydock backup status --location \(first)", "drydock backup restore latest --location \(first)\(identity) \(hosts) --dry-run",
                "drydock backup restore latest --location \(first)\(identity) \(hosts)", "drydock runs rollback RUN   # puts the old data back",
            ])
        section(
            "The cluster is lost",
            "Install the hosts anew, with the same names and addresses, the same version of Kubernetes, and the kubelet (no kubeadm init). The backup brings the rest.",
            [
                "drydock backup restore latest --location \(first)\(identity) --files \(hosts) --dry-run",
                "drydock backup restore latest --location \(first)\(identity) --files \(hosts)", "kubectl get nodes",
            ])
        section(
            "A region is lost",
            places.count > 1
                ? "The other location has what was copied there. Look which is the newest, and go on as above with it."
                : "THERE IS ONE LOCATION ONLY. Copy the backups to a second one: `drydock backup copy all --from \(first) --location SECOND`.",
            (places.dropFirst().map { "drydock backup list --location \($0.location)" }
                + places.dropFirst().map { "drydock backup verify latest --deep\(identity) --location \($0.location)" }))
        section(
            "A namespace was deleted",
            "Do not restore the cluster for it. Start the backup beside it, on a host with etcd and kube-apiserver, and take the objects out.",
            [
                "drydock backup fetch latest snapshot.db --location \(first)\(identity)",
                "drydock snapshot restore snapshot.db --name old --data-dir old --initial-cluster old=http://127.0.0.1:12380",
                "etcd --name old --data-dir old --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 &",
                "kube-apiserver --etcd-servers http://127.0.0.1:12379 --secure-port 16443 FLAGS-OF-THE-CLUSTER   # the same authorities and encryption keys",
                "kubectl --server https://127.0.0.1:16443 -n NAMESPACE get all,cm,secret,ingress,pvc -o yaml > namespace.yaml",
                "kubectl apply -f namespace.yaml   # on the living cluster, without status, uid and resourceVersion",
            ])
        section(
            "Certificates have expired", "etcd and the API servers refuse each other; nothing is lost. On each control-plane host:",
            [
                "kubeadm certs check-expiration", "drydock etcd audit --endpoints \(endpoints)", "kubeadm certs renew all",
                "mv /etc/kubernetes/manifests/kube-apiserver.yaml /tmp && sleep 20 && mv /tmp/kube-apiserver.yaml /etc/kubernetes/manifests/",
            ])
        return page.joined(separator: "\n") + "\n"
    }
}
