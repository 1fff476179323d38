internal import ArgumentParser
internal import ClusterPKI
internal import Etcd
internal import EtcdStorage
internal import Foundation
internal import HAProxy
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess
internal import ObjectStore
internal import Operations
internal import UnixSignals

/// What the process tells its caller by its exit code.
enum ExitStatus: Int32 {
    case done = 0
    case failed = 1
    /// Wrong usage, or input that is not what the command works on.
    case usage = 2
    /// Done, but something was found: damage, expiry, skew.
    case findings = 3
    /// A safety rule forbids it.
    case refused = 4
    /// Nothing is wrong here; the other side could not be reached now.
    case tryAgain = 75

    /// The one place that maps errors to exit codes.
    init(_ error: any Error) {
        switch error {
        case let error as StorageError:
            switch error.code {
            case .notASnapshot, .invalid: self = .usage
            case .damaged: self = .findings
            case .refused: self = .refused
            case .system: self = .failed
            }
        case let error as EtcdError:
            switch error.code {
            case .unavailable, .deadline: self = .tryAgain
            case .invalid: self = .usage
            case .refused: self = .refused
            case .tls, .denied, .rejected, .server, .compacted, .noSpace, .learnerNotReady, .memberNotFound, .notLeader,
                .unhealthyCluster:
                self = .failed
            }
        case let error as StoreError:
            switch error.code {
            case .unavailable: self = .tryAgain
            case .configuration, .missing: self = .usage
            case .locked, .exists: self = .refused
            case .damaged: self = .findings
            case .forbidden, .system: self = .failed
            }
        case let error as NodeError:
            switch error.code {
            case .unreachable: self = .tryAgain
            case .failed, .interrupted, .stillRunning: self = .failed
            }
        case let error as HAProxyError:
            switch error.code {
            case .unavailable: self = .tryAgain
            case .invalid: self = .usage
            case .refused, .malformed: self = .failed
            }
        case let error as PKIError:
            switch error.code {
            case .malformed, .missing: self = .usage
            case .refused: self = .refused
            }
        case is AgeError: self = .usage
        case let error as OperationError:
            switch error.code {
            case .damaged: self = .findings
            case .refused, .closed: self = .refused
            case .stopped, .held, .unreachable: self = .failed
            case .invalid: self = .usage
            }
        case let error as JournalError:
            switch error.code {
            case .locked: self = .refused
            case .invalid: self = .usage
            case .system: self = .failed
            }
        case let error as KubernetesError:
            switch error.code {
            case .unavailable: self = .tryAgain
            case .configuration: self = .usage
            case .tls, .malformed, .unsupported: self = .failed
            }
        case let error as APIStatus: self = error.isTransient ? .tryAgain : .failed
        case is MaintenanceError, is SelectorError: self = .usage
        default: self = .failed
        }
    }
}

/// The program: parses the command line, runs the command, and ends with the exit code that fits.
package enum Program {
    /// Runs and never returns. SIGTERM, SIGINT and SIGHUP cancel the command, which then removes what it had begun.
    /// - Parameter arguments: without the program's name.
    package static func run(_ arguments: [String] = Array(CommandLine.arguments.dropFirst())) async -> Never {
        Terminal.fillStandardDescriptors()
        // Keys are in memory: a crash must not write them to a disk.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        let status = await withTaskGroup(of: ExitStatus?.self) { group in
            group.addTask { await parseAndRun(arguments) }
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup) { break }
                return nil
            }
            while let finished = await group.next() {
                group.cancelAll()
                if let status = finished { return status }
            }
            return .failed
        }
        exit(status.rawValue)
    }

    private static func parseAndRun(_ arguments: [String]) async -> ExitStatus {
        var command: any ParsableCommand
        do { command = try Drydock.parseAsRoot(ToolArguments.normalized(arguments)) } catch {
            let message = Drydock.fullMessage(for: error)
            // Help and version are answers; everything else is wrong usage.
            guard Drydock.exitCode(for: error) == .success else {
                Terminal.complain(message)
                return .usage
            }
            print(message)
            return .done
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .done
        } catch let outcome as Outcome {
            return outcome.status
        } catch let error as OperationError {
            // Also when the run was interrupted: it says how to go on.
            Terminal.complain("error: \(error)")
            return ExitStatus(error)
        } catch  where error is CancellationError || Task.isCancelled {
            // A call that was in flight may end in an error of its own.
            Terminal.complain("interrupted.")
            return .failed
        } catch let error where Drydock.exitCode(for: error) == .success {
            print(Drydock.fullMessage(for: error))  // a command without a subcommand asks for its help
            return .done
        } catch {
            Terminal.complain("error: \(Drydock.message(for: error))")
            return ExitStatus(error)
        }
    }
}

/// Thrown by a command that did its work and has another exit code than 0 to report.
struct Outcome: Error {
    let status: ExitStatus
}
