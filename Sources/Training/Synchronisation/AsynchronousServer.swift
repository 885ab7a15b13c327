/// Parameters that workers pull and push gradients to without waiting for each other, with the delay compensated and staleness bounded.
///
/// A gradient computed at version v and applied at version t has staleness t - v. With staleness 0 every form is plain SGD.
public struct AsynchronousServer<Scalar: TrainingScalar>: Sendable {
    public enum Compensation: Sendable {
        case none
        /// theta' = theta - rate (g + alpha D), D the weighted sum of the updates since the gradient's version, newest weighted 1 and each
        /// older one `decay` times the next; an update is theta's change divided by -rate, so that D is in units of a gradient.
        /// alpha starts at `alpha` and is divided by 1 + step / `halfLife`.
        case pastUpdates(alpha: Double, decay: Double, halfLife: Double)
        /// DC-ASGD (Zheng et al., arXiv:1609.08326): g + lambda g^2 (theta - theta_v), a diagonal Taylor term.
        case taylor(lambda: Double)
    }

    public private(set) var parameters: [Scalar]
    /// Updates applied.
    public private(set) var version = 0
    public let compensation: Compensation
    /// A gradient staler than this is refused; nil for any.
    public let bound: Int?
    /// The parameters of the last versions that may still be needed, oldest first, and the gradients applied since.
    private var history: [[Scalar]] = []
    private var applied: [[Scalar]] = []
    private let depth: Int

    /// - Parameter depth: versions remembered for compensation where no bound limits them.
    /// - Throws: `TrainingError` for a negative bound or depth.
    public init(_ parameters: [Scalar], compensation: Compensation = .none, bound: Int? = nil, depth: Int = 64) throws(TrainingError) {
        guard bound ?? 0 >= 0, depth >= 0 else { throw TrainingError("a staleness bound of \(bound ?? 0): it must be zero or more") }
        self.parameters = parameters
        self.compensation = compensation
        self.bound = bound
        self.depth = bound ?? depth
    }

    /// The parameters and the version that a gradient from them must name.
    public func pull() -> (parameters: [Scalar], version: Int) { (parameters, version) }

    /// Applies `gradient` [elements], computed at `origin`; returns its staleness.
    /// - Throws: `TrainingError` for a length or version that does not exist, and for a gradient staler than the bound, which the worker must
    ///   compute again from a fresh pull.
    @discardableResult
    public mutating func push(_ gradient: [Scalar], origin: Int, rate: Double) throws(TrainingError) -> Int {
        guard gradient.count == parameters.count else {
            throw TrainingError("\(gradient.count) gradients for \(parameters.count) parameters")
        }
        guard origin >= 0, origin <= version else { throw TrainingError("version \(origin) does not exist; the newest is \(version)") }
        let staleness = version - origin
        if let bound, staleness > bound { throw TrainingError("staleness \(staleness) exceeds the bound of \(bound)") }
        var step = gradient
        switch compensation {
        case .none: break
        case .pastUpdates(let alpha, let decay, let halfLife):
            var weight = alpha / (1 + Double(version) / halfLife)
            for past in applied.suffix(staleness).reversed() {
                Scalar.axpy(&step, past, Scalar(weight))
                weight *= decay
            }
        case .taylor(let lambda):
            if staleness > 0 {
                let then = history[max(0, history.count - staleness)]
                Scalar.compensate(&step, now: parameters, then: then, lambda: Scalar(lambda))
            }
        }
        remember(step)
        Scalar.axpy(&parameters, step, Scalar(-rate))
        version += 1
        return staleness
    }

    private mutating func remember(_ step: [Scalar]) {
        guard depth > 0 else { return }
        switch compensation {
        case .none: return
        case .pastUpdates: applied.append(step)
        case .taylor: history.append(parameters)
        }
        if applied.count > depth { applied.removeFirst() }
        if history.count > depth { history.removeFirst() }
    }
}
