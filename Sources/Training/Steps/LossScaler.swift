/// Multiplies the loss so that small gradients survive half precision (Micikevicius et al., arXiv:1710.03740). Dynamic: halved on overflow,
/// when the step is skipped, and doubled after `interval` clean steps in a row.
public struct LossScaler: Equatable, Sendable {
    public private(set) var scale: Double
    /// Factors on the scale after clean steps, and after an overflow.
    public let growth: Double
    public let backoff: Double
    /// Clean steps before growth; nil for a static scale.
    public let interval: Int?
    public private(set) var cleanSteps = 0
    public private(set) var skippedSteps = 0
    static let largest = 0x1p64
    static let least = 0x1p-24

    /// A dynamic scale.
    public init(initial: Double = 65536, growth: Double = 2, backoff: Double = 0.5, interval: Int = 2000) throws(TrainingError) {
        guard initial > 0, growth > 1, backoff > 0, backoff < 1, interval >= 1 else {
            throw TrainingError(
                "a loss scale of \(initial) that grows by \(growth) after \(interval) steps and falls by \(backoff) cannot work")
        }
        scale = initial
        self.growth = growth
        self.backoff = backoff
        self.interval = interval
    }

    /// A scale that never changes; overflow still skips the step.
    public init(fixed: Double) {
        scale = fixed
        growth = 1
        backoff = 1
        interval = nil
    }

    /// Divides `gradients` [tensors][elements] by the scale; false if any is not finite.
    public func unscale<Scalar: TrainingScalar>(_ gradients: inout [[Scalar]]) -> Bool {
        var finite = true
        for i in gradients.indices {
            Scalar.scale(&gradients[i], Scalar(1 / scale))
            finite = finite && Scalar.allFinite(gradients[i])
        }
        return finite
    }

    /// Takes note of whether the gradients of this step, over all workers, were finite; says whether the step is to be taken.
    public mutating func update(finite: Bool) -> Bool {
        guard let interval else {
            if !finite { skippedSteps += 1 }
            return finite
        }
        if finite {
            cleanSteps += 1
            if cleanSteps == interval {
                scale = min(Self.largest, scale * growth)
                cleanSteps = 0
            }
        } else {
            scale = max(Self.least, scale * backoff)
            cleanSteps = 0
            skippedSteps += 1
        }
        return finite
    }

    /// Goes on from a saved scale and its clean steps.
    public mutating func restore(scale: Double, cleanSteps: Int) {
        self.scale = scale
        self.cleanSteps = cleanSteps
    }
}
