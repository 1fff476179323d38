internal import NodeAccess

/// Stops and starts the static pods of a host, in the words of a POSIX shell: a manifest that is taken away ends its pod, and one that is put back starts
/// it. Each script can be run again after it was cut off anywhere.
struct StaticPodScripts {
    /// The folder that the kubelet reads.
    var manifests: String
    /// Where manifests are meanwhile. Not among the others: the kubelet starts whatever is there.
    var kept: String
    /// Of etcd: a host may have more than one.
    var dataDirectory: String

    private func q(_ text: String) -> String { NodeAccess.quoted(text) }
    private func manifest(_ component: Component) -> String { q("\(manifests)/\(component.rawValue).yaml") }
    private func kept(_ component: Component) -> String { q("\(kept)/\(component.rawValue).yaml") }

    /// Defines `pids`, which prints a line with name and process id for each that runs, and `running`, which prints the names alone.
    private func running(_ components: [Component]) -> String {
        """
        pids() {
            for process in /proc/[0-9]*; do
                read -r name <"$process/comm" || continue
                case "$name" in
                \(components.map { component in
                    component == .etcd
                        ? "\(component.processName)) if tr '\\0' '\\n' <\"$process/cmdline\" | grep -qxF -e \(q("--data-dir=\(dataDirectory)")) -e \(q(dataDirectory)); then echo \(component.rawValue) ${process#/proc/}; fi;;"
                        : "\(component.processName)) echo \(component.rawValue) ${process#/proc/};;"
                }.joined(separator: "\n        "))
                esac
            done 2>/dev/null
        }
        running() { pids | cut -d ' ' -f 1; }
        """
    }

    /// Prints which of them run.
    func whichRun(_ components: [Component]) -> String { "\(running(components))\nrunning" }

    /// Prints a line for each that runs: its name, its process, and when that started, seconds since 1970.
    func since(_ components: [Component]) -> String {
        """
        \(running(components))
        hertz=$(getconf CLK_TCK 2>/dev/null || echo 100)
        # From now backwards: the boot time that the kernel tells is off by a second and more.
        now="$(date +%s.%N) $(cut -d ' ' -f 1 /proc/uptime)"
        pids | while read -r name process; do
            ticks=$(sed 's/^.*) //' "/proc/$process/stat" 2>/dev/null | cut -d ' ' -f 20) || continue
            if [ -n "$ticks" ]; then echo "$name $process $(echo "$now $ticks $hertz" | awk '{ printf "%d", $1 - $2 + $3 / $4 }')"; fi
        done
        """
    }

    func isStopped(_ components: [Component]) -> String {
        let gone = components.map { "[ ! -e \(manifest($0)) ]" }.joined(separator: " && ")
        return """
            \(running(components))
            \(gone) && [ -z "$(running)" ]
            """
    }

    func isStarted(_ components: [Component]) -> String {
        let there = components.map { "[ -e \(manifest($0)) ]" }.joined(separator: " && ")
        return """
            \(running(components))
            \(there) && [ "$(running | sort -u | wc -l)" -eq \(components.count) ]
            """
    }

    /// Takes the manifests away, one after the other, and waits until their processes are gone.
    func stop(_ components: [Component], seconds: Int) -> String {
        """
        \(running(components))
        mkdir -p -m 700 \(q(String(kept.prefix(upTo: kept.lastIndex(of: "/") ?? kept.endIndex)))) \(q(kept))
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
    func start(_ components: [Component], seconds: Int) -> String {
        """
        \(running(components))
        mkdir -p \(q(manifests))
        \(components.map { "if [ -e \(kept($0)) ]; then mv \(kept($0)) \(manifest($0)); fi" }.joined(separator: "\n"))
        left=\(seconds)
        while [ "$(running | sort -u | wc -l)" -ne \(components.count) ]; do
            if [ $left -eq 0 ]; then echo "of \(components.map(\.rawValue).joined(separator: ", ")) these run after \(seconds) s: $(running | sort -u | tr '\\n' ' '). Does the kubelet run, and does its log say why?" >&2; exit 1; fi
            left=$((left - 1))
            sleep 1
        done
        """
    }
}
