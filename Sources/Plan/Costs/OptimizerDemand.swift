import Calibration
import Cluster
import Training
import Workload

extension OptimizerKind {
    /// The rule that really runs, in single precision; only what it states of itself is asked here, never its rates.
    public var rule: any UpdateRule<Float> {
        switch self {
        case .sgd: SGD.heavyBall()
        case .momentum: SGD.heavyBall(momentum: 0.9)
        case .adam: Adam()
        case .adamw: Adam.adamW()
        case .lamb: LAMB()
        case .lion: Lion()
        case .adafactor: Adafactor()
        case .muon: Muon()
        case .adam8bit: Adam8bit()
        }
    }
}

/// What one update takes, a parameter of a square matrix as wide as the model: nearly all parameters of a network lie in such ones, and for rules
/// that work element by element the shape says nothing.
public struct OptimizerDemand: Sendable, Hashable {
    /// Bytes of state beside the master copy.
    public let stateBytes: Double
    /// Bytes that the rule reads and writes.
    public let updateBytes: Double
    /// FLOPs of matrix products (Muon's).
    public let productFLOPs: Double
    /// Bytes that clipping by the global norm reads.
    public let clipBytes: Double
    let side: Int

    /// - Parameter moments: format of the state that the rule keeps an element in single precision; nil: fp32.
    public init(_ kind: OptimizerKind, model: Architecture, moments: Precision? = nil) {
        side = max(256, model.hidden)
        let shape = [side, side]
        let count = Double(side * side)
        let cost = kind.rule.cost(for: shape)
        let whole = kind.rule.stateBytesPerParameter(for: shape)
        // What is kept in single precision, and what the moments' own format leaves out of it, read and written.
        let wide = Double(kind.rule.momentBytes(for: shape)) / count
        let saved = wide * (1 - (moments?.bytes ?? 4) / 4)
        stateBytes = whole - saved
        updateBytes = cost.bytes / count - 2 * saved
        productFLOPs = cost.productFLOPs / count
        clipBytes = NormClipper<Float>.cost(count: side * side).bytes / count
    }

    /// Seconds for `parameters` of which each rank updates a `shard`th: the rule's own traffic there, and for all of them the norm and the zeroing of
    /// the gradients. The rule's read of a gradient, 4 bytes, is left to the fitted factor, as it was when the profiles were fitted; so is 1.3, the
    /// cast of the updated master copy and short kernels.
    func seconds(parameters: Double, shard: Double, model: CostModel) -> Double {
        let bytes = parameters * ((updateBytes - 4) / shard + clipBytes + 4) * 1.3
        var seconds = model.timings.memorySeconds(bytes)
        if productFLOPs > 0 {
            let gemm = GEMM(m: side, n: side, k: side, lowPrecision: false)
            let product = model.timings.seconds(Op("orthogonalise", .elementwise, .forward, .gemm(gemm)))
            seconds += product / gemm.flops * productFLOPs * parameters / shard
        }
        return seconds
    }
}

extension Job {
    /// Bytes of optimizer state per parameter beside the master copy, as the rule that runs states them.
    public var stateBytesPerParameter: Double { optimizerDemand.stateBytes }

    var optimizerDemand: OptimizerDemand { OptimizerDemand(training.optimizer, model: model, moments: precision.moments) }
}
