internal import NodeAccess

/// What a restore does on a host, in the words of a POSIX shell. Each can be run again after it was cut off anywhere.
struct RestoreScripts {
    let paths: RestorePaths

    init(_ paths: RestorePaths) { self.paths = paths }

    private func q(_ text: String) -> String { NodeAccess.quoted(text) }
    private var aside: String { q(paths.aside) }
    private func manifest(_ component: Component) -> String { q("\(paths.manifests)/\(component.rawValue).yaml") }
    private func kept(_ component: Component) -> String { q("\(paths.aside)/pods/\(component.rawValue).yaml") }

    // MARK: Static pods

    /// Prints the names of those that run. A host may have more than one etcd: this one has the data directory.
    private func running(_ components: [Component], _ host: RestoreHost) -> String {
        """
        running() {
            for process in /proc/[0-9]*; do
                read -r name <"$process/comm" || continue
                case "$name" in
                \(components.map { component in
                    component == .etcd
                        ? "\(component.processName)) if tr '\\0' '\\n' <\"$process/cmdline\" | grep -qxF -e \(q("--data-dir=\(host.dataDirectory)")) -e \(q(host.dataDirectory)); then echo \(component.rawValue); fi;;"
                        : "\(component.processName)) echo \(component.rawValue);;"
                }.joined(separator: "\n        "))
                esac
            done 2>/dev/null
        }
        """
    }

    func isStopped(_ components: [Component], _ host: RestoreHost) -> String {
        let gone = components.map { "[ ! -e \(manifest($0)) ]" }.joined(separator: " && ")
        return """
            \(running(components, host))
            \(gone) && [ -z "$(running)" ]
            """
    }

    func isStarted(_ components: [Component], _ host: RestoreHost) -> String {
        let there = components.map { "[ -e \(manifest($0)) ]" }.joined(separator: " && ")
        return """
            \(running(components, host))
            \(there) && [ "$(running | sort -u | wc -l)" -eq \(components.count) ]
            """
    }

    /// Takes the manifests away, one after the other, and waits until their processes are gone.
    func stop(_ components: [Component], _ host: RestoreHost, seconds: Int) -> String {
        """
        \(running(components, host))
        mkdir -p -m 700 \(aside) \(q(paths.aside + "/pods"))
        \(components.map { "if [ -e \(manifest($0)) ]; then mv \(manifest($0)) \(kept($0)); fi" }.joined(separator: "\n"))
        left=\(seconds)
        while [ -n "$(running)" ]; do
            if [ $left -eq 0 ]; then echo "$(running | tr '\\n' ' ')still run after \(seconds) s. Does the kubelet run?" >&2; exit 1; fi
            left=$((left - 1))
            sleep 1
        done
        """
    }

    /// Puts the manifests back, and waits until their processes are there.
    func start(_ components: [Component], _ host: RestoreHost, seconds: Int) -> String {
        """
        \(running(components, host))
        mkdir -p \(q(paths.manifests))
        \(components.map { "if [ -e \(kept($0)) ]; then mv \(kept($0)) \(manifest($0)); fi" }.joined(separator: "\n"))
        left=\(seconds)
        while [ "$(running | sort -u | wc -l)" -ne \(components.count) ]; do
            if [ $left -eq 0 ]; then echo "only $(running | sort -u | tr '\\n' ' ')run after \(seconds) s. Does the kubelet run?" >&2; exit 1; fi
            left=$((left - 1))
            sleep 1
        done
        """
    }

    // MARK: Data

    func swapIn(_ host: RestoreHost) -> String {
        let (member, staged, before) = (q("\(host.dataDirectory)/member"), q(paths.staged(host)), q(paths.before(host)))
        return """
            if [ ! -e \(staged) ]; then echo "\(paths.staged(host)) is not there" >&2; exit 1; fi
            if [ -e \(member) ]; then
                if [ -e \(before) ]; then echo "\(paths.before(host)) is there already: something wrote new data" >&2; exit 1; fi
                mv \(member) \(before)
            fi
            mv \(staged) \(member)
            sync
            """
    }

    func swapOut(_ host: RestoreHost) -> String {
        let (member, staged, before) = (q("\(host.dataDirectory)/member"), q(paths.staged(host)), q(paths.before(host)))
        return """
            if [ ! -e \(staged) ]; then mv \(member) \(staged); fi
            if [ -e \(before) ]; then mv \(before) \(member); fi
            sync
            """
    }

    // MARK: Files

    /// Unpacks standard input beside the manifests that were taken away.
    func unpack(_ folder: String) -> String {
        let target = q("\(paths.aside)/\(folder)")
        // Manifests lose their folders: they are put back by name.
        return folder == "pods"
            ? """
            mkdir -p -m 700 \(aside) \(target)
            scratch=$(mktemp -d \(q(paths.aside + "/pods-XXXXXX")))
            tar -xpf - -C "$scratch"
            find "$scratch" -type f -exec mv {} \(target)/ \\;
            rm -rf "$scratch"
            """
            : """
            mkdir -p -m 700 \(aside) \(target)
            tar -xpf - -C \(target)
            """
    }

    /// The kubelet reads its configuration when it starts.
    private var restartKubelet: String { "if command -v systemctl >/dev/null; then systemctl restart kubelet || :; fi" }

    /// What is replaced is kept, once.
    var placeFiles: String {
        """
        cd \(q(paths.aside + "/files"))
        find . \\( -type f -o -type l \\) | while read -r file; do
            if [ -e "/$file" ] && [ ! -e "\(paths.aside)/replaced/$file" ]; then
                mkdir -p "\(paths.aside)/replaced/$(dirname "$file")"
                cp -a "/$file" "\(paths.aside)/replaced/$file"
            fi
            mkdir -p "/$(dirname "$file")"
            cp -a "$file" "/$file.drydock-new"
            mv "/$file.drydock-new" "/$file"
        done
        sync
        touch \(q(paths.aside + "/files.done"))
        \(restartKubelet)
        """
    }

    var takeFilesBack: String {
        """
        rm -f \(q(paths.aside + "/files.done"))
        cd \(q(paths.aside + "/files"))
        find . \\( -type f -o -type l \\) | while read -r file; do
            if [ -e "\(paths.aside)/replaced/$file" ]; then cp -a "\(paths.aside)/replaced/$file" "/$file"; else rm -f "/$file"; fi
        done
        sync
        cd /
        rm -rf \(q(paths.aside + "/files"))
        \(restartKubelet)
        """
    }
}
