/// Linear layers whose weights, or adapters, receive a gradient and therefore keep their input.
struct KeptInputs: OptionSet, Sendable, Hashable {
    let rawValue: UInt8
    init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Queries, keys and values, or the latents.
    static let projection = KeptInputs(rawValue: 1)
    static let output = KeptInputs(rawValue: 2)
    static let up = KeptInputs(rawValue: 4)
    static let down = KeptInputs(rawValue: 8)
    static let expertUp = KeptInputs(rawValue: 16)
    static let expertDown = KeptInputs(rawValue: 32)
    static let router = KeptInputs(rawValue: 64)

    init(_ job: Job) {
        self = []
        let trained = ModelParts.all.subtracting(job.frozenParts)
        let adapters = job.training.adapters
        func needs(_ part: ModelParts, _ targets: [LowRankAdapters.Target]) -> Bool {
            trained.contains(part) || targets.contains { adapters?.adapts($0) == true }
        }
        if needs(.attention, [.query, .key, .value, .attention]) { insert(.projection) }
        if needs(.attention, [.output]) { insert(.output) }
        if needs(.mlp, [.gate, .up]) { insert(.up) }
        if needs(.mlp, [.down]) { insert(.down) }
        if needs(.experts, [.gate, .up]) { insert(.expertUp) }
        if needs(.experts, [.down]) { insert(.expertDown) }
        if trained.contains(.router) { insert(.router) }
    }
}
