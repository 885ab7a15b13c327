/// Gives each worker a share of the batch after its own history of step times, so that all finish together; shares sum to the batch exactly.
public struct LoadBalancer: Sendable {
    /// Samples of a step, dealt to all workers.
    public let globalBatch: Int
    /// Weight of the past in the moving average of seconds a sample.
    public let smoothing: Double
    public private(set) var shares: [Int]
    /// Moving average of seconds a sample [workers]; nil before the first measurement.
    public private(set) var secondsPerSample: [Double?]

    /// Starts with equal shares.
    /// - Throws: `TrainingError` unless there is at least one sample for each worker.
    public init(workers: Int, globalBatch: Int, smoothing: Double = 0.8) throws(TrainingError) {
        guard workers >= 1, globalBatch >= workers else {
            throw TrainingError("a batch of \(globalBatch) for \(workers) workers: each needs at least one sample")
        }
        self.globalBatch = globalBatch
        self.smoothing = smoothing
        shares = apportion(globalBatch, weights: [Double](repeating: 1, count: workers))
        secondsPerSample = [Double?](repeating: nil, count: workers)
    }

    /// The same balancer with the shares and the history that another one had.
    /// - Throws: `TrainingError` where they are of another number of workers or another batch.
    public func restored(shares: [Int], secondsPerSample: [Double?]) throws(TrainingError) -> LoadBalancer {
        guard shares.count == self.shares.count, secondsPerSample.count == shares.count, shares.reduce(0, +) == globalBatch else {
            throw TrainingError("shares \(shares) are not those of \(self.shares.count) workers with \(globalBatch) samples")
        }
        var other = self
        other.shares = shares
        other.secondsPerSample = secondsPerSample
        return other
    }

    /// Takes in the seconds [workers] of a step with the present shares, and sets new ones.
    /// - Throws: `TrainingError` for another number of workers or a time that is not positive.
    public mutating func observe(seconds: [Double]) throws(TrainingError) {
        guard seconds.count == shares.count, seconds.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw TrainingError("step times \(seconds) for \(shares.count) workers: each must be positive")
        }
        for worker in shares.indices {
            let now = seconds[worker] / Double(shares[worker])
            secondsPerSample[worker] = secondsPerSample[worker].map { smoothing * $0 + (1 - smoothing) * now } ?? now
        }
        shares = apportion(globalBatch, weights: secondsPerSample.map { 1 / ($0 ?? 1) })
    }
}

/// Whole shares of `total` in proportion to `weights`, at least one each and summing to `total`: largest remainders (Hamilton's method), the
/// earlier worker first among equals.
func apportion(_ total: Int, weights: [Double]) -> [Int] {
    let sum = weights.reduce(0, +)
    let spare = total - weights.count
    let exact = weights.map { Double(spare) * $0 / sum }
    var shares = exact.map { 1 + Int($0) }
    let order = shares.indices.sorted { (exact[$1] - exact[$1].rounded(.down), $0) < (exact[$0] - exact[$0].rounded(.down), $1) }
    var left = total - shares.reduce(0, +)
    for worker in order where left > 0 {
        shares[worker] += 1
        left -= 1
    }
    return shares
}
