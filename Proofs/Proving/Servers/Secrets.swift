/// What no output of the program may hold, whoever runs it for whatever.
enum Secrets {
    private static let marks = [
        ("a key of S3", SeaweedFS.secret), ("an age identity", "AGE-SECRET-KEY-1"), ("a private key", "PRIVATE KEY-----"),
        ("a token of a service account", "eyJhbGciOi"),
    ]

    /// What kind of secret a run told; nil for none.
    static func told(in run: CommandRun) -> String? {
        marks.first { run.output.contains($0.1) || run.errors.contains($0.1) }?.0
    }
}
