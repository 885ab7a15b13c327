import Yams

/// What a training framework offers, as far as that decides which layouts there are; stands in stacks.yaml under `offers`.
public struct StackOffer: Sendable, Hashable {
    /// What there is not, and what to write instead.
    public struct Refusal: Sendable, Hashable {
        public let reason: String
        public let advice: String

        init?(_ node: Node?) {
            guard let pair = node?.sequence?.compactMap(\.string), pair.count == 2 else { return nil }
            (reason, advice) = (pair[0], pair[1])
        }
    }

    /// Part of the framework's name.
    let part: String
    /// Names of the schedules that the framework has, of those that a search tries unasked.
    public let schedules: [String]
    /// Why nothing beyond ZeRO-1 goes with a pipeline.
    public let zeroWithPipeline: Refusal?
    /// Whether gathered parameters stay from the first micro-batch of a pipelined step to the last.
    public let keepsGathered: Bool
    /// Why there is no ZeRO-1.
    public let zero1: Refusal?

    /// - Throws: `CalibrationError` where the entry has no part of a name.
    init(_ node: Node) throws(CalibrationError) {
        guard let part = node["part"]?.string, let schedules = node["schedules"]?.sequence?.compactMap(\.string) else {
            throw CalibrationError("stacks.yaml: an entry of offers needs part and schedules")
        }
        (self.part, self.schedules) = (part, schedules)
        zeroWithPipeline = Refusal(node["no_zero_2_with_pipeline"])
        keepsGathered = node["keeps_gathered_with_pipeline"]?.bool ?? false
        zero1 = Refusal(node["no_zero_1"])
    }
}

extension StackTable {
    /// What a framework offers, by the first part that its name has; nil: not listed, so everything.
    public static func offer(of framework: String) -> StackOffer? {
        let name = framework.lowercased()
        return (try? shared.get())?.offers.first { name.contains($0.part) }
    }
}
