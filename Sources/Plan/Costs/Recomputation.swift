import Calibration
import Workload

/// What the backward pass computes and sends again.
struct Recomputation {
    let policy: Recompute
    private let behaviour: StackBehaviour
    private let selectiveShare: Double

    init(_ policy: Recompute, model: CostModel) {
        self.policy = policy
        behaviour = model.behaviour
        selectiveShare = model.constants[.selectiveShare]
    }

    /// The modules of a layer that are computed again, where they are chosen one by one.
    var modules: RecomputedModules {
        if case .modules(let chosen) = policy { chosen } else { [] }
    }

    /// Every second matrix product is kept, and the attention core and the results of reductions; all else, grouped products of experts too, is done again
    /// (torchtitan's op-level policy).
    private var takesHalf: Bool { policy == .selective && behaviour.selective == .half }

    /// Whether the backward pass sends again what a forward op sends; `full`: its layer is recomputed as a whole.
    func repeats(_ op: Op, full: Bool) -> Bool {
        full || takesHalf && Self.isLight(op) || !modules.isDisjoint(with: RecomputedModules(of: op))
    }

    /// Whether op-level selective recomputation does a forward op again whatever it keeps of the products.
    static func isLight(_ op: Op) -> Bool {
        switch op.work {
        case .memory: true
        case .communication(let communication): communication.kind == .allGather && communication.group == .tensor
        case .gemm, .attention: false
        }
    }

    /// What the backward pass computes again of a unit with cost `cost`, and in how many kernels.
    func cost(of cost: LayerCost, full: Bool) -> (cost: PassCost, kernels: Double) {
        if full { return (Self.again(cost.forward), cost.forwardKernels) }
        if case .modules = policy { return (Self.again(cost.recompute), cost.recomputeKernels) }
        guard policy == .selective else { return (PassCost(), 0) }
        if takesHalf {
            var light = cost.elementwise
            light += cost.grouped
            let products = cost.forward.seconds[.forward] - cost.core.seconds[.forward] - light.seconds[.forward]
            var again = PassCost()
            again.seconds = light.seconds
            again.seconds[.recompute] = light.seconds[.forward] + products * selectiveShare
            again.seconds[.forward] = 0
            again.overlapped = light.overlapped
            let squares = cost.forward.squares - cost.core.squares - light.squares
            again.squares = light.squares + squares * selectiveShare
            again.flops = cost.grouped.flops + (cost.forward.flops - cost.core.flops - cost.grouped.flops) * selectiveShare
            return (again, cost.forwardKernels * 0.75)
        }
        // Fused attention keeps no scores, so there is nothing to select.
        guard !behaviour.flashAttention, cost.core.total > 0 else { return (PassCost(), 0) }
        return (Self.again(cost.core), 6)
    }

    private static func again(_ forward: PassCost) -> PassCost {
        var again = forward
        again.seconds[.recompute] = again.seconds[.forward]
        again.seconds[.forward] = 0
        return again
    }
}

extension RecomputedModules {
    /// The modules whose recomputation does a forward op again, by its role and its part of the layer.
    public init(of op: Op) {
        self = []
        guard op.pass == .forward else { return }
        switch op.role {
        case .norm: insert(.norms)
        case .latentUp, .rotary: insert(.latentUp)
        case .activation:
            insert(.activation)
            if op.part == .elementwise { insert(.mlp) }
        case .other: break
        }
        switch op.part {
        case .mlp: insert(.mlp)
        case .router, .experts: insert(.moe)
        default: break
        }
        if case .attention = op.work { insert(.attentionCore) }
    }
}
