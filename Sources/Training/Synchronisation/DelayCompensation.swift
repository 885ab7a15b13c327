/// What is done to a gradient that was computed from parameters which have moved on since.
public enum DelayCompensation: Sendable, Equatable {
    case none
    /// theta' = theta - rate (g + alpha D), D the weighted sum of the updates since the gradient's version, newest weighted 1 and each
    /// older one `decay` times the next; an update is what the rule took for a gradient, of plain SGD theta's change divided by -rate.
    /// alpha starts at `alpha` and is divided by 1 + step / `halfLife`.
    case pastUpdates(alpha: Double, decay: Double, halfLife: Double)
    /// DC-ASGD (Zheng et al., arXiv:1609.08326): g + lambda g^2 (theta - theta_v), a diagonal Taylor term.
    case taylor(lambda: Double)
    /// g + h (theta - theta_v) with a known diagonal Hessian h [elements]: on a quadratic nothing of the delay is left.
    case hessian([Double])
}

/// Applies a compensation, and remembers the updates that it needs.
public struct DelayCompensator<Scalar: TrainingScalar>: Sendable {
    /// What is done about a gradient that comes late.
    public let compensation: DelayCompensation
    /// The last updates in units of a gradient, oldest first; kept for `pastUpdates` only.
    public private(set) var updates: [[Scalar]]
    private let depth: Int

    /// - Parameter depth: updates remembered; older ones count for nothing.
    public init(_ compensation: DelayCompensation, depth: Int = 64, updates: [[Scalar]] = []) {
        self.compensation = compensation
        self.depth = depth
        self.updates = updates
    }

    /// Whether updates are kept.
    public var remembers: Bool {
        if case .pastUpdates = compensation { depth > 0 } else { false }
    }

    /// Changes `gradient` [elements], computed at `then` [elements] and applied at `now` [elements], `staleness` updates later.
    /// - Parameter version: updates applied so far.
    public func correct(_ gradient: inout [Scalar], now: [Scalar], then: [Scalar], staleness: Int, version: Int) {
        guard staleness > 0 else { return }
        switch compensation {
        case .none: break
        case .pastUpdates(let alpha, let decay, let halfLife):
            var weight = alpha / (1 + Double(version) / halfLife)
            for past in updates.suffix(staleness).reversed() {
                Scalar.axpy(&gradient, past, Scalar(weight))
                weight *= decay
            }
        case .taylor(let lambda): Scalar.compensate(&gradient, now: now, then: then, lambda: Scalar(lambda))
        case .hessian(let curvature):
            for i in 0..<min(gradient.count, curvature.count, now.count, then.count) {
                gradient[i] += Scalar(curvature[i]) * (now[i] - then[i])
            }
        }
    }

    /// Takes note of an update, in units of a gradient.
    public mutating func remember(_ update: [Scalar]) {
        guard remembers else { return }
        updates.append(update)
        if updates.count > depth { updates.removeFirst() }
    }
}
