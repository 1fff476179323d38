internal import ArgumentParser
internal import Etcd
internal import Foundation

/// How to reach etcd: etcdctl's flags and, where a flag is missing, etcdctl's variables.
struct EtcdOptions: ParsableArguments {
    @Option(help: "Members to ask, separated by commas. (ETCDCTL_ENDPOINTS; default: 127.0.0.1:2379)")
    var endpoints: String?

    @Option(help: "PEM file of the authority that signed the servers' certificates. (ETCDCTL_CACERT)")
    var cacert: String?

    @Option(help: "PEM file of the client's certificate. (ETCDCTL_CERT)")
    var cert: String?

    @Option(help: "PEM file of the client's key. (ETCDCTL_KEY)")
    var key: String?

    @Option(help: "NAME, or NAME:PASSWORD as etcdctl takes it; better give the password by variable. (ETCDCTL_USER)")
    var user: String?

    @Option(help: "The user's password; arguments can be read by every user of the host, so prefer ETCDCTL_PASSWORD.")
    var password: String?

    @Option(help: "How long a member may take to accept a connection. (ETCDCTL_DIAL_TIMEOUT; default: 2s)")
    var dialTimeout: DurationArgument?

    @Option(help: "How long one call may take. (ETCDCTL_COMMAND_TIMEOUT; default: 5s)")
    var commandTimeout: DurationArgument?

    /// The configuration that flags and `environment` add up to.
    func configuration(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> EtcdConfiguration {
        func setting(_ flag: String?, _ variable: String) -> String? {
            let value = flag ?? environment["ETCDCTL_\(variable)"]
            return value?.isEmpty == true ? nil : value
        }
        func duration(_ flag: DurationArgument?, _ variable: String, default fallback: Duration) throws -> Duration {
            if let flag { return flag.duration }
            guard let text = setting(nil, variable) else { return fallback }
            guard let parsed = DurationArgument(argument: text) else {
                throw EtcdError(.invalid, "ETCDCTL_\(variable) is \"\(text)\", not a duration such as 5s.")
            }
            return parsed.duration
        }
        if let value = environment["ETCDCTL_INSECURE_SKIP_TLS_VERIFY"], ["1", "t", "true"].contains(value.lowercased()) {
            throw EtcdError(
                .invalid,
                "ETCDCTL_INSECURE_SKIP_TLS_VERIFY is set, and drydock always verifies servers. Unset it, and name the authority with --cacert.")
        }
        let authority = setting(cacert, "CACERT")
        let certificate = setting(cert, "CERT")
        let keyFile = setting(key, "KEY")
        return EtcdConfiguration(
            endpoints: try Endpoint.list(setting(endpoints, "ENDPOINTS") ?? "127.0.0.1:2379"),
            tls: authority == nil && certificate == nil && keyFile == nil
                ? nil : EtcdConfiguration.TLS(authority: authority, certificate: certificate, key: keyFile),
            credentials: try credentials(setting(user, "USER"), setting(password, "PASSWORD")),
            dialTimeout: try duration(dialTimeout, "DIAL_TIMEOUT", default: .seconds(2)),
            commandTimeout: try duration(commandTimeout, "COMMAND_TIMEOUT", default: .seconds(5)))
    }

    /// `base`, with what the flags here say otherwise. Variables do not count: they may be about another cluster.
    func overriding(_ base: EtcdConfiguration) throws -> EtcdConfiguration {
        var result = base
        if let endpoints { result.endpoints = try Endpoint.list(endpoints) }
        if cacert != nil || cert != nil || key != nil {
            result.tls = .init(
                authority: cacert ?? base.tls?.authority, certificate: cert ?? base.tls?.certificate, key: key ?? base.tls?.key)
        }
        if let user {
            result.credentials = try credentials(user, password ?? ProcessInfo.processInfo.environment["ETCDCTL_PASSWORD"])
        }
        return result
    }

    /// The password of a user whose name is known already.
    func password(of user: String?) throws -> String? {
        guard let user else { return nil }
        return try credentials(user, password ?? ProcessInfo.processInfo.environment["ETCDCTL_PASSWORD"])?.password
    }

    /// Whether the user bounded the command's time; streams are unbounded otherwise, as etcdctl's are.
    var boundsCommand: Bool {
        commandTimeout != nil || ProcessInfo.processInfo.environment["ETCDCTL_COMMAND_TIMEOUT"]?.isEmpty == false
    }

    private func credentials(_ user: String?, _ password: String?) throws -> EtcdConfiguration.Credentials? {
        guard let user else { return nil }
        if let password { return .init(user: user, password: password) }
        if let colon = user.firstIndex(of: ":") {
            return .init(user: String(user[..<colon]), password: String(user[user.index(after: colon)...]))
        }
        guard isatty(STDIN_FILENO) == 1, let typed = getpass("Password of \(user): ") else {
            throw EtcdError(.invalid, "there is no password for the user \(user). Set ETCDCTL_PASSWORD.")
        }
        return .init(user: user, password: String(cString: typed))
    }
}

/// A duration in Go's notation, as etcdctl takes it: `300ms`, `5s`, `1m30s`, `2h`.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(seconds: Double) { duration = .seconds(seconds) }

    var defaultValueDescription: String { "\(Int(duration.components.seconds))s" }

    init?(argument: String) {
        let units: [(String, Duration)] = [
            ("ns", .nanoseconds(1)), ("us", .microseconds(1)), ("µs", .microseconds(1)), ("ms", .milliseconds(1)), ("s", .seconds(1)),
            ("m", .seconds(60)), ("h", .seconds(3600)),
        ]
        if argument == "0" {
            duration = .zero
            return
        }
        var rest = argument[...]
        var sum = Duration.zero
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest = rest.dropFirst(number.count)
            let name = rest.prefix { !($0.isASCII && $0.isNumber) && $0 != "." }
            rest = rest.dropFirst(name.count)
            guard let value = Double(number), value <= 1e9, let unit = units.first(where: { $0.0 == name }) else { return nil }
            sum += unit.1 * value
        }
        guard !argument.isEmpty else { return nil }
        duration = sum
    }
}
