internal import ArgumentParser
internal import Maintenance

/// When the steps of a run may begin.
struct GateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Begin steps only inside this window, such as \"Sat,Sun 01:00-05:00 Europe/Berlin\".", valueName: "window"),
        transform: { try Window($0) })
    var window: Window?

    @Option(help: ArgumentHelp("Begin no step that may not end within this time of the start.", valueName: "duration"))
    var maxDuration: DurationArgument?

    @OptionGroup var probe: ProbeOptions

    /// Seconds.
    var maxSeconds: Double? { maxDuration?.duration.seconds }
}
