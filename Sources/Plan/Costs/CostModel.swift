import Calibration
import Cluster
import Workload

/// Everything that turns the ops of a job into seconds: kernels, collectives, groups, and how the stack overlaps them.
public struct CostModel: Sendable {
    public let job: Job
    public let behaviour: StackBehaviour
    public let timings: KernelTimings
    public let collectives: CollectiveModel
    public let groups: GroupShapes
    public var constants: Constants { timings.constants }
    let efficiency: LinkEfficiency

    public init(job: Job, behaviour: StackBehaviour, constants: Constants, groups: GroupShapes) {
        self.init(job: job, behaviour: behaviour, constants: constants, groups: groups, collectives: CollectiveModel(cluster: job.cluster))
    }

    private init(job: Job, behaviour: StackBehaviour, constants: Constants, groups: GroupShapes, collectives: CollectiveModel) {
        self.job = job
        self.behaviour = behaviour
        self.groups = groups
        self.collectives = collectives
        timings = KernelTimings(
            accelerator: job.cluster.accelerator, constants: constants, behaviour: behaviour, precision: job.training.precision.compute,
            measured: job.software.measurements)
        efficiency = LinkEfficiency(intra: constants[.nvlink], inter: constants[.network])
    }

    /// The same job under other constants.
    public func with(_ constants: Constants) -> CostModel {
        CostModel(job: job, behaviour: behaviour, constants: constants, groups: groups, collectives: collectives)
    }

    /// The same machines, software and constants for another layout of the job.
    public func laidOut(_ job: Job, groups: GroupShapes) -> CostModel {
        CostModel(job: job, behaviour: behaviour, constants: constants, groups: groups, collectives: collectives)
    }

    /// Seconds of a collective of the named group, alone on its links.
    func seconds(_ communication: Communication) -> Double {
        let shape = group(communication.group)
        if communication.group == .expert, communication.kind == .allToAll, let split = dispatch(bytes: communication.bytes) {
            let across = collectives.seconds(.allToAll, bytes: split.asAllToAll, group: shape, efficiency: efficiency)
            let inside = GroupShape(ranks: shape.perDomain, perDomain: shape.perDomain, concurrent: shape.concurrent)
            return max(across, collectives.seconds(.allToAll, bytes: communication.bytes, group: inside, efficiency: efficiency))
        }
        return seconds(communication.kind.collective, bytes: communication.bytes, group: shape) + ringStart(communication)
    }

    /// A measured collective of a group that has its links to itself; nil where none of its size was measured.
    private func measured(_ operation: CollectiveOp, bytes: Double, group: GroupShape) -> Estimate? {
        guard let measured = timings.measured, group.ranks > 1, bytes > 0, group.concurrent == 1 || group.perDomain >= group.ranks,
            let kernel = operation.kernel
        else { return nil }
        return measured.collective(kernel, bytes: bytes, ranks: group.ranks, perNode: min(group.ranks, group.perDomain))
    }

    /// The ranks that a layer's communication runs over.
    public func group(_ kind: GroupKind) -> GroupShape {
        switch kind {
        case .tensor: groups.tensor
        case .tensorRow: groups.tensorRow
        case .tensorColumn: groups.tensorColumn
        case .context: groups.context
        case .expert: groups.expert
        }
    }

    /// What crosses the network where a token goes once to each node that has some of its experts, over all links of the nodes at once, and is
    /// copied there (arXiv:2412.19437 section 3.2.2). k experts on M nodes at random are on M (1 - (1 - 1/M)^k) different ones, and one node in
    /// D is the token's own. Also as bytes of a plain all-to-all that sends as much across. Nil: copies travel one by one.
    func dispatch(bytes: Double) -> (network: Double, asAllToAll: Double)? {
        let shape = groups.expert
        guard job.layout.expertDispatch.deduplicated, let moe = job.model.moe, shape.crossesDomains else { return nil }
        let copies = Double(max(1, moe.active))
        let domains = Double(shape.domains)
        let reached = max(1, min(domains, Double(moe.nodeLimit ?? shape.domains)))
        let nodes = reached * (1 - power(1 - 1 / reached, copies))
        let network = bytes / copies * nodes * (domains - 1) / domains
        let ranks = Double(shape.ranks)
        return (network, network * ranks / max(1, ranks - Double(shape.perDomain)))
    }

    func seconds(_ operation: CollectiveOp, bytes: Double, group: GroupShape) -> Double {
        guard group.ranks > 1, bytes > 0 else { return 0 }
        if let alone = measured(operation, bytes: bytes, group: group) {
            return alone.seconds / (group.perDomain >= group.ranks ? efficiency.intra : 1)
        }
        return collectives.seconds(operation, bytes: bytes, group: group, efficiency: efficiency)
    }

    /// Share of a layer's collective that stays on the path, and what it counts as.
    func exposure(_ communication: Communication, pass: Pass) -> (share: Double, activity: Activity) {
        let activity = TrafficGroup(of: communication).activity
        switch communication.group {
        case .tensor:
            let overlapped = tensorShare
            let isReduction = communication.kind != .allGather
            let share =
                pass == .weightGradient
                ? overlapped * constants[.tensorGatherBackward]
                : pass == .inputGradient && isReduction ? overlapped * constants[.tensorBackwardExposed] : overlapped
            return (share, activity)
        // Each step of a grid's product waits for its blocks.
        case .tensorRow, .tensorColumn: return (1, activity)
        // Heads are exchanged before the attention can start; keys pass round beside it.
        case .context: return (communication.kind == .allToAll ? 1 : constants[.contextExposed], activity)
        case .expert:
            return (constants[.expertExposed] * (behaviour.fusedExperts ? constants[.expertOverlap] : 1), activity)
        }
    }

    /// Share of a tensor-parallel collective that overlap with its product leaves on the path. User buffers pass the tensor round in as many chunks
    /// as there are ranks and hide all but the first, so larger groups leave less; the constant is that of four ranks.
    private var tensorShare: Double {
        switch behaviour.tensorOverlap {
        case .none: 1
        case .async: min(1, constants[.tensorAsyncExposed])
        case .userBuffer: min(1, constants[.tensorExposed] * power(4 / Double(max(2, job.layout.tensor)), constants[.tensorChunks]))
        }
    }

    /// Times of the ops of one unit for one micro-batch.
    func cost(of ops: [Op]) -> LayerCost {
        var cost = LayerCost()
        var again = RecomputedModules()
        if case .modules(let chosen) = job.training.recompute { again = chosen }
        for op in ops {
            var kernels = Double(timings.kernels(op))
            if case .communication = op.work { kernels *= collectiveKernels }
            var piece = PassCost()
            if case .communication(let communication) = op.work {
                let time = seconds(communication)
                let (share, activity) = exposure(communication, pass: op.pass)
                piece.seconds[activity] = time * share
                if let estimate = measured(communication.kind.collective, bytes: communication.bytes, group: group(communication.group)) {
                    piece.count(time * share, as: estimate.evidence)
                }
                piece.overlapped = time * (1 - share)
            } else {
                let estimate = timings.estimate(op)
                let time = estimate.seconds
                piece.seconds[op.pass == .forward ? .forward : .backward] = time
                piece.squares = time * time
                piece.count(time, as: estimate.evidence)
                piece.flops = Self.flops(op)
                if case .attention = op.work, op.pass == .forward { cost.core += piece }
            }
            switch op.pass {
            case .forward:
                if Self.isRepeated(op) { cost.elementwise += piece }
                cost.forward += piece
                cost.forwardKernels += kernels
                if let module = RecomputedModules(of: op), again.contains(module) {
                    cost.recompute += piece
                    cost.recomputeKernels += kernels
                }
            case .weightGradient where piece.seconds[.backward] > 0:
                cost.weight += piece
                cost.weightKernels += kernels
            // The gather for the weight gradient runs beside the input gradient's product and belongs to its pass.
            case .inputGradient, .weightGradient:
                cost.backward += piece
                cost.backwardKernels += kernels
            }
        }
        return cost
    }

    /// Whether the backward pass sends again what a forward op sends; `full`: its layer is recomputed as a whole.
    func repeats(_ op: Op, full: Bool) -> Bool {
        full || job.training.recompute == .selective && behaviour.selective == .half && Self.isRepeated(op)
    }

    /// Whether op-level selective recomputation does a forward op again whatever it keeps of the products.
    private static func isRepeated(_ op: Op) -> Bool {
        switch op.work {
        case .memory: true
        case .communication(let communication): communication.kind == .allGather && communication.group == .tensor
        case .gemm, .attention: false
        }
    }

    private static func flops(_ op: Op) -> Double {
        switch op.work {
        case .gemm(let gemm): gemm.flops
        case .attention(let core): core.fullFLOPs * core.visible * (op.pass == .forward ? 1 : 2.5)
        case .memory, .communication: 0
        }
    }

    /// What the backward pass computes again of a unit with cost `cost`.
    func recomputation(of cost: LayerCost, full: Bool) -> (cost: PassCost, kernels: Double) {
        if full {
            var again = cost.forward
            again.seconds[.recompute] = again.seconds[.forward]
            again.seconds[.forward] = 0
            return (again, cost.forwardKernels)
        }
        if case .modules = job.training.recompute {
            var again = cost.recompute
            again.seconds[.recompute] = again.seconds[.forward]
            again.seconds[.forward] = 0
            return (again, cost.recomputeKernels)
        }
        guard job.training.recompute == .selective else { return (PassCost(), 0) }
        var again = PassCost()
        if behaviour.selective == .half {
            // Every second matrix product is kept, and the attention core and the results of reductions; all else is done again.
            let light = cost.elementwise
            let products = cost.forward.seconds[.forward] - cost.core.seconds[.forward] - light.seconds[.forward]
            again.seconds = light.seconds
            again.seconds[.recompute] = light.seconds[.forward] + products * constants[.selectiveShare]
            again.seconds[.forward] = 0
            again.overlapped = light.overlapped
            let squares = cost.forward.squares - cost.core.squares - light.squares
            again.squares = light.squares + squares * constants[.selectiveShare]
            again.flops = (cost.forward.flops - cost.core.flops) * constants[.selectiveShare]
            return (again, cost.forwardKernels * 0.75)
        }
        // Fused attention keeps no scores, so there is nothing to select.
        guard !behaviour.flashAttention, cost.core.total > 0 else { return (again, 0) }
        again = cost.core
        again.seconds[.recompute] = again.seconds[.forward]
        again.seconds[.forward] = 0
        return (again, 6)
    }
}

extension RecomputedModules {
    /// The module that a forward op belongs to, by the name that the layer builder gives it; nil for one that is never left out.
    init?(of op: Op) {
        guard op.pass == .forward else { return nil }
        switch op.name {
        case "norm", "latent norm": self = .norms
        case "q up", "kv up", "rotary": self = .latentUp
        case "activation": self = .activation
        default: return nil
        }
    }
}

extension CollectiveOp {
    /// As measurements call it.
    fileprivate var kernel: Kernel? {
        switch self {
        case .allReduce: .allReduce
        case .allGather: .allGather
        case .reduceScatter: .reduceScatter
        case .allToAll: .allToAll
        case .broadcast: .broadcast
        case .sendReceive: .sendReceive
        }
    }
}

extension PassCost {
    fileprivate mutating func count(_ seconds: Double, as evidence: EvidenceKind) {
        switch evidence {
        case .measured: measured += seconds
        case .interpolated: interpolated += seconds
        case .formula: break
        }
    }
}
