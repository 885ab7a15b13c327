/// One thing a pipeline rank does: F (forward), B (gradient of the input; the whole backward where W is not parted) or W (gradient of the weights).
public struct Instruction: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable { case forward = "F", backward = "B", weight = "W" }
    public var kind: Kind
    public var microBatch: Int
    /// Which of the rank's model chunks.
    public var chunk: Int
    /// Runs as one block with the instruction after it: a full backward (B joined with W) or DualPipe's overlapped forward and backward.
    /// A block starts when all of its inputs are there and its results leave at its end.
    public var joinsNext = false
    public init(_ kind: Kind, _ microBatch: Int, chunk: Int = 0, joinsNext: Bool = false) {
        self.kind = kind
        self.microBatch = microBatch
        self.chunk = chunk
        self.joinsNext = joinsNext
    }
}

/// Per pipeline rank the instructions in order: [ranks][instructions]. Timing, memory, validity and drawing are separate passes over it.
public struct PipelineSchedule: Sendable, Hashable, Codable {
    public var name: String
    public var ranks: [[Instruction]]
    public var microBatches: Int
    /// Model chunks of each rank.
    public var chunks: Int
    /// Whether W stands apart from B.
    public var splitsBackward: Bool
    /// Virtual stage (0 = first layers) of each rank's chunks: [ranks][chunks]. Rank r, chunk c is r + c x ranks unless the schedule folds back (ZB-V, DualPipeV).
    public var virtualStage: [[Int]]
    public init(
        name: String, ranks: [[Instruction]], microBatches: Int, chunks: Int = 1, splitsBackward: Bool = false, virtualStage: [[Int]]? = nil
    ) {
        self.name = name
        self.ranks = ranks
        self.microBatches = microBatches
        self.chunks = chunks
        self.splitsBackward = splitsBackward
        self.virtualStage = virtualStage ?? ranks.indices.map { r in (0..<chunks).map { r + $0 * ranks.count } }
    }
}

extension PipelineSchedule {
    /// [instructions of the rank] whether it makes gradients and the next that does is for another chunk: the end of a run of one chunk's passes, p
    /// micro-batches long when interleaved (breadth-first, arXiv:2211.05953). With one chunk every such instruction is a run.
    public func gradientRuns(rank: Int) -> [Bool] {
        var ends = [Bool](repeating: false, count: ranks[rank].count)
        var previous: Int?
        for (position, instruction) in ranks[rank].enumerated() where instruction.kind == (splitsBackward ? .weight : .backward) {
            if let previous, chunks == 1 || ranks[rank][previous].chunk != instruction.chunk { ends[previous] = true }
            previous = position
        }
        if let previous { ends[previous] = true }
        return ends
    }
}
