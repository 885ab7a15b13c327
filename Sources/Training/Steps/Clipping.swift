/// Limits gradients before a step.
public protocol GradientClipper<Scalar>: Sendable {
    associatedtype Scalar: TrainingScalar
    /// Changes `gradients` [tensors][elements]; `parameters` [tensors] are those they belong to. A norm that is not finite leaves them as they
    /// are, for the loss scaler to see.
    mutating func clip(_ gradients: inout [[Scalar]], parameters: [Tensor<Scalar>]) -> ClipReport
}

extension GradientClipper {
    /// Of one call on `count` elements that clips nothing, as most do: the norm reads every element once; scaling would read and write it again.
    public static func cost(count: Int) -> StepCost {
        StepCost(flops: 2 * Double(count), bytes: Double(count * MemoryLayout<Scalar>.size))
    }
}

/// What clipping found and did.
public struct ClipReport: Equatable, Sendable {
    /// Global norm before clipping.
    public var norm: Double
    /// What the gradients were multiplied by, 1 for nothing; nil where the elements had different factors.
    public var factor: Double?
}

/// The norm over all tensors together.
public func globalNorm<Scalar: TrainingScalar>(_ gradients: [[Scalar]]) -> Double {
    gradients.reduce(0) { $0 + Scalar.sumOfSquares($1) }.squareRoot()
}

/// Scales everything by min(1, maximum / (norm + 1e-6)) (arXiv:1211.5063; the constant as in PyTorch).
public struct NormClipper<Scalar: TrainingScalar>: GradientClipper {
    /// Largest norm of all gradients together.
    public var maximum: Double
    public init(maximum: Double) { self.maximum = maximum }

    public mutating func clip(_ gradients: inout [[Scalar]], parameters: [Tensor<Scalar>]) -> ClipReport {
        scale(&gradients, norm: globalNorm(gradients), to: maximum)
    }
}

private func scale<Scalar: TrainingScalar>(_ gradients: inout [[Scalar]], norm: Double, to maximum: Double) -> ClipReport {
    guard norm.isFinite else { return ClipReport(norm: norm, factor: 1) }
    let factor = min(1, maximum / (norm + 1e-6))
    if factor < 1 { for i in gradients.indices { Scalar.scale(&gradients[i], Scalar(factor)) } }
    return ClipReport(norm: norm, factor: factor)
}

/// Limits every element to +-limit.
public struct ValueClipper<Scalar: TrainingScalar>: GradientClipper {
    /// Largest absolute value of an element.
    public var limit: Double
    public init(limit: Double) { self.limit = limit }

    public mutating func clip(_ gradients: inout [[Scalar]], parameters: [Tensor<Scalar>]) -> ClipReport {
        let norm = globalNorm(gradients)
        for i in gradients.indices { Scalar.clamp(&gradients[i], Scalar(limit)) }
        return ClipReport(norm: norm, factor: nil)
    }
}

/// Clips to a quantile of the last `window` norms (AutoClip, Seetharaman et al. 2020, arXiv:2007.14469). Until `window / 10` norms have been
/// seen it does not clip. The norm before clipping enters the window.
public struct QuantileClipper<Scalar: TrainingScalar>: GradientClipper {
    /// Quantile of the norms that is the limit, and how many of the last norms count.
    public let quantile: Double
    public let window: Int
    /// The last norms, oldest first.
    public private(set) var norms: [Double] = []

    /// - Throws: `TrainingError` for a quantile outside [0, 1] or an empty window.
    public init(quantile: Double, window: Int = 1000) throws(TrainingError) {
        guard quantile >= 0, quantile <= 1, window >= 1 else {
            throw TrainingError("quantile \(quantile) of \(window) norms: the quantile must be 0 to 1 and the window at least 1")
        }
        self.quantile = quantile
        self.window = window
    }

    /// The same clipper after `norms`, oldest first.
    public func restored(_ norms: [Double]) -> QuantileClipper {
        var other = self
        other.norms = Array(norms.suffix(window))
        return other
    }

    /// The clipping norm now; nil while there are too few to tell. Between two norms it interpolates linearly.
    public var threshold: Double? {
        guard norms.count >= max(1, window / 10) else { return nil }
        let sorted = norms.sorted()
        let position = quantile * Double(sorted.count - 1)
        let low = Int(position)
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (position - Double(low)) * (sorted[high] - sorted[low])
    }

    public mutating func clip(_ gradients: inout [[Scalar]], parameters: [Tensor<Scalar>]) -> ClipReport {
        let norm = globalNorm(gradients)
        guard norm.isFinite else { return ClipReport(norm: norm, factor: 1) }
        let limit = threshold
        norms.append(norm)
        if norms.count > window { norms.removeFirst() }
        guard let limit else { return ClipReport(norm: norm, factor: 1) }
        return scale(&gradients, norm: norm, to: limit)
    }
}

/// Adaptive gradient clipping (NFNets, Brock et al., arXiv:2102.06171): each unit, a row of a matrix or a whole vector, is scaled so that
/// |g| <= ratio max(|p|, least).
public struct AdaptiveClipper<Scalar: TrainingScalar>: GradientClipper {
    /// Largest norm of a unit's gradient over that of the unit, and the least norm that a unit is taken to have.
    public var ratio: Double
    public var least: Double
    public init(ratio: Double = 0.01, least: Double = 1e-3) {
        self.ratio = ratio
        self.least = least
    }

    public mutating func clip(_ gradients: inout [[Scalar]], parameters: [Tensor<Scalar>]) -> ClipReport {
        let norm = globalNorm(gradients)
        guard norm.isFinite else { return ClipReport(norm: norm, factor: 1) }
        for i in gradients.indices where i < parameters.count && gradients[i].count == parameters[i].values.count {
            let width = Tensor<Scalar>.matrix(parameters[i].shape)?.columns ?? gradients[i].count
            for start in stride(from: 0, to: gradients[i].count, by: max(1, width)) {
                let unit = start..<start + width
                let allowed = ratio * max(Scalar.norm(Array(parameters[i].values[unit])), least)
                let size = Scalar.norm(Array(gradients[i][unit]))
                guard size > allowed else { continue }
                for j in unit { gradients[i][j] *= Scalar(allowed / size) }
            }
        }
        return ClipReport(norm: norm, factor: nil)
    }
}
