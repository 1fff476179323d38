internal import Foundation
package import Maintenance
internal import NodeAccess

/// Installs Kubernetes' packages on a node, in the words of its package manager. What was held stays held; nothing else is touched.
package struct NodePackages: Codable, Sendable, Equatable {
    package enum Manager: String, Codable, Sendable {
        case apt, dnf, zypper
    }

    package var manager: Manager
    /// Of Kubernetes' packages, those that the administrators hold (apt-mark hold, dnf versionlock, zypper locks).
    package var held: [String]

    package init(manager: Manager, held: [String]) {
        (self.manager, self.held) = (manager, held)
    }

    /// Kubernetes' packages of a node, in the order in which they are looked at.
    package static let names = ["kubeadm", "kubelet", "kubectl"]

    private static let aptOptions =
        "-q -y -o DPkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"

    /// The line of pkgs.k8s.io, which has a repository for each minor, made that of another minor.
    /// https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/change-package-repository/
    private func repointing(_ version: KubernetesVersion) -> String {
        let files: String
        switch manager {
        case .apt: files = "/etc/apt/sources.list /etc/apt/sources.list.d/*"
        case .dnf: files = "/etc/yum.repos.d/*.repo"
        case .zypper: files = "/etc/zypp/repos.d/*.repo"
        }
        return """
            for file in \(files); do
                case "$file" in *.drydock-part) continue;; esac
                if [ -f "$file" ] && grep -q '/core:/stable:/v[0-9]*\\.[0-9]*/' "$file"; then
                    sed 's#/core:/stable:/v[0-9]*\\.[0-9]*/#/core:/stable:/v\(version.major).\(version.minor)/#' "$file" >"$file.drydock-part"
                    if cmp -s "$file" "$file.drydock-part"; then rm "$file.drydock-part"; else chmod --reference="$file" "$file.drydock-part"; mv "$file.drydock-part" "$file"; echo "$file is of v\(version.major).\(version.minor) now"; fi
                fi
            done
            """
    }

    /// Defines `find NAME`, which prints the newest package of a version as the repositories have it, or nothing.
    private func finding(_ version: KubernetesVersion) -> String {
        let number = "\(version.major)\\.\(version.minor)\\.\(version.patch)"
        switch manager {
        case .apt: return "find() { apt-cache madison \"$1\" | cut -d '|' -f 2 | tr -d ' ' | grep -E '^\(number)(-|$)' | head -n 1; }"
        case .dnf:
            return
                "find() { dnf -q --disableexcludes=all --showduplicates list \"$1\" 2>/dev/null | awk '{ print $2 }' | sed 's/^[0-9]*://' | grep -E '^\(number)-' | tail -n 1; }"
        case .zypper:
            return
                "find() { zypper -q search -s -x \"$1\" 2>/dev/null | awk -F '|' '{ gsub(/ /, \"\", $4); print $4 }' | grep -E '^\(number)-' | tail -n 1; }"
        }
    }

    /// Prints the versions of kubeadm that the repositories have, one a line.
    static func available(_ manager: Manager) -> String {
        switch manager {
        case .apt: "apt-cache madison kubeadm 2>/dev/null | cut -d '|' -f 2 | tr -d ' '"
        case .dnf: "dnf -q -C --disableexcludes=all --showduplicates list kubeadm 2>/dev/null | awk '{ print $2 }' | sed 's/^[0-9]*://'"
        case .zypper: "zypper -q --no-refresh search -s -x kubeadm 2>/dev/null | awk -F '|' '{ gsub(/ /, \"\", $4); print $4 }'"
        }
    }

    /// Installs packages at a version, older or newer, and holds again what is to be held.
    /// - Parameter lockSeconds: how long another package manager is waited for.
    func install(_ names: [String], _ version: KubernetesVersion, lockSeconds: Int) -> String {
        let choosing = """
            chosen=
            for name in \(names.joined(separator: " ")); do
                found=$(find "$name")
                [ -n "$found" ] || { echo "no repository has $name \(version)" >&2; exit 4; }
                chosen="$chosen $name\(manager == .dnf ? "-" : "=")$found"
            done
            """
        let rest: String
        switch manager {
        case .apt:
            let lock = "-o DPkg::Lock::Timeout=\(lockSeconds)"
            rest = """
                export DEBIAN_FRONTEND=noninteractive
                dpkg --configure -a --force-confdef --force-confold || :
                apt-get \(lock) -q update || echo "warning: apt-get update failed; what is known already is used" >&2
                \(choosing)
                apt-get \(lock) \(Self.aptOptions) --allow-downgrades --allow-change-held-packages --no-install-recommends install $chosen
                """
        case .dnf:
            rest = """
                \(choosing)
                for name in \(held.joined(separator: " ")); do dnf -q versionlock delete "$name" || :; done
                dnf -y --disableexcludes=all install $chosen || dnf -y --disableexcludes=all downgrade $chosen
                """
        case .zypper:
            rest = """
                export ZYPP_LOCK_TIMEOUT=\(lockSeconds)
                zypper -q -n refresh || echo "warning: zypper refresh failed; what is known already is used" >&2
                \(choosing)
                for name in \(held.joined(separator: " ")); do zypper -q -n removelock "$name" || :; done
                zypper -n install --oldpackage --no-recommends $chosen
                """
        }
        // Also when the installation fails in the middle.
        let trap = holding.isEmpty ? "" : "trap '\(holding) || :' EXIT"
        return [trap, repointing(version), finding(version), rest, holding].joined(separator: "\n")
    }

    /// Holds what was held, whatever an installation made of it.
    private var holding: String {
        guard !held.isEmpty else { return "" }
        let names = held.joined(separator: " ")
        switch manager {
        case .apt: return "apt-mark hold \(names)"
        case .dnf: return "for name in \(names); do dnf -q versionlock add \"$name\"; done"
        case .zypper: return "zypper -q -n addlock \(names)"
        }
    }

    /// Prints `NAME VERSION` for each of Kubernetes' packages that is installed, and `held NAME` for each that is held.
    static func installed(_ manager: Manager) -> String {
        switch manager {
        case .apt:
            """
            dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' \(names.joined(separator: " ")) 2>/dev/null | sed -n 's/^installed //p' || :
            apt-mark showhold | grep -xE '\(names.joined(separator: "|"))' | sed 's/^/held /' || :
            """
        case .dnf:
            """
            rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\\n' \(names.joined(separator: " ")) 2>/dev/null | grep -v 'not installed' || :
            dnf -q versionlock list 2>/dev/null | sed -n 's/^\\(\(names.joined(separator: "\\|"))\\)-[0-9].*/held \\1/p' | sort -u || :
            """
        case .zypper:
            """
            rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\\n' \(names.joined(separator: " ")) 2>/dev/null | grep -v 'not installed' || :
            zypper -q locks 2>/dev/null | awk -F '|' '{ gsub(/ /, "", $2); print $2 }' | grep -xE '\(names.joined(separator: "|"))' | sed 's/^/held /' || :
            """
        }
    }
}

/// What is installed of Kubernetes on a node.
package struct InstalledPackages: Codable, Sendable, Equatable {
    /// As the package manager writes them, by name.
    package var versions: [String: String] = [:]
    package var held: [String] = []

    package init(versions: [String: String], held: [String]) { (self.versions, self.held) = (versions, held) }

    /// From what `NodePackages.installed` prints.
    init(parsing text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 2 else { continue }
            if words[0] == "held" { held.append(words[1]) } else { versions[words[0]] = words[1] }
        }
    }

    /// Without the package's own revision.
    package func version(_ name: String) -> KubernetesVersion? {
        versions[name].flatMap { KubernetesVersion($0.prefix { $0 != "-" }) }
    }
}
