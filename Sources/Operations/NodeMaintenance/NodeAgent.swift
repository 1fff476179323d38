package import Foundation
package import KubernetesAPI
package import Maintenance

/// What the controller and the agent of a node tell each other: the custom resource NodeAgent, of the node's name. The controller writes its spec, the
/// agent its status.
package struct NodeAgent: KubernetesObject {
    package static let resource = Resource.nodeAgents
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    package var order: Order? { Order(json["spec"]["order"]) }
    package var report: Report? { Report(json["status"]) }
    package var progress: Progress? { Progress(json["status"]["order"]) }
    /// An agent that has not reported for so long is taken for lost, seconds.
    package static let staleSeconds = 4 * 3600.0

    /// What the host is asked beside its order; it takes no order's place.
    package var check: Order? { Order(json["spec"]["check"]) }
    package var answer: Progress? { Progress(json["status"]["check"]) }

    /// Something that the agent is to do, once.
    package struct Order: Sendable, Equatable, Codable {
        package enum Kind: String, Sendable, Equatable, Codable {
            /// Apply updates of the package manager.
            case update = "Update"
            case command = "Command"
            case reboot = "Reboot"
            /// A command that only looks.
            case check = "Check"
        }

        package var id: String
        package var kind: Kind
        package var packages: PackageChoice?
        package var command: [String]
        package var timeoutSeconds: Double
        /// It is not begun later than this; nil for any time.
        package var notAfter: Date?
        /// Of a reboot: the boot that is to end. A host that is in another has done it.
        package var bootID: String?

        package init(
            id: String, kind: Kind, packages: PackageChoice? = nil, command: [String] = [], timeoutSeconds: Double, notAfter: Date? = nil
        ) {
            self.id = id
            self.kind = kind
            self.packages = packages
            self.command = command
            self.timeoutSeconds = timeoutSeconds
            self.notAfter = notAfter
        }

        init?(_ json: JSON) {
            guard let id = json["id"].string, let kind = json["kind"].string.flatMap(Kind.init) else { return nil }
            let seconds = json["timeoutSeconds"].integer.map(Double.init) ?? 1800
            self.init(
                id: id, kind: kind, command: json["command"].elements.compactMap(\.string), timeoutSeconds: seconds,
                notAfter: Timestamp.date(json["notAfter"].string))
            bootID = json["bootID"].string
            if json["packages"].object != nil { packages = PackageChoice(json["packages"]) }
        }

        /// As a merge patch has it, in which null takes away what an earlier order said.
        package var json: JSON {
            [
                "id": .string(id), "kind": .string(kind.rawValue), "timeoutSeconds": JSON(timeoutSeconds.wholeSeconds),
                "command": command.isEmpty ? .null : .array(command.map { .string($0) }), "notAfter": JSON(notAfter.map(Timestamp.time)),
                "packages": packages?.json ?? .null, "bootID": JSON(bootID),
            ]
        }
    }

    /// How far the agent is with an order.
    package struct Progress: Sendable, Equatable {
        package enum State: String, Sendable, Equatable {
            case running = "Running"
            case done = "Done"
            case failed = "Failed"
            /// Not begun, for a reason.
            case refused = "Refused"
        }

        package var id: String
        package var state: State
        package var startedAt: Date
        package var message: String

        package init(id: String, state: State, startedAt: Date, message: String = "") {
            self.id = id
            self.state = state
            self.startedAt = startedAt
            self.message = message
        }

        init?(_ json: JSON) {
            guard let id = json["id"].string, let state = json["state"].string.flatMap(State.init) else { return nil }
            self.init(
                id: id, state: state, startedAt: Timestamp.date(json["startedAt"].string) ?? .distantPast, message: json["message"].string ?? "")
        }

        package func json(at now: Date) -> JSON {
            [
                "id": .string(id), "state": .string(state.rawValue), "startedAt": .string(Timestamp.time(startedAt)),
                "endedAt": state == .running ? .null : .string(Timestamp.time(now)), "message": JSON(nonEmpty: message),
            ]
        }
    }

    /// What a node's package manager has to offer, and whether the host has to boot anew.
    package struct Report: Sendable, Equatable {
        package struct Package: Sendable, Equatable {
            package var name: String
            package var from: String
            package var to: String
            package var isSecurity: Bool
            package var isHeld: Bool

            package init(name: String, from: String, to: String, isSecurity: Bool = false, isHeld: Bool = false) {
                self.name = name
                self.from = from
                self.to = to
                self.isSecurity = isSecurity
                self.isHeld = isHeld
            }
        }

        package var packages: [Package] = []
        package var rebootReasons: [String] = []
        package var rebootRequired = false
        package var bootID = ""
        package var packageManager: String?
        /// What is wrong with the agent or the package manager.
        package var message: String?
        package var reportedAt: Date

        package init(reportedAt: Date) { self.reportedAt = reportedAt }

        init?(_ status: JSON) {
            guard let at = Timestamp.date(status["reportedAt"].string) else { return nil }
            self.init(reportedAt: at)
            packages = status["updates"]["packages"].elements.map {
                Package(
                    name: $0["name"].string ?? "", from: $0["from"].string ?? "", to: $0["to"].string ?? "",
                    isSecurity: $0["security"].bool ?? false, isHeld: $0["held"].bool ?? false)
            }
            rebootReasons = status["rebootReasons"].elements.compactMap(\.string)
            rebootRequired = status["rebootRequired"].bool ?? false
            bootID = status["bootID"].string ?? ""
            packageManager = status["packageManager"].string
            message = status["message"].string
        }

        /// More packages than this are counted, and not named.
        static let mostPackages = 500

        package func json(version: String) -> JSON {
            [
                "agentVersion": .string(version), "bootID": JSON(nonEmpty: bootID), "packageManager": JSON(packageManager),
                "message": JSON(nonEmpty: message ?? ""),
                "reportedAt": .string(Timestamp.time(reportedAt)), "rebootRequired": .bool(rebootRequired),
                "rebootReasons": .array(rebootReasons.prefix(20).map { .string($0) }),
                "updates": [
                    "pending": JSON(packages.count { !$0.isHeld }), "security": JSON(packages.count { $0.isSecurity && !$0.isHeld }),
                    "held": JSON(packages.count(where: \.isHeld)),
                    "packages": .array(
                        (packages.filter(\.isSecurity) + packages.filter { !$0.isSecurity }).prefix(Self.mostPackages).map {
                            ([
                                "name": .string($0.name), "from": .string($0.from), "to": .string($0.to), "security": .bool($0.isSecurity),
                                "held": .bool($0.isHeld),
                            ] as JSON).withoutNulls
                        }),
                ],
            ]
        }

        /// What is to be updated, as a policy chooses.
        package func updates(_ choice: PackageChoice) -> [Package] { packages.filter { choice.takes($0) } }
    }
}

extension Node {
    /// When each NodeMaintenance was done with the node, by name.
    var maintained: [String: String] { (annotations[Annotations.maintained].flatMap { try? JSON(parsing: $0) } ?? .null).strings }
}

extension PackageChoice {
    /// Of the spec of a NodeMaintenance, or of an order.
    init(_ json: JSON) {
        self.init()
        securityOnly = json["securityOnly"].bool ?? false
        includesKubernetes = json["includeKubernetes"].bool ?? false
        exclude = json["exclude"].elements.compactMap(\.string)
    }

    /// Whether a package is to be updated.
    package func takes(_ package: NodeAgent.Report.Package) -> Bool { !package.isHeld && takes(package.name, isSecurity: package.isSecurity) }

    var json: JSON {
        [
            "securityOnly": .bool(securityOnly), "includeKubernetes": .bool(includesKubernetes), "exclude": .array(exclude.map { .string($0) }),
        ]
    }
}
