internal import Foundation
internal import NodeAccess
internal import ObjectStore

/// A file that is to be another one.
enum FileChange: Sendable, Equatable {
    /// - Parameter keepsTime: whether who has read the old one need not read it again.
    case write(path: String, bytes: [UInt8], keepsTime: Bool)
    case link(path: String, target: String)
    case remove(path: String)

    var path: String {
        switch self {
        case .write(let path, _, _), .link(let path, _), .remove(let path): path
        }
    }
}

/// Replaces files on a node, each in one step, with the modes and the owners of those that were there.
struct FileChanges {
    /// A folder of the run, beside what is changed.
    let aside: String

    private var staging: String { "\(aside)/new" }
    private func q(_ path: String) -> String { NodeAccess.quoted(path) }

    /// Files of kubeadm's are renamed into place: the kubelet reads whatever lies in its folder of manifests, so nothing may be made there. Those elsewhere may
    /// be on another disk.
    private var place: String {
        """
        place() {
            case "$2" in
            \(q((aside as NSString).deletingLastPathComponent))/*) mv -f "$1" "$2";;
            *) cp -a "$1" "$2.drydock-part"; mv -f "$2.drydock-part" "$2";;
            esac
        }
        """
    }

    /// - Parameters:
    ///   - copies: where what is there is copied first, below the folder of the run, once; nil where that was done already.
    ///   - files: what the node has.
    func write(_ changes: [FileChange], keeping copies: String? = nil, like files: NodeFiles, to access: NodeAccess) async throws {
        var archive: [UInt8] = []
        var moves: [String] = []
        for (index, change) in changes.enumerated() {
            let staged = q("\(staging)/\(index)")
            switch change {
            case .write(let path, let bytes, let keepsTime):
                let like = files.file(path)?.entry
                let entry = TarEntry(
                    path: "\(index)", kind: .file(size: UInt64(bytes.count)), mode: like?.mode ?? (path.hasSuffix(".crt") ? 0o644 : 0o600),
                    modified: like?.modified ?? 0, user: like?.user ?? 0, group: like?.group ?? 0)
                archive += try TarWriter.header(entry) + bytes + TarWriter.padding(after: entry.size)
                // By the node's own clock, which is also that of its processes.
                if !keepsTime || like == nil { moves.append("touch \(staged)") }
                moves.append("place \(staged) \(q(path))")
            case .link(let path, let target): moves.append("ln -s \(q(target)) \(staged); place \(staged) \(q(path))")
            case .remove(let path): moves.append("rm -f \(q(path))")
            }
        }
        _ = try await access.text(
            """
            umask 077
            \(place)
            \(copies.map { keep(changes.map(\.path), in: "\(aside)/\($0)") } ?? "")
            rm -rf \(q(staging))
            mkdir -p \(q(staging))
            tar -xpf - -C \(q(staging))
            sync
            \(moves.joined(separator: "\n"))
            sync
            rm -rf \(q(staging))
            """, input: archive + TarWriter.end)
    }

    /// All of them, before any is replaced; an attempt that was cut off later has done so already.
    func keep(_ paths: [String], in copies: String) -> String {
        """
        if [ ! -e \(q("\(copies).done")) ]; then
            rm -rf \(q(copies))
            mkdir -p \(q(copies))
            : >\(q("\(copies).absent"))
            for path in \(paths.map(q).joined(separator: " ")); do
                if [ -e "$path" ] || [ -L "$path" ]; then
                    mkdir -p \(q(copies))"$(dirname "$path")"
                    cp -a "$path" \(q(copies))"$path"
                else
                    printf '%s\\n' "$path" >>\(q("\(copies).absent"))
                fi
            done
            sync
            touch \(q("\(copies).done"))
        fi
        """
    }

    /// Whether anything was copied.
    func hasCopies(_ copies: String, on access: NodeAccess) async throws -> Bool {
        try await access.text("if [ -e \(q("\(aside)/\(copies).done")) ]; then echo yes; fi").hasPrefix("yes")
    }

    func putBack(_ copies: String, on access: NodeAccess) async throws {
        let copies = "\(aside)/\(copies)"
        _ = try await access.text(
            """
            umask 077
            \(place)
            rm -rf \(q(staging))
            mkdir -p \(q(staging))
            cd \(q(copies))
            find . \\( -type f -o -type l \\) | while read -r file; do
                cp -a "$file" \(q(staging))/file
                # Who has read the others has to read these: their time says so.
                touch -h \(q(staging))/file
                place \(q(staging))/file "/${file#./}"
            done
            while read -r path; do rm -f "$path"; done <\(q("\(copies).absent"))
            sync
            mv \(q("\(copies).done")) \(q("\(copies).undone"))
            rm -rf \(q(staging))
            """)
    }
}
