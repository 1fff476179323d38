package import Foundation

/// A Debian system of its own for as long as a closure runs: this machine's files under an overlay, with apt and dpkg as they are, and one local repository
/// of tiny packages that the caller builds. Takes root.
package struct AptRoot: Sendable {
    package let folder: URL
    package var root: URL { folder.appendingPathComponent("root") }
    private var repository: URL { root.appendingPathComponent("repository") }

    package static let mayRun = getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/apt-get")
    package static let missing = "a system of one's own takes root, and apt"

    package static func running<Result>(_ body: (AptRoot) async throws -> Result) async throws -> Result {
        try await BuiltProgram.withFolder { folder in
            let own = AptRoot(folder: folder)
            let script = """
                cd \(folder.path); mkdir upper work root
                mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
                mount -t proc proc root/proc; mount --bind /dev root/dev
                rm -rf root/etc/apt/sources.list root/etc/apt/sources.list.d root/etc/apt/preferences.d root/var/lib/apt/lists root/run/reboot-required
                mkdir -p root/etc/apt/sources.list.d root/etc/apt/preferences.d root/var/lib/apt/lists root/repository/main root/repository/security
                # What the machine holds back, or has half done, is none of this system's concern.
                chroot root apt-mark showhold | xargs -r chroot root apt-mark unhold >/dev/null
                printf '#!/bin/sh\\nexit 101\\n' >root/usr/sbin/policy-rc.d; chmod 755 root/usr/sbin/policy-rc.d
                for part in main security; do
                    echo "deb [trusted=yes] file:/repository/$part ./" >>root/etc/apt/sources.list
                done
                """
            let result: Swift.Result<Result, any Error>
            do {
                try await own.host(script)
                for isSecurity in [false, true] { try await own.index(isSecurity: isSecurity) }
                result = .success(try await body(own))
            } catch { result = .failure(error) }
            try await own.host("cd \(folder.path); umount root/dev root/proc; umount root || umount -l root")
            return try result.get()
        }
    }

    private func host(_ script: String) async throws {
        let run = try await CommandRun.run("/bin/sh", ["-euc", script])
        guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: run.errors) }
    }

    /// Runs a command in the system.
    @discardableResult
    package func run(_ script: String) async throws -> String {
        let run = try await CommandRun.run(
            "/usr/sbin/chroot", [root.path, "/bin/sh", "-euc", "export DEBIAN_FRONTEND=noninteractive LC_ALL=C; \(script)"])
        guard run.status == 0 else { throw LocalEtcdCluster.Failure(description: "\(script): \(run.errors)\(run.output)") }
        return run.output
    }

    /// Builds a package and offers it.
    /// - Parameters:
    ///   - isSecurity: in the repository that calls itself so.
    ///   - configure: what it does when it is installed, a shell script.
    package func offer(_ name: String, _ version: String, isSecurity: Bool = false, depends: String = "", configure: String = "exit 0") async throws {
        let part = isSecurity ? "security" : "main"
        let place = repository.appendingPathComponent(part).path
        try await host(
            """
            cd \(folder.path); rm -rf build; mkdir -p build/DEBIAN build/usr/share/\(name)
            echo \(version) >build/usr/share/\(name)/version
            cat >build/DEBIAN/control <<'END'
            Package: \(name)
            Version: \(version)
            Architecture: all
            Maintainer: nobody <nobody@example.com>
            \(depends.isEmpty ? "" : "Depends: \(depends)\n")Description: a package of a test
            END
            cat >build/DEBIAN/postinst <<'END'
            #!/bin/sh
            \(configure)
            END
            chmod 755 build build/DEBIAN build/DEBIAN/postinst
            dpkg-deb --root-owner-group -b build \(place)/\(name)_\(version)_all.deb >/dev/null
            """)
        try await index(isSecurity: isSecurity)
    }

    /// Writes the repository's index.
    private func index(isSecurity: Bool) async throws {
        try await host(
            """
            cd \(repository.appendingPathComponent(isSecurity ? "security" : "main").path)
            for file in *.deb; do
                [ -e "$file" ] || continue
                dpkg-deb -f $file | grep -v '^$'
                echo "Filename: ./$file"; echo "Size: $(stat -c %s $file)"; echo "SHA256: $(sha256sum $file | cut -d' ' -f1)"; echo
            done >Packages
            cat >Release <<END
            Origin: Debian
            Label: Debian\(isSecurity ? "-Security" : "")
            Suite: stable\(isSecurity ? "-security" : "")
            Codename: bookworm
            Date: $(date -Ru)
            SHA256:
             $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages
            END
            """)
    }

    /// `NAME VERSION` of packages that are installed whole; `NAME -` for others.
    package func versions(_ names: String...) async throws -> [String] {
        var versions: [String] = []
        for name in names {
            let text = try await run("dpkg-query -W -f '${db:Status-Status} ${Version}' \(name) 2>/dev/null || :")
            versions.append("\(name) \(text.hasPrefix("installed ") ? String(text.dropFirst("installed ".count)) : "-")")
        }
        return versions
    }
}
