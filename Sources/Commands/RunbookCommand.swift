internal import ArgumentParser
internal import Foundation
internal import NodeAccess
internal import ObjectStore
internal import Operations

struct RunbookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runbook", abstract: "Write the page for the worst day: where the backups are, what they are worth, and every command.",
        discussion: "Markdown, on standard output or into a file. Locations that cannot be read are said so on the page. No secret is on it.")

    @OptionGroup var place: BackupPlace
    @OptionGroup var cluster: ClusterNameOption
    @OptionGroup(title: "Hosts") var hosts: HostOptions
    @Option(help: ArgumentHelp("Where it goes. (default: standard output)", valueName: "file")) var to: String?
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        _ = try hosts.nodes()
        var words = hosts.hosts.flatMap { ["--host", $0] }
        if let config = hosts.sshConfig { words += ["--ssh-config", config] }
        if hosts.sudo { words.append("--sudo") }
        var places: [BackupRunbook.Place] = []
        for location in try place.locations() {
            do {
                places.append(try await BackupPlace.open([location], []) { await BackupRunbook.read(BackupCatalog($0[0]), cluster: cluster.name) })
            } catch { places.append(BackupRunbook.unreachable(location, "\(error)")) }
        }
        let page = BackupRunbook(
            cluster: cluster.name, places: places, hostOptions: words.map(NodeAccess.quoted).joined(separator: " "), writtenAt: Date(),
            drydock: Version.current
        ).text
        guard let to else {
            print(page, terminator: "")
            return
        }
        try Data(page.utf8).write(to: URL(fileURLWithPath: to), options: .atomic)
    }
}
