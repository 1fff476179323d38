extension Double {
    /// Whole seconds for people, rounded up; what is no number of seconds becomes the nearest that is one.
    package var wholeSeconds: Int {
        guard !isNaN else { return 0 }
        return Int(Swift.min(Swift.max(rounded(.up), -1e15), 1e15))
    }
}
