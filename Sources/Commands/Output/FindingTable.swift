internal import Operations

/// What should be mended, for people.
enum FindingTable {
    /// - Parameter showsHosts: where there are several.
    static func text(_ findings: [HostFinding], showsHosts: Bool) -> String {
        var table = TextTable(["SEVERITY"] + (showsHosts ? ["HOST"] : []) + ["WHAT", "PROBLEM", "REMEDY"])
        for finding in findings {
            table.add(
                [Terminal.paint(finding.severity.rawValue, finding.severity == .critical ? .red : .yellow)] + (showsHosts ? [finding.host] : [])
                    + [finding.subject, finding.problem, finding.remedy])
        }
        return table.text
    }
}
