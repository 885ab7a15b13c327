import Synchronization
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
        let shape = PipelineShape(job: job)
        let (ranks, chunks) = (shape.ranks, shape.chunks)
        let counts = Self.layersPerStage(job, stages: shape.virtualStages)
        let order = (0..<ranks).map { r in
            (0..<chunks).map { c in
                // Each rank holds the stage of either direction (DeepSeek-V3, arXiv:2412.19437 section 3.2.1).
                if shape.kind == .dualpipe { return c == 0 ? r : ranks - 1 - r }
                return shape.foldsBack && c == 1 ? 2 * ranks - 1 - r : r + c * ranks
            }
        }
        self.init(
            layers: order.map { $0.map { counts[$0] } }, inFlight: Self.inFlight(shape), virtualStage: order)
    }

    /// Layers dealt as `stageLayers` says and counts read off the schedule itself, by the layers of each chunk.
    init(schedule: PipelineSchedule, stageLayers: [Int]) {
        let layers = schedule.virtualStage.map { $0.map { stageLayers[$0] } }
        self.init(
            layers: layers, inFlight: layers.indices.map { schedule.held(rank: $0, weights: layers[$0].map { Double($0) + 1e-3 }) },
            virtualStage: schedule.virtualStage)
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

    /// Micro-batches held of each chunk at every rank's peak, [ranks][chunks], before the schedule is built: closed forms where the order is
    /// plain, the rule of memory where an order is searched, else those of the schedule under uniform times.
    static func inFlight(_ shape: PipelineShape) -> [[Double]] {
        switch shape.kind {
        case .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV: UniformHeld.counts(shape)
        default: (0..<shape.ranks).map { inFlight(shape, rank: $0) }
        }
    }

    /// Rank r of p, m micro-batches, [chunks].
    private static func inFlight(_ shape: PipelineShape, rank r: Int) -> [Double] {
        let (p, v, m) = (shape.ranks, shape.chunks, shape.microBatches)
        func capped(_ n: Int) -> Double { Double(max(1, min(n, m))) }
        switch shape.kind {
        case .gpipe: return Array(repeating: Double(m), count: v)
        case .zb2p, .zbH2: return Array(repeating: capped(p == 1 ? 1 : 2 * p - 1), count: v)
        // Automatic order within the memory of 1F1B's first stage, used up on every stage (arXiv:2401.10241 section 3.1).
        case .zb1p: return Array(repeating: capped(p), count: v)
        // Searched within the memory that there is: what 1F1B's first stage would hold, as a first guess.
        case .auto, .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV: return Array(repeating: capped(p), count: v)
        // W waits for up to r micro-batches more, of which half is still there (arXiv:2401.10241 section 2.1).
        case .zbH1: return [min(Double(p - r) + 0.5 * Double(r), Double(m))]
        case .oneForwardOneBackward, .interleaved:
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

/// Counts of the schedules that have no closed form, each built once: they depend on the numbers of ranks and micro-batches alone.
private enum UniformHeld {
    private struct Key: Hashable {
        var kind: ScheduleKind
        var ranks: Int
        var microBatches: Int
    }
    private static let known = Mutex<[Key: [[Double]]]>([:])

    static func counts(_ shape: PipelineShape) -> [[Double]] {
        // Beyond four rounds nothing new is held: the steady state repeats.
        let most = 4 * shape.ranks
        let micro = shape.microBatches > most ? most + shape.microBatches % 2 : shape.microBatches
        let key = Key(kind: shape.kind, ranks: shape.ranks, microBatches: micro)
        if let counts = known.withLock({ $0[key] }) { return counts }
        let fallback = Array(repeating: Array(repeating: Double(min(shape.ranks, micro)), count: shape.chunks), count: shape.ranks)
        let schedule = try? PipelineSchedule.make(shape.kind, ranks: shape.ranks, microBatches: micro, chunks: shape.chunks)
        let weights = [Double](repeating: 1, count: shape.chunks)
        let counts = schedule.map { schedule in (0..<shape.ranks).map { schedule.held(rank: $0, weights: weights) } } ?? fallback
        known.withLock { $0[key] = counts }
        return counts
    }
}
