/// Which codec to use.
public enum CompressionPolicy: Sendable {
    /// By the number of workers: nothing for one, 8-bit floats below `sparseFrom`, from there on the largest `share` with 8-bit values.
    case byClusterSize(sparseFrom: Int, share: Double)
    /// The codec that makes the exchange shortest.
    case fastest

    /// The published rule of thumb: 8-bit for up to 8 workers, top 5% from 32 on. Between the two, where the rule is silent, 8-bit.
    public static let rule = CompressionPolicy.byClusterSize(sparseFrom: 32, share: 0.05)

    /// The codec for `situation`; sparse ones come with error feedback, without which they stall.
    /// - Throws: `CodecError.misuse` for a share outside (0, 1].
    public func codec(for situation: ExchangeSituation) throws(CodecError) -> any GradientCodec {
        guard situation.workers > 1 else { return IdentityCodec() }
        switch self {
        case .byClusterSize(let sparseFrom, let share):
            let dense = try BlockQuantizer(.e4m3, block: 256)
            guard situation.workers >= sparseFrom else { return ErrorFeedback(dense) }
            return ErrorFeedback(try SparseCodec(.top(.share(share)), values: dense, indices: .packed))
        case .fastest:
            let candidates: [any GradientCodec] = [
                IdentityCodec(), ErrorFeedback(try BlockQuantizer(.e4m3, block: 256)), ErrorFeedback(try BlockQuantizer(.int4, block: 64)),
                ErrorFeedback(try SparseCodec(.top(.share(0.05)), values: try BlockQuantizer(.e4m3, block: 256), indices: .packed)),
                ErrorFeedback(try SparseCodec(.top(.share(0.01)), values: try BlockQuantizer(.e4m3, block: 256), indices: .packed)),
                try PowerSGD(rank: 4),
            ]
            // The first of equals: the one that changes the gradient least.
            var best: any GradientCodec = candidates[0]
            for candidate in candidates.dropFirst() where situation.seconds(candidate) < situation.seconds(best) { best = candidate }
            return best
        }
    }
}

/// What decides whether compression pays: the measured link against the measured speed of the codecs.
public struct ExchangeSituation: Sendable {
    public var workers: Int
    /// Elements of the gradient.
    public var count: Int
    /// Bytes a second that one worker sends.
    public var linkBytesPerSecond: Double
    /// Bytes a second that a codec reads and writes, and operations a second, on the device that encodes.
    public var memoryBytesPerSecond: Double
    public var operationsPerSecond: Double

    public init(workers: Int, count: Int, linkBytesPerSecond: Double, memoryBytesPerSecond: Double, operationsPerSecond: Double) {
        self.workers = workers
        self.count = count
        self.linkBytesPerSecond = linkBytesPerSecond
        self.memoryBytesPerSecond = memoryBytesPerSecond
        self.operationsPerSecond = operationsPerSecond
    }

    /// Time of one exchange, by the codec's own method: 2 (p - 1) / p of the message a worker where sums or parts travel, p - 1 messages where all
    /// are gathered.
    public func seconds(_ codec: any GradientCodec) -> Double {
        let cost = codec.cost(count: count)
        let size = Double(codec.encodedSize(count: count).most)
        let p = Double(workers)
        let method = codec.exchange
        let encode = max(cost.encodeBytes / memoryBytesPerSecond, cost.encodeOperations / operationsPerSecond)
        let decode = max(
            codec.decodeBytes(count: count, workers: workers) / memoryBytesPerSecond,
            cost.decodeOperations / operationsPerSecond * (method == .gather ? p : method == .allReduce ? 1 : 2))
        return encode + decode + size * (method == .gather ? p - 1 : 2 * (p - 1) / p) / linkBytesPerSecond
    }
}
