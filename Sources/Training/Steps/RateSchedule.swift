/// The learning rate as a function of the step, 0 for the first.
public protocol RateSchedule: Sendable {
    func rate(at step: Int) -> Double
}

/// One rate for the whole training.
public struct ConstantRate: RateSchedule {
    /// The rate.
    public let value: Double
    public init(_ value: Double) { self.value = value }
    public func rate(at step: Int) -> Double { value }
}

/// From `start` linearly to `peak` at step `warmup`, then to `end` at step `total`, by half a cosine (arXiv:1608.03983) or linearly. After
/// that it stays at `end`. Exact at the boundaries: rate(0) = start (peak without warm-up), rate(warmup) = peak, rate(total) = end.
public struct WarmupDecay: RateSchedule {
    /// The curve from the peak to the end.
    public enum Shape: Sendable {
        case cosine
        case linear
    }
    /// The curve, the rates at its corners, and the steps of warm-up and of the whole run.
    public let shape: Shape
    public let start: Double
    public let peak: Double
    public let end: Double
    public let warmup: Int
    public let total: Int

    /// - Throws: `TrainingError` unless 0 <= warmup <= total.
    public init(
        _ shape: Shape, peak: Double, warmup: Int, total: Int, ends: (start: Double, end: Double) = (0, 0)
    ) throws(TrainingError) {
        guard warmup >= 0, warmup <= total else {
            throw TrainingError("a warm-up of \(warmup) steps in a run of \(total): it must be 0 to \(total)")
        }
        self.shape = shape
        start = ends.start
        self.peak = peak
        end = ends.end
        self.warmup = warmup
        self.total = total
    }

    public func rate(at step: Int) -> Double {
        if step < warmup { return start + (peak - start) * Double(step) / Double(warmup) }
        if step == warmup { return peak }
        if step >= total { return end }
        let t = Double(step - warmup) / Double(total - warmup)
        switch shape {
        case .cosine: return end + (peak - end) * 0.5 * (1 + cosine(.pi * t))
        case .linear: return peak + (end - peak) * t
        }
    }
}

/// Linear to `peak` at step `warmup`, then peak sqrt(warmup / step) (arXiv:1706.03762).
public struct InverseSquareRoot: RateSchedule {
    /// The highest rate, and the step at which it is reached.
    public let peak: Double
    public let warmup: Int

    /// - Throws: `TrainingError` for a warm-up below one step.
    public init(peak: Double, warmup: Int) throws(TrainingError) {
        guard warmup >= 1 else { throw TrainingError("the inverse square root needs a warm-up of at least one step, not \(warmup)") }
        self.peak = peak
        self.warmup = warmup
    }

    public func rate(at step: Int) -> Double {
        if step <= warmup { return step == warmup ? peak : peak * Double(step) / Double(warmup) }
        return peak * (Double(warmup) / Double(step)).squareRoot()
    }
}

/// Warm-up, stable, decay (arXiv:2404.06395): linear to `peak` at `warmup`, constant up to `decayStart`, then to `end` at `total` along
/// 1 - sqrt(t) or linearly.
public struct WarmupStableDecay: RateSchedule {
    /// The curve of the last phase.
    public enum Decay: Sendable {
        case linear
        /// arXiv:2405.18392.
        case oneMinusSquareRoot
    }
    /// The rates of the stable phase and of the end, the steps at which the phases end, and the last phase's curve.
    public let peak: Double
    public let end: Double
    public let warmup: Int
    public let decayStart: Int
    public let total: Int
    public let decay: Decay

    /// - Throws: `TrainingError` unless 0 <= warmup <= decayStart <= total.
    public init(
        peak: Double, warmup: Int, decayStart: Int, total: Int, decay: (Decay, end: Double) = (.linear, 0)
    ) throws(TrainingError) {
        guard 0 <= warmup, warmup <= decayStart, decayStart <= total else {
            throw TrainingError("phases must be in order: warm-up \(warmup), decay from \(decayStart), total \(total)")
        }
        self.peak = peak
        self.warmup = warmup
        self.decayStart = decayStart
        self.total = total
        self.decay = decay.0
        end = decay.end
    }

    public func rate(at step: Int) -> Double {
        if step < warmup { return peak * Double(step) / Double(warmup) }
        if step <= decayStart { return peak }
        if step >= total { return end }
        let t = Double(step - decayStart) / Double(total - decayStart)
        return peak + (end - peak) * (decay == .linear ? t : t.squareRoot())
    }
}
