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

    /// Seconds of a collective of the named group, alone on its links.
    func seconds(_ communication: Communication) -> Double {
        seconds(communication.kind.collective, bytes: communication.bytes, group: shape(communication.group))
    }

    private func shape(_ group: GroupKind) -> GroupShape {
        switch group {
        case .tensor: groups.tensor
        case .context: groups.context
        case .expert: groups.expert
        }
    }

    /// A measured collective of a group that has its links to itself; nil where none of its size was measured.
    private func measured(_ operation: CollectiveOp, bytes: Double, group: GroupShape) -> Estimate? {
        guard let measured = timings.measured, group.ranks > 1, bytes > 0, group.concurrent == 1 || group.perDomain >= group.ranks,
            let kernel = operation.kernel
        else { return nil }
        return measured.collective(kernel, bytes: bytes, ranks: group.ranks, perNode: min(group.ranks, group.perDomain))
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
        switch communication.group {
        case .tensor:
            let overlapped = tensorShare
            let isReduction = communication.kind != .allGather
            let share =
                pass == .weightGradient
                ? overlapped * constants[.tensorGatherBackward]
                : pass == .inputGradient && isReduction ? overlapped * constants[.tensorBackwardExposed] : overlapped
            return (share, communication.kind == .allReduce ? .tensorComm : .sequenceComm)
        case .context: return (constants[.contextExposed], .contextComm)
        case .expert: return (constants[.expertExposed], .expertComm)
        }
    }

    /// Share of a tensor-parallel collective that overlap with its product leaves on the path. User buffers pass the tensor round in as many chunks
    /// as there are ranks and hide all but the first, so larger groups leave less; the constant is that of four ranks.
    private var tensorShare: Double {
        switch behaviour.tensorOverlap {
        case .none: 1
        case .async: min(1, constants[.tensorAsyncExposed])
        case .userBuffer: min(1, constants[.tensorExposed] * (4 / Double(max(2, job.layout.tensor))).squareRoot())
        }
    }

    /// Times of the ops of one unit for one micro-batch.
    func cost(of ops: [Op]) -> LayerCost {
        var cost = LayerCost()
        for op in ops {
            let kernels = Double(timings.kernels(op))
            var piece = PassCost()
            if case .communication(let communication) = op.work {
                let time = seconds(communication)
                let (share, activity) = exposure(communication, pass: op.pass)
                piece.seconds[activity] = time * share
                if let estimate = measured(communication.kind.collective, bytes: communication.bytes, group: shape(communication.group)) {
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
                cost.forward += piece
                cost.forwardKernels += kernels
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
        guard job.training.recompute == .selective else { return (PassCost(), 0) }
        var again = PassCost()
        if behaviour.selective == .half {
            let compute = cost.forward.seconds[.forward] - cost.core.seconds[.forward]
            again.seconds[.recompute] = compute * constants[.selectiveShare]
            again.squares = (cost.forward.squares - cost.core.squares) * constants[.selectiveShare]
            again.flops = (cost.forward.flops - cost.core.flops) * constants[.selectiveShare]
            return (again, cost.forwardKernels * 0.5)
        }
        // Fused attention keeps no scores, so there is nothing to select.
        guard !behaviour.flashAttention, cost.core.total > 0 else { return (again, 0) }
        again = cost.core
        again.seconds[.recompute] = again.seconds[.forward]
        again.seconds[.forward] = 0
        return (again, 6)
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
