/// An optimizer whose rule is chosen when the program runs.
public protocol TrainingOptimizer<Scalar>: Sendable {
    associatedtype Scalar: TrainingScalar
    var shapes: [[Int]] { get }
    var state: OptimizerState<Scalar> { get }
    /// One step on `parameters` [tensors] along `gradients` [tensors][elements]; `progress` is the share of the training that is done, 0 to 1.
    /// - Throws: `TrainingError` where a shape differs from what this optimizer was made for; nothing has then changed.
    mutating func step(_ parameters: inout [Tensor<Scalar>], gradients: [[Scalar]], rate: Double, progress: Double) throws(TrainingError)
    /// Goes on from a saved state.
    /// - Throws: `TrainingError` where the state was saved for other shapes or another rule.
    mutating func restore(_ saved: OptimizerState<Scalar>) throws(TrainingError)
}

extension Optimizer: TrainingOptimizer {}

/// An update rule by name, with its constants.
public enum OptimizerRecipe: Sendable, Equatable {
    case sgd(momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0)
    case adam(beta1: Double = 0.9, beta2: Double = 0.999)
    case adamW(beta1: Double = 0.9, beta2: Double = 0.999, decay: Double = 0.01)
    case adam8bit, lamb, lion, adafactor, muon
    /// Adam whose betas move with the progress of training.
    case dynamicBetas
    /// A descent whose rate follows the variance of the gradient.
    case varianceAdaptive

    /// The optimizer for tensors of `shapes`.
    /// - Throws: `TrainingError` for constants that the rule refuses, and in double precision for rules that are single precision only.
    public func make<Scalar: TrainingScalar>(shapes: [[Int]]) throws(TrainingError) -> any TrainingOptimizer<Scalar> {
        switch self {
        case .sgd(let momentum, let nesterov, let decay):
            Optimizer(try SGD<Scalar>(momentum: momentum, weightDecay: decay, nesterov: nesterov), shapes: shapes)
        case .adam(let beta1, let beta2): Optimizer(Adam<Scalar>(beta1: beta1, beta2: beta2), shapes: shapes)
        case .adamW(let beta1, let beta2, let decay):
            Optimizer(Adam<Scalar>(beta1: beta1, beta2: beta2, decay: .decoupled(decay)), shapes: shapes)
        case .lamb: Optimizer(LAMB<Scalar>(), shapes: shapes)
        case .lion: Optimizer(Lion<Scalar>(), shapes: shapes)
        case .adafactor: Optimizer(Adafactor<Scalar>(), shapes: shapes)
        case .muon: Optimizer(Muon<Scalar>(), shapes: shapes)
        case .dynamicBetas: Optimizer(DynamicBetas<Scalar>(), shapes: shapes)
        case .varianceAdaptive: Optimizer(VarianceAdaptive<Scalar>(), shapes: shapes)
        case .adam8bit: try Self.eightBit(shapes)
        }
    }

    private static func eightBit<Scalar: TrainingScalar>(_ shapes: [[Int]]) throws(TrainingError) -> any TrainingOptimizer<Scalar> {
        guard let optimizer = Optimizer(Adam8bit(), shapes: shapes) as? any TrainingOptimizer<Scalar> else {
            throw TrainingError("8-bit Adam works in single precision: choose fp32")
        }
        return optimizer
    }
}
