import Calibration

/// How layers are dealt over virtual stages, and the deal itself: [virtual stages], first layers first.
public enum StageBalance: Sendable, Hashable {
    /// The same number everywhere.
    case even
    /// The first and the last stage take one layer less, to make room for embedding and head (zero-bubble Megatron). Where a stage is one layer,
    /// they hold the embedding and the head alone.
    case endsMinusOne
    /// Embedding and head are dealt as if each were a layer (Megatron-Core's account_for_embedding_in_pipeline_split, BLOOM's bf16 runs):
    /// the same deal for another reason.
    case embeddingsAsLayers
    /// The last stage takes what is left over, less than the others.
    case lastShorter
    /// Even where it divides, ends-minus-one where layers + 2 divides, else the left-over layers go to the stages after the first.
    case remainder
    case explicit([Int])

    /// What a software stack says; nil: the remainder rule.
    public init(_ rule: SoftwareStack.StageBalance?) {
        switch rule {
        case .endsMinusOne: self = .endsMinusOne
        case .embeddingsAsLayers: self = .embeddingsAsLayers
        case .lastShorter: self = .lastShorter
        // Needs the model's weights: `cumulated(layers:layer:head:stages:)`.
        case .cumulated: self = .remainder
        case nil: self = .remainder
        }
    }

    /// Layers of each of `stages` virtual stages.
    /// - Throws: `ScheduleError` saying which numbers would fit.
    public func layers(_ layers: Int, stages: Int) throws(ScheduleError) -> [Int] {
        guard layers >= 1, stages >= 1 else {
            throw ScheduleError("stage balance: \(layers) layers on \(stages) virtual stages; both must be at least 1")
        }
        switch self {
        case .even:
            guard layers % stages == 0 else {
                throw ScheduleError(
                    "stage balance even: \(layers) layers do not divide by \(stages) virtual stages; \(Self.near(layers, stages))")
            }
            return Array(repeating: layers / stages, count: stages)
        case .endsMinusOne, .embeddingsAsLayers:
            let name = self == .endsMinusOne ? "ends-minus-one" : "embeddings-as-layers"
            guard (layers + 2) % stages == 0 else {
                throw ScheduleError(
                    "stage balance \(name): \(layers) layers + 2 do not divide by \(stages) virtual stages; \(Self.near(layers + 2, stages, less: 2))"
                )
            }
            var dealt = Array(repeating: (layers + 2) / stages, count: stages)
            dealt[0] -= 1
            dealt[stages - 1] -= 1
            return dealt
        case .lastShorter:
            let most = (layers + stages - 1) / stages
            let last = layers - most * (stages - 1)
            guard last >= 1 else {
                throw ScheduleError(
                    "stage balance last-shorter: \(most) layers on each of \(stages - 1) stages leave none of \(layers) for the last; use fewer stages"
                )
            }
            return Array(repeating: most, count: stages - 1) + [last]
        case .remainder: return try Self.remainder(layers, stages)
        case .explicit(let list):
            guard list.count == stages, list.allSatisfy({ $0 >= 0 }), list.reduce(0, +) == layers else {
                throw ScheduleError(
                    "stage layers \(list): \(list.count) entries with \(list.reduce(0, +)) layers; \(stages) entries, none negative, "
                        + "with \(layers) layers in all are needed")
            }
            return list
        }
    }

    private static func remainder(_ layers: Int, _ stages: Int) throws(ScheduleError) -> [Int] {
        if layers % stages == 0 { return Array(repeating: layers / stages, count: stages) }
        if (layers + 2) % stages == 0 {
            return try StageBalance.endsMinusOne.layers(layers, stages: stages)
        }
        guard layers > stages else {
            throw ScheduleError("stage balance: \(layers) layers are fewer than \(stages) virtual stages; use at most \(layers)")
        }
        var dealt = Array(repeating: layers / stages, count: stages)
        for i in 0..<(layers % stages) { dealt[min(1 + i, stages - 1)] += 1 }
        return dealt
    }

    /// Layers of each stage where blocks join a stage until the sum of their weights reaches its share of the whole; the output matrix comes last and
    /// may leave the last stage without a layer.
    /// - Parameters:
    ///   - layer: weights of a layer
    ///   - head: weights of the output matrix
    static func cumulated(layers: Int, layer: Double, head: Double, stages: Int) -> [Int] {
        let whole = Double(layers) * layer + head
        var dealt = Array(repeating: 0, count: stages)
        var (stage, sum) = (0, 0.0)
        for _ in 0..<layers {
            dealt[stage] += 1
            sum += layer
            if stage < stages - 1, sum >= whole * Double(stage + 1) / Double(stages) * (1 - 1e-9) { stage += 1 }
        }
        return dealt
    }

    /// Stages that hold nothing, beside one for the output matrix: [virtual stages] of layers.
    static func emptyStages(_ layers: [Int]) -> Int { max(0, layers.count { $0 == 0 } - 1) }

    /// What a reader should know of stages that a rule by weights leaves empty: of a published scan 65 of 66 settings with two or more ended in an
    /// error, and 16 of 34 with one ran.
    static func emptyRemark(_ layers: [Int]) -> String? {
        let empty = emptyStages(layers)
        guard empty > 0 else { return nil }
        return "the stack's rule leaves \(empty) pipeline stage\(empty == 1 ? "" : "s") without a block; "
            + (empty == 1 ? "half of" : "nearly all")
            + " such settings of a published scan ended in an error: use fewer stages, or list layout.stage_layers"
    }

    private static func near(_ slots: Int, _ stages: Int, less: Int = 0) -> String {
        let below = slots / stages * stages - less
        return "\(below > 0 ? "\(below) or " : "")\((slots / stages + 1) * stages - less) layers would fit"
    }

    /// The deal with the shortest slowest stage: layers stay in order, each stage takes a run of them.
    ///
    /// Exact, by dynamic programming over prefixes: O(layers^2 x stages) at worst, less where runs grow beyond the best maximum early.
    /// - Parameters:
    ///   - times: seconds of each layer, [layers]
    ///   - stages: virtual stages; every one gets at least one layer
    ///   - first: seconds that the first stage has besides (embedding)
    ///   - last: seconds that the last stage has besides (head, loss)
    /// - Throws: `ScheduleError` when there are fewer layers than stages or a time is not finite and zero or more.
    public static func balanced(by times: [Double], stages: Int, first: Double = 0, last: Double = 0) throws(ScheduleError) -> [Int] {
        let n = times.count
        guard stages >= 1, n >= stages else {
            throw ScheduleError("stage balance: \(n) layers on \(stages) virtual stages; every stage needs at least one layer")
        }
        for (i, t) in (times + [first, last]).enumerated() where !(t.isFinite && t >= 0) {
            throw ScheduleError("stage balance: time \(i) is \(t); it must be a finite number, zero or more")
        }
        var before = [0.0]
        for t in times { before.append((before.last ?? 0) + t) }
        // best[i]: least maximum of dealing the first i layers on the stages so far; cut[s][i]: where its last stage begins.
        var best = (0...n).map { $0 == 0 ? Double.infinity : before[$0] + first + (stages == 1 ? last : 0) }
        var cuts: [[Int]] = []
        for s in 1..<max(1, stages) {
            var next = [Double](repeating: .infinity, count: n + 1)
            var cut = [Int](repeating: 0, count: n + 1)
            for i in (s + 1)...max(s + 1, n) where i <= n {
                for j in stride(from: i - 1, through: s, by: -1) {
                    let own = before[i] - before[j] + (s == stages - 1 ? last : 0)
                    let most = max(best[j], own)
                    if most < next[i] {
                        next[i] = most
                        cut[i] = j
                    }
                    if own > next[i] { break }
                }
            }
            best = next
            cuts.append(cut)
        }
        var dealt: [Int] = []
        var end = n
        for cut in cuts.reversed() {
            dealt.append(end - cut[end])
            end = cut[end]
        }
        return (dealt + [end]).reversed()
    }
}
