import Calibration

/// What a job's framework offers of layouts. A framework that is not listed offers everything.
struct StackOffers {
    private let name: String
    private let offer: StackOffer?

    init(_ software: SoftwareStack) {
        name = software.framework.lowercased()
        offer = StackTable.offer(of: name)
    }

    /// Why there is no such sharding under such a pipeline, and what there is; nil where there is.
    func refusal(zero: Int, pipeline: Int) -> (reason: String, advice: String)? {
        let found = zero >= 2 && pipeline > 1 ? offer?.zeroWithPipeline : zero == 1 ? offer?.zero1 : nil
        return found.map { ("\(name) has no ZeRO-\(zero)\(zero >= 2 ? " with a pipeline" : ""): \($0.reason)", $0.advice) }
    }

    /// Schedules that a search tries without being asked for them.
    var schedules: [ScheduleKind] {
        offer?.schedules.compactMap { ScheduleKind(rawValue: $0) } ?? [.oneForwardOneBackward, .interleaved, .zb1p]
    }
}

extension Job {
    /// Whether the stack shards this far under such a pipeline.
    public func allowsSharding(_ zero: Int, pipeline: Int) -> Bool { StackOffers(software).refusal(zero: zero, pipeline: pipeline) == nil }

    /// Schedules that the stack has, of those that a search tries by default.
    public var offeredSchedules: [ScheduleKind] { StackOffers(software).schedules }
}
