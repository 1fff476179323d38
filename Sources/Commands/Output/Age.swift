/// How long ago something was, in a column.
enum Age {
    /// `42s`, `5m`, `3h`, `2d`.
    static func text(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(max(0, seconds))s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86400)d"
        }
    }
}
