internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient

/// A static pod manifest of a control plane, as far as a restore needs it: the command of its only container.
struct StaticPod: Sendable, Equatable {
    /// `--name=value` and `--name value`, by name without dashes.
    var flags: [String: String] = [:]
    var image: String

    /// - Throws: `OperationError` for what is no such manifest.
    init(parsing text: String, from place: String) throws {
        let documents: [JSON]
        do { documents = try YAMLText.documents(text) } catch { throw OperationError(.invalid, "\(place) cannot be read: \(error)") }
        guard documents.count == 1, documents[0]["kind"].string == "Pod", let container = documents[0]["spec"]["containers"].elements.first else {
            throw OperationError(.invalid, "\(place) is no static pod.")
        }
        image = container["image"].string ?? ""
        let words = (container["command"].elements + container["args"].elements).compactMap(\.string)
        var index = 0
        while index < words.count {
            defer { index += 1 }
            guard words[index].hasPrefix("-") else { continue }
            let word = words[index].drop { $0 == "-" }
            if let equals = word.firstIndex(of: "=") {
                flags[String(word[..<equals])] = String(word[word.index(after: equals)...])
            } else if index + 1 < words.count, !words[index + 1].hasPrefix("-") {
                flags[String(word)] = words[index + 1]
                index += 1
            } else {
                flags[String(word)] = "true"
            }
        }
    }

    /// The same manifest with another image; everything else stays as it is, to the byte.
    /// - Throws: `OperationError` `.refused` where the image does not stand on a line of its own, once.
    static func replacingImage(of text: String, by image: String, from place: String) throws -> String {
        let old = try StaticPod(parsing: text, from: place).image
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let places = lines.indices.filter { index in
            let words = lines[index].split(separator: " ").drop { $0 == "-" }
            return words.first == "image:" && words.dropFirst().first.map { $0.trimmingCharacters(in: ["\"", "'"]) } == old
        }
        guard places.count == 1, let found = lines[places[0]].range(of: old) else {
            throw OperationError(.refused, "\(place): the image does not stand on one line, as kubeadm writes it. Change it there.")
        }
        return lines.enumerated().map { index, line in index == places[0] ? line.replacingCharacters(in: found, with: image) : String(line) }
            .joined(separator: "\n")
    }

    /// The same manifest with an annotation more, or with another value of it. A kubelet takes it for another pod: it ends the old one, and starts the new one
    /// without the pauses that it makes before it starts a pod again and again.
    /// - Throws: `OperationError` `.refused` where the pod's metadata does not stand as kubeadm writes it.
    static func annotating(_ text: String, _ name: String, _ value: String, from place: String) throws -> String {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).filter { !$0.hasPrefix("    \(name): ") }
        guard let metadata = lines.firstIndex(of: "metadata:") else {
            throw OperationError(.refused, "\(place): there is no line `metadata:`, as kubeadm writes it. Change it there.")
        }
        let end = lines[(metadata + 1)...].firstIndex { !$0.isEmpty && !$0.hasPrefix(" ") } ?? lines.count
        if let annotations = lines[metadata..<end].firstIndex(of: "  annotations:") {
            lines.insert("    \(name): \"\(value)\"", at: annotations + 1)
        } else {
            lines.insert(contentsOf: ["  annotations:", "    \(name): \"\(value)\""], at: metadata + 1)
        }
        return lines.joined(separator: "\n")
    }

    /// Of the image's tag: `3.4.13` of `k8s.gcr.io/etcd:3.4.13-0`; nil where that is none.
    var version: String? {
        let tag = ImageReference(image).tag
        let number = (tag.hasPrefix("v") ? tag.dropFirst() : tag[...]).prefix { $0 == "." || $0.isNumber }
        return number.isEmpty ? nil : String(number)
    }
}

/// The parts of a control plane that kubeadm runs as static pods.
package enum Component: String, Codable, Sendable, CaseIterable {
    case etcd
    case apiServer = "kube-apiserver"
    case controllerManager = "kube-controller-manager"
    case scheduler = "kube-scheduler"

    /// What reads and writes etcd, in the order in which it starts.
    package static let servers: [Component] = [.apiServer, .controllerManager, .scheduler]

    /// As /proc/PID/comm has it, which is cut.
    var processName: String { String(rawValue.prefix(15)) }
}
