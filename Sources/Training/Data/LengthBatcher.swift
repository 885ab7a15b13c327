/// Puts samples of like length into one batch, so that little is padded: a pool of shuffled samples is sorted by length and cut into batches whose
/// padded size, samples x longest, stays within a number of tokens; the batches then come in random order (bucketing as in arXiv:1706.03762, section 5.1).
public struct LengthBatcher: Sendable {
    public struct Batch: Sendable, Equatable {
        /// Positions of the samples.
        public var samples: [Int]
        /// Tokens of the longest, to which all are padded.
        public var length: Int
        public init(samples: [Int], length: Int) {
            self.samples = samples
            self.length = length
        }

        /// Tokens computed, padding included.
        public var paddedTokens: Int { samples.count * length }
    }
    /// Tokens of a batch at most, padding included.
    public let tokens: Int
    /// Samples that are sorted together: 1 batches them as they come, more sorts better and mixes less.
    public let pool: Int

    /// - Throws: `TrainingError` for a budget or a pool below one.
    public init(tokens: Int, pool: Int = 1024) throws(TrainingError) {
        guard tokens >= 1, pool >= 1 else {
            throw TrainingError("batches of \(tokens) tokens from pools of \(pool): both must be at least 1")
        }
        self.tokens = tokens
        self.pool = pool
    }

    /// Every sample of `lengths` [samples] in exactly one batch; the same for the same draws.
    /// - Throws: `TrainingError` for a sample that is empty or alone exceeds the budget.
    public func batches(lengths: [Int], draws: inout SeededDraws) throws(TrainingError) -> [Batch] {
        if let bad = lengths.firstIndex(where: { $0 < 1 || $0 > tokens }) {
            throw TrainingError("sample \(bad) has \(lengths[bad]) tokens: it must have 1 to \(tokens), or be cut first")
        }
        var batches: [Batch] = []
        let order = lengths.indices.shuffled(using: &draws)
        for start in stride(from: 0, to: order.count, by: pool) {
            let sorted = order[start..<min(start + pool, order.count)].sorted { (lengths[$0], $0) < (lengths[$1], $1) }
            var batch = Batch(samples: [], length: 0)
            for sample in sorted {
                if !batch.samples.isEmpty, (batch.samples.count + 1) * lengths[sample] > tokens {
                    batches.append(batch)
                    batch = Batch(samples: [], length: 0)
                }
                batch.samples.append(sample)
                batch.length = lengths[sample]
            }
            if !batch.samples.isEmpty { batches.append(batch) }
        }
        return batches.shuffled(using: &draws)
    }

    /// Share of the computed tokens that are padding.
    public static func padding(_ batches: [Batch], lengths: [Int]) -> Double {
        let computed = batches.reduce(0) { $0 + $1.paddedTokens }
        let real = batches.reduce(0) { $0 + $1.samples.reduce(0) { $0 + lengths[$1] } }
        return computed == 0 ? 0 : 1 - Double(real) / Double(computed)
    }
}
