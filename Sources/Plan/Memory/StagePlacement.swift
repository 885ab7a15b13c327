import Workload

/// Which layers stand on which pipeline rank, and how many micro-batches of each chunk are alive there at the worst moment.
public struct StagePlacement: Sendable, Hashable {
    /// Layers of each rank's chunks: [ranks][chunks].
    public var layers: [[Int]]
    /// Micro-batches whose activations are held at once, of each chunk: [ranks][chunks].
    public var inFlight: [[Double]]
    /// Depth of each rank's chunks (0 = first layers): [ranks][chunks].
    public var virtualStage: [[Int]]

    public init(layers: [[Int]], inFlight: [[Double]], virtualStage: [[Int]]? = nil) {
        self.layers = layers
        self.inFlight = inFlight
        self.virtualStage = virtualStage ?? layers.indices.map { r in layers[r].indices.map { r + $0 * layers.count } }
    }

    /// Layers cut as the layout says or as evenly as they go, with the closed forms of the schedule's in-flight count.
    public init(job: Job) {
        let ranks = max(1, job.layout.pipeline)
        let folds = job.layout.schedule == .zbV || job.layout.schedule == .dualpipe
        let chunks = folds ? 2 : max(1, job.layout.virtual)
        let stages = job.layout.schedule == .dualpipe ? ranks : ranks * chunks
        let counts = Self.layersPerStage(job, stages: stages)
        let order = (0..<ranks).map { r in
            (0..<chunks).map { c in
                switch job.layout.schedule {
                case .zbV: c == 0 ? r : 2 * ranks - 1 - r
                // Each rank holds the stage of either direction (DeepSeek-V3, arXiv:2412.19437 section 3.2.1).
                case .dualpipe: c == 0 ? r : ranks - 1 - r
                default: r + c * ranks
                }
            }
        }
        self.init(
            layers: order.map { $0.map { counts[$0] } },
            inFlight: (0..<ranks).map { Self.inFlight(job, rank: $0, ranks: ranks, chunks: chunks) }, virtualStage: order)
    }

    /// Layers of each virtual stage, in order of depth: [stages].
    static func layersPerStage(_ job: Job, stages: Int) -> [Int] {
        if let dealt = try? job.stageLayers(virtualStages: stages) { return dealt }
        return (0..<stages).map { job.model.layers / stages + ($0 < job.model.layers % stages ? 1 : 0) }
    }

    /// Micro-batches of a chunk held at once; one where the counts do not cover it.
    func held(_ rank: Int, _ chunk: Int) -> Double {
        guard inFlight.indices.contains(rank), inFlight[rank].indices.contains(chunk) else { return 1 }
        return inFlight[rank][chunk]
    }

    /// Micro-batches held of each chunk at the rank's peak: [chunks]. Rank r of p, m micro-batches.
    static func inFlight(_ job: Job, rank r: Int, ranks p: Int, chunks v: Int) -> [Double] {
        let m = max(1, job.microBatches)
        func capped(_ n: Int) -> Double { Double(max(1, min(n, m))) }
        switch job.layout.schedule {
        case .gpipe: return Array(repeating: Double(m), count: v)
        case .zb2p, .zbH2: return Array(repeating: capped(p == 1 ? 1 : 2 * p - 1), count: v)
        // Automatic order within the memory of 1F1B's first stage, used up on every stage (arXiv:2401.10241 section 3.1).
        case .zb1p: return Array(repeating: capped(p), count: v)
        // Two half-stages a rank; p micro-batches' worth of a whole stage at most (arXiv:2405.15362): p of each half, even over the ranks.
        case .zbV, .auto: return Array(repeating: capped(p), count: v)
        // Half and a third (rounded up) of that (arXiv:2405.15362 table 1).
        case .vHalf: return Array(repeating: capped((p + 3) / 2), count: v)
        case .vMin: return Array(repeating: capped((p + 5) / 3), count: v)
        // p + 1 over both directions; each is bounded by its own distance from the end.
        case .dualpipe, .dualpipeV: return [Double(p + 1) / 2, Double(p + 1) / 2].map { min($0, Double(m)) }
        case .oneForwardOneBackward, .zbH1, .interleaved:
            guard v > 1 else { return [capped(p - r)] }
            // Megatron's interleaved warm-up runs 2(p-r-1) + (v-1)p forwards, then one more before the first backward
            // (Narayanan et al., arXiv:2104.04473 section 2.2); it goes through the chunks p micro-batches at a time.
            let forwards = p == 1 ? v : min(2 * (p - r - 1) + (v - 1) * p + 1, m * v)
            var counts = [Double](repeating: 0, count: v)
            for k in 0..<forwards { counts[(k / p) % v] += 1 }
            return counts
        }
    }
}
