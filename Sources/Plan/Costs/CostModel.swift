import Calibration
import Cluster
import Workload

/// Everything that turns the ops of a model on its machines into seconds: kernels, collectives, groups, and how the stack overlaps them.
public struct CostModel: Sendable {
    public let deployment: Deployment
    public let behaviour: StackBehaviour
    public let timings: KernelTimings
    public let collectives: CollectiveModel
    public let groups: GroupShapes
    public var constants: Constants { timings.constants }
    let efficiency: LinkEfficiency

    public init(_ deployment: Deployment, behaviour: StackBehaviour, constants: Constants, groups: GroupShapes) {
        self.init(deployment, behaviour, constants, groups, CollectiveModel(cluster: deployment.cluster))
    }

    private init(
        _ deployment: Deployment, _ behaviour: StackBehaviour, _ constants: Constants, _ groups: GroupShapes, _ collectives: CollectiveModel
    ) {
        self.deployment = deployment
        self.behaviour = behaviour
        self.groups = groups
        self.collectives = collectives
        timings = KernelTimings(
            accelerator: deployment.cluster.accelerator, constants: constants, behaviour: behaviour,
            precision: deployment.precision.compute, measured: deployment.software.measurements)
        efficiency = LinkEfficiency(intra: constants[.nvlink], inter: constants[.network])
    }

    /// The same under other constants.
    public func with(_ constants: Constants) -> CostModel { CostModel(deployment, behaviour, constants, groups, collectives) }

    /// The same machines, software and constants for another layout.
    public func laidOut(_ deployment: Deployment, groups: GroupShapes) -> CostModel {
        CostModel(deployment, behaviour, constants, groups, collectives)
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
        guard deployment.layout.expertDispatch.deduplicated, let moe = deployment.model.moe, shape.crossesDomains else { return nil }
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

    /// As the layout asks for it, else as the stack does; overlap without a word on how is the framework's own decomposition.
    private var tensorOverlap: SoftwareStack.TensorOverlap {
        guard let wanted = deployment.layout.overlap.tensor else { return behaviour.tensorOverlap }
        return !wanted ? .none : behaviour.tensorOverlap == .none ? .async : behaviour.tensorOverlap
    }

    /// Share of a tensor-parallel collective that overlap with its product leaves on the path. User buffers pass the tensor round in as many chunks
    /// as there are ranks and hide all but the first, so larger groups leave less; the constant is that of four ranks.
    private var tensorShare: Double {
        switch tensorOverlap {
        case .none: 1
        case .async: min(1, constants[.tensorAsyncExposed])
        case .userBuffer: min(1, constants[.tensorExposed] * power(4 / Double(max(2, deployment.layout.tensor)), constants[.tensorChunks]))
        }
    }

    /// Times of the ops of one unit for one micro-batch, and among them those of the modules that are computed `again`.
    func cost(of ops: [Op], again: RecomputedModules = []) -> LayerCost {
        var cost = LayerCost()
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
                if case .gemm(let gemm) = op.work, gemm.grouped, op.pass == .forward { cost.grouped += piece }
            }
            switch op.pass {
            case .forward:
                if Recomputation.isLight(op) { cost.elementwise += piece }
                cost.forward += piece
                cost.forwardKernels += kernels
                if !again.isDisjoint(with: RecomputedModules(of: op)) {
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

    /// FLOPs that an op computes.
    public static func flops(_ op: Op) -> Double {
        switch op.work {
        case .gemm(let gemm): gemm.flops
        case .attention(let core): core.fullFLOPs * core.visible * (op.pass == .forward ? 1 : 2.5)
        case .memory, .communication: 0
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
