/// Parameters that workers pull and push gradients to without waiting for each other, with the delay compensated and staleness bounded.
///
/// A gradient computed at version v and applied at version t has staleness t - v. With staleness 0 every form is plain SGD.
public struct AsynchronousServer<Scalar: TrainingScalar>: Sendable {
    /// What is done about a gradient that comes late.
    public typealias Compensation = DelayCompensation

    /// [elements] at the present version.
    public private(set) var parameters: [Scalar]
    /// Updates applied.
    public private(set) var version = 0
    /// As given at the start.
    public var compensation: Compensation { compensator.compensation }
    /// A gradient staler than this is refused; nil for any.
    public let bound: Int?
    private var compensator: DelayCompensator<Scalar>
    /// The parameters of the last versions that may still be needed, oldest first.
    private var history: [[Scalar]] = []
    private let depth: Int

    /// - Parameter depth: versions remembered for compensation where no bound limits them.
    /// - Throws: `TrainingError` for a negative bound or depth.
    public init(_ parameters: [Scalar], compensation: Compensation = .none, bound: Int? = nil, depth: Int = 64) throws(TrainingError) {
        guard bound ?? 0 >= 0, depth >= 0 else { throw TrainingError("a staleness bound of \(bound ?? 0): it must be zero or more") }
        self.parameters = parameters
        self.bound = bound
        self.depth = bound ?? depth
        compensator = DelayCompensator(compensation, depth: self.depth)
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
        let then = history.isEmpty ? parameters : history[max(0, history.count - max(1, staleness))]
        compensator.correct(&step, now: parameters, then: then, staleness: staleness, version: version)
        remember(step)
        Scalar.axpy(&parameters, step, Scalar(-rate))
        version += 1
        return staleness
    }

    private mutating func remember(_ step: [Scalar]) {
        compensator.remember(step)
        switch compensation {
        case .none, .pastUpdates: return
        case .taylor, .hessian: if depth > 0 { history.append(parameters) }
        }
        if history.count > depth { history.removeFirst() }
    }
}
