internal import NodeAccess

/// What a restore does on a host, in the words of a POSIX shell. Each can be run again after it was cut off anywhere.
struct RestoreScripts {
    let paths: RestorePaths

    init(_ paths: RestorePaths) { self.paths = paths }

    private func q(_ text: String) -> String { NodeAccess.quoted(text) }
    private var aside: String { q(paths.aside) }

    // MARK: Data

    func swapIn(_ host: ControlPlaneHost) -> String {
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

    /// What the restored members have taken meanwhile is kept, too.
    func swapOut(_ host: ControlPlaneHost) -> String {
        let (member, staged) = (q("\(host.dataDirectory)/member"), q(paths.staged(host)))
        let (before, after) = (q(paths.before(host)), q(paths.after(host)))
        return """
            if [ ! -e \(staged) ] && [ ! -e \(after) ] && [ -e \(member) ]; then mv \(member) \(after); fi
            if [ -e \(before) ]; then mv \(before) \(member); fi
            sync
            """
    }

    func isSwappedOut(_ host: ControlPlaneHost) -> String {
        "[ ! -e \(q(paths.before(host))) ] && { [ -e \(q(paths.staged(host))) ] || [ -e \(q(paths.after(host))) ]; }"
    }

    // MARK: Files
    //
    // aside/pods           manifests that are not in force; what starts a component takes them from here
    // aside/pods-before    those of the host, when the backup's are in pods
    // aside/files          the backup's files, as they are to be
    // aside/replaced       the host's own, of the same names; absent lists those that it did not have
    // aside/kept.done      replaced and absent are whole: from here on files may be changed

    private func inAside(_ name: String) -> String { q("\(paths.aside)/\(name)") }

    /// Puts the backup's manifests, from standard input, where a component is started from. The host's own are kept, and those that the backup lacks stay.
    var replacePods: String {
        """
        mkdir -p -m 700 \(aside)
        if [ ! -e \(inAside("pods-before")) ]; then
            mkdir -p \(inAside("pods"))
            mv \(inAside("pods")) \(inAside("pods-before"))
        fi
        rm -rf \(inAside("unpacked")) \(inAside("pods"))
        mkdir \(inAside("unpacked")) \(inAside("pods"))
        tar -xpf - -C \(inAside("unpacked"))
        find \(inAside("pods-before")) -type f -exec cp -a {} \(inAside("pods"))/ \\;
        find \(inAside("unpacked")) -type f -exec cp -a {} \(inAside("pods"))/ \\;
        rm -rf \(inAside("unpacked"))
        """
    }

    /// Unpacks the backup's files, from standard input.
    var unpackFiles: String {
        """
        rm -rf \(inAside("files.part"))
        mkdir -m 700 \(inAside("files.part"))
        tar -xpf - -C \(inAside("files.part"))
        if [ ! -e \(inAside("files")) ]; then mv \(inAside("files.part")) \(inAside("files")); else rm -rf \(inAside("files.part")); fi
        """
    }

    /// The kubelet reads its configuration when it starts.
    private var restartKubelet: String { "if command -v systemctl >/dev/null; then systemctl restart kubelet || :; fi" }

    /// A file appears whole, or not at all. A folder in its place is somebody's mistake.
    private let put = """
        put() {
            if [ -d "$2" ] && [ ! -L "$2" ]; then echo "$2 is a folder, and the backup has a file of that name" >&2; exit 1; fi
            mkdir -p "$(dirname "$2")"
            cp -a "$1" "$2.drydock-new"
            mv -f "$2.drydock-new" "$2"
        }
        """

    /// First what is there is written down and kept, all of it; then it is replaced.
    var placeFiles: String {
        """
        \(put)
        cd \(inAside("files"))
        if [ ! -e \(inAside("kept.done")) ]; then
            rm -rf \(inAside("replaced"))
            mkdir \(inAside("replaced"))
            : >\(inAside("absent"))
            find . \\( -type f -o -type l \\) | while read -r file; do
                if [ -e "/$file" ] || [ -L "/$file" ]; then
                    mkdir -p \(inAside("replaced"))"/$(dirname "$file")"
                    cp -a "/$file" \(inAside("replaced"))"/$file"
                else
                    printf '%s\\n' "$file" >>\(inAside("absent"))
                fi
            done
            sync
            touch \(inAside("kept.done"))
        fi
        find . \\( -type f -o -type l \\) | while read -r file; do put "$file" "/$file"; done
        sync
        \(restartKubelet)
        touch \(inAside("files.done"))
        """
    }

    var takeFilesBack: String {
        """
        \(put)
        rm -f \(inAside("files.done"))
        if [ -e \(inAside("kept.done")) ]; then
            cd \(inAside("replaced"))
            find . \\( -type f -o -type l \\) | while read -r file; do put "$file" "/$file"; done
            while read -r file; do rm -f "/$file" "/$file.drydock-new"; done <\(inAside("absent"))
            sync
            \(restartKubelet)
        fi
        cd /
        if [ -e \(inAside("pods-before")) ]; then
            rm -rf \(inAside("pods"))
            mv \(inAside("pods-before")) \(inAside("pods"))
        fi
        rm -rf \(inAside("files"))
        """
    }

    var areFilesBack: String { "[ ! -e \(inAside("files")) ] && [ ! -e \(inAside("pods-before")) ]" }
}
