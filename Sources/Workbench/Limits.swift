import Scenario

/// How much one question may take, so that no question keeps the others waiting for long.
public struct Limits: Sendable {
    /// Bytes of a body.
    public var body = 512_000
    /// Seconds for a run, a comparison or a sweep.
    public var seconds = 30.0
    /// Seconds for a search.
    public var searchSeconds = 120.0
    /// Scenarios of a comparison.
    public var compared = 32
    /// Runs of a sweep.
    public var swept = 2_000
    /// Searches at work at once.
    public var searches = 2
    /// Searches whose answers are kept.
    public var keptSearches = 16
    /// Questions that wait for their turn; more are turned away.
    public var waiting = 256
    /// Answers that are kept, in bytes.
    public var cached = 32_000_000
    public init() {}
}

/// When a question has taken too long.
struct Deadline: Sendable {
    private let end: ContinuousClock.Instant
    private let seconds: Double
    init(seconds: Double) { (self.seconds, end) = (seconds, .now + .seconds(seconds)) }

    var isOver: Bool { ContinuousClock.now >= end }

    /// - Throws: `Refusal` with 503 where time is up.
    func check() throws(Refusal) {
        guard isOver else { return }
        throw Refusal(
            503, "the answer takes longer than the \(Int(seconds)) s that a question may take",
            suggestion: "ask for fewer samples or runs, or use the command line")
    }
}
