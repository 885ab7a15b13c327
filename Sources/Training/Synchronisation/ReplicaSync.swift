/// How replicas of a model, each with its own parameters, are brought together.
public protocol ReplicaSync<Scalar>: Sendable {
    associatedtype Scalar: TrainingScalar
    /// True if the replicas meet after local step `step` (1 for the first).
    func isDue(afterStep step: Int) -> Bool
    /// Brings `replicas` [workers][elements] together.
    /// - Throws: `TrainingError` where they have different lengths.
    mutating func synchronize(_ replicas: inout [[Scalar]]) throws(TrainingError)
    /// Takes note of how long the workers computed and how long they communicated since the last meeting.
    mutating func observe(computeSeconds: Double, communicationSeconds: Double)
}

extension ReplicaSync {
    public mutating func observe(computeSeconds: Double, communicationSeconds: Double) {}
}

/// The mean of `vectors` [workers][elements], summed in worker order. One worker gives its own values to the bit.
/// - Throws: `TrainingError` where there is none, or lengths differ.
public func mean<Scalar: TrainingScalar>(_ vectors: [[Scalar]]) throws(TrainingError) -> [Scalar] {
    guard var sum = vectors.first, vectors.allSatisfy({ $0.count == sum.count }) else {
        throw TrainingError("\(vectors.count) workers with vectors of \(vectors.map(\.count)) elements cannot be averaged")
    }
    for vector in vectors.dropFirst() { Scalar.axpy(&sum, vector, 1) }
    if vectors.count > 1 { Scalar.scale(&sum, 1 / Scalar(vectors.count)) }
    return sum
}

/// Local SGD (Stich, arXiv:1805.09767): replicas step on their own and average their parameters every `period` steps. A period of 1 with plain
/// SGD is synchronous all-reduce up to rounding.
public struct LocalSGD<Scalar: TrainingScalar>: ReplicaSync {
    /// Steps from one meeting to the next.
    public private(set) var period: Int
    /// Where given, the period follows the measured share of time spent communicating.
    public let adaptation: PeriodAdaptation?

    /// - Throws: `TrainingError` for a period below 1.
    public init(period: Int, adaptation: PeriodAdaptation? = nil) throws(TrainingError) {
        guard period >= 1 else { throw TrainingError("a period of \(period) steps: it must be at least 1") }
        self.period = period
        self.adaptation = adaptation
    }

    public func isDue(afterStep step: Int) -> Bool { step % period == 0 }

    public mutating func synchronize(_ replicas: inout [[Scalar]]) throws(TrainingError) {
        let average = try mean(replicas)
        for worker in replicas.indices { replicas[worker] = average }
    }

    public mutating func observe(computeSeconds: Double, communicationSeconds: Double) {
        guard let adaptation else { return }
        period = adaptation.period(now: period, computeSeconds: computeSeconds, communicationSeconds: communicationSeconds)
    }
}

/// Chooses local steps so that communication takes a given share of the time: with c seconds for a meeting and s for a step, a period of
/// h has the share c / (c + h s), so h = c (1 - share) / (share s), rounded up and held within limits.
public struct PeriodAdaptation: Sendable {
    /// Share of the time that communication is to take, and the periods that are possible.
    public let targetShare: Double
    public let limits: ClosedRange<Int>

    /// - Throws: `TrainingError` for a share outside (0, 1) or limits below 1.
    public init(targetShare: Double, limits: ClosedRange<Int> = 1...512) throws(TrainingError) {
        guard targetShare > 0, targetShare < 1, limits.lowerBound >= 1 else {
            throw TrainingError(
                "a communication share of \(targetShare) with \(limits) local steps: it must be within (0, 1), and at least one step")
        }
        self.targetShare = targetShare
        self.limits = limits
    }

    /// The period after `now` steps that took `computeSeconds`, and a meeting that took `communicationSeconds`.
    public func period(now: Int, computeSeconds: Double, communicationSeconds: Double) -> Int {
        guard computeSeconds > 0, communicationSeconds >= 0 else { return now }
        let step = computeSeconds / Double(now)
        let wanted = (communicationSeconds * (1 - targetShare) / (targetShare * step)).rounded(.up)
        return min(max(wanted < 1e9 ? Int(wanted) : limits.upperBound, limits.lowerBound), limits.upperBound)
    }
}

/// DiLoCo (Douillard et al., arXiv:2311.08105): after `period` inner steps the mean change of the replicas is taken as a gradient by an outer
/// SGD with Nesterov momentum. With an outer rate of 1 and no momentum it is local SGD.
public struct DiLoCo<Scalar: TrainingScalar>: ReplicaSync {
    /// Inner steps from one meeting to the next, and the rate of the outer step.
    public let period: Int
    public let outerRate: Double
    private var outer: Optimizer<SGD<Scalar>>
    /// The parameters that all agreed on last [elements].
    public private(set) var shared: Tensor<Scalar>

    /// - Throws: `TrainingError` for a period below 1.
    public init(start: [Scalar], period: Int, outerRate: Double = 0.7, outerMomentum: Double = 0.9) throws(TrainingError) {
        guard period >= 1 else { throw TrainingError("a period of \(period) steps: it must be at least 1") }
        self.period = period
        self.outerRate = outerRate
        shared = Tensor(start)
        outer = Optimizer(try SGD(momentum: outerMomentum, nesterov: outerMomentum > 0), shapes: [[start.count]])
    }

    public func isDue(afterStep step: Int) -> Bool { step % period == 0 }

    public mutating func synchronize(_ replicas: inout [[Scalar]]) throws(TrainingError) {
        var change = shared.values
        Scalar.axpy(&change, try mean(replicas), -1)
        var parameters = [shared]
        try outer.step(&parameters, gradients: [change], rate: outerRate)
        shared = parameters[0]
        for worker in replicas.indices { replicas[worker] = shared.values }
    }
}
