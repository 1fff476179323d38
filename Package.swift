// swift-tools-version: 6.2
import PackageDescription

/// Strict settings for every target of ours; a warning in our code stops the build.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// For what rehearsals live in: weeks of a cluster pass in a test, which is worth optimising also where everything else is built for debugging.
let fast = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

// The floors of the house, top to bottom. A target may name only targets below it, so the compiler keeps the walls.
// ARCHITECTURE.md says what each one holds.
let package = Package(
    name: "drydock",
    platforms: [.macOS(.v26)],
    products: [.executable(name: "drydock", targets: ["drydock"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", exact: "2.4.1"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2", traits: []),
    ],
    targets: [
        // Floor 5: the program.
        .executableTarget(name: "drydock", dependencies: ["Commands"], swiftSettings: strict),

        // Floor 4: what people type.
        .target(
            name: "Commands",
            dependencies: [
                "ClusterPKI", "ClusterTwin", "Controller", "Operations", "Etcd", "EtcdStorage", "HAProxy", "Journal", "KubernetesAPI",
                "KubernetesClient",
                "KubernetesRuntime", "Maintenance", "NodeAccess", "ObjectStore", "Rehearsals", logging, nioCore, nioPosix, system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict
        ),

        .target(
            name: "Controller",
            dependencies: [
                "Journal", "KubernetesAPI", "KubernetesClient", "KubernetesRuntime", "Maintenance", "NodeAccess", "Operations",
                .product(name: "Subprocess", package: "swift-subprocess"), system,
            ],
            swiftSettings: strict),

        // Floor 3: the use cases.
        .target(
            name: "Operations",
            dependencies: [
                "ClusterPKI", "Etcd", "EtcdStorage", "HAProxy", "Journal", "KubernetesAPI", "KubernetesClient", "KubernetesRuntime",
                "Maintenance", "NodeAccess", "ObjectStore", crypto, nioCore, system,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),

        // Operations on a twin in the place of a cluster.
        .target(
            name: "Rehearsals",
            dependencies: [
                "ClusterTwin", "EtcdStorage", "Journal", "KubernetesAPI", "KubernetesClient", "Maintenance", "NodeAccess", "Operations", system,
            ],
            swiftSettings: strict),

        .target(
            name: "ClusterTwin",
            dependencies: [
                "KubernetesAPI", "KubernetesClient", "Maintenance", "ProtobufWire", logging, nioCore,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: fast),

        // Floor 2: formats, protocols and clients. They do not know each other.
        .target(
            name: "Etcd",
            dependencies: [
                asn1, logging, nioCore, nioPosix, nioSSL, x509,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict
        ),
        .target(name: "EtcdStorage", dependencies: ["CPlatform", "ProtobufWire", crypto, system], swiftSettings: strict),
        .target(
            name: "ObjectStore",
            dependencies: [
                "CPlatform", "CZlib", "CZstd", crypto, nioCore, system,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .target(name: "HAProxy", dependencies: [nioCore, nioPosix], swiftSettings: strict),
        .target(
            name: "ClusterPKI",
            dependencies: [
                asn1, crypto, x509, .product(name: "CryptoExtras", package: "swift-crypto"), .product(name: "Yams", package: "Yams"),
            ], swiftSettings: strict),
        .target(
            name: "NodeAccess", dependencies: [system, .product(name: "Subprocess", package: "swift-subprocess")], swiftSettings: strict),
        .target(name: "KubernetesAPI", dependencies: ["Maintenance"], swiftSettings: fast),
        .target(
            name: "KubernetesClient",
            dependencies: [
                "KubernetesAPI", "Maintenance", nioCore, nioPosix, nioSSL, system,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(name: "KubernetesRuntime", dependencies: ["KubernetesAPI", "KubernetesClient", "Maintenance"], swiftSettings: strict),
        .target(
            name: "Journal", dependencies: ["Maintenance", system, .product(name: "GRDB", package: "GRDB.swift")], swiftSettings: strict),

        // Floor 1: the domain. No I/O, no clock of its own.
        .target(name: "Maintenance", swiftSettings: fast),
        .target(name: "CPlatform"),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
        .target(name: "ProtobufWire", swiftSettings: strict),

        // The proofs: what shows, against real servers, that the rooms above hold. Never shipped.
        .target(
            name: "Proving",
            dependencies: [
                "ClusterPKI", "ClusterTwin", "Controller", "Etcd", "EtcdStorage", "HAProxy", "Journal", "KubernetesAPI", "KubernetesClient",
                "KubernetesRuntime", "Maintenance", "NodeAccess", "ObjectStore", "Operations", "Rehearsals", crypto, logging, nioCore, system,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Proofs/Proving", swiftSettings: strict),
        .executableTarget(
            name: "drydock-proof",
            dependencies: [
                "ClusterTwin", "Commands", "Controller", "Etcd", "EtcdStorage", "HAProxy", "Journal", "KubernetesAPI", "KubernetesClient",
                "KubernetesRuntime", "Maintenance", "ObjectStore", "Operations", "Proving", system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Proofs/drydock-proof",
            swiftSettings: strict
        ),

        // Tests mirror Sources. Those that run the program need it built.
        .testTarget(
            name: "EtcdStorageTests",
            dependencies: ["CPlatform", "EtcdStorage", "Maintenance", "ProtobufWire", "Proving", "drydock", crypto, system], swiftSettings: strict),
        .testTarget(name: "HAProxyTests", dependencies: ["HAProxy", "Maintenance", "Proving", "drydock"], swiftSettings: strict),
        .testTarget(
            name: "ClusterPKITests", dependencies: ["ClusterPKI", "Proving", "drydock", "drydock-proof"], swiftSettings: strict),
        .testTarget(name: "ObjectStoreTests", dependencies: ["Maintenance", "ObjectStore", "Proving", crypto], swiftSettings: strict),
        .testTarget(name: "MaintenanceTests", dependencies: ["Maintenance"], swiftSettings: strict),
        .testTarget(name: "KubernetesAPITests", dependencies: ["KubernetesAPI", "Maintenance"], swiftSettings: strict),
        .testTarget(
            name: "KubernetesClientTests", dependencies: ["ClusterTwin", "KubernetesAPI", "KubernetesClient", "Maintenance", "Proving"],
            swiftSettings: strict),
        .testTarget(
            name: "ClusterTwinTests",
            dependencies: [
                "ClusterTwin", "EtcdStorage", "Journal", "KubernetesAPI", "KubernetesClient", "KubernetesRuntime", "Maintenance", "Operations",
                "Proving", "drydock", system,
            ],
            swiftSettings: strict),
        .testTarget(name: "NodeAccessTests", dependencies: ["NodeAccess", "Proving"], swiftSettings: strict),
        .testTarget(
            name: "RehearsalsTests",
            dependencies: [
                "ClusterTwin", "Controller", "Journal", "KubernetesAPI", "KubernetesClient", "KubernetesRuntime", "Maintenance", "NodeAccess",
                "ObjectStore",
                "Operations", "Proving", "Rehearsals", "drydock", system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ControllerTests",
            dependencies: [
                "ClusterTwin", "Controller", "KubernetesAPI", "KubernetesClient", "KubernetesRuntime", "Maintenance", "NodeAccess", "Operations",
                "Proving", "Rehearsals", "drydock",
            ],
            swiftSettings: strict),
        .testTarget(name: "JournalTests", dependencies: ["Journal", "Maintenance", "Proving"], swiftSettings: strict),
        .testTarget(
            name: "EtcdTests",
            dependencies: ["ClusterPKI", "Etcd", "Maintenance", "Proving", nioCore, .product(name: "NIOEmbedded", package: "swift-nio")],
            swiftSettings: strict),
        .testTarget(
            name: "OperationsTests",
            dependencies: [
                "Etcd", "EtcdStorage", "HAProxy", "Journal", "KubernetesAPI", "KubernetesClient", "Maintenance", "Operations", "Proving", "drydock",
                system,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "Commands", "Etcd", "EtcdStorage", "Journal", "Maintenance", "ObjectStore", "Operations", "Proving", "drydock", "drydock-proof",
                system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
