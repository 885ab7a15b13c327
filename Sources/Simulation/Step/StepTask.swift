import Plan

/// What a task of a step does; tasks of one kind last equally long but for jitter and slow devices.
enum StepTask: Hashable, Sendable {
    case forward(stage: Int)
    /// Gradient of the input, with the weights' unless the schedule parts them.
    case backward(stage: Int)
    case weight(stage: Int)
    /// B and W as one block.
    case fullBackward(stage: Int)
    /// A forward and a full backward of two micro-batches side by side, each computing while the other's tokens travel (DualPipe).
    case pair(forward: Int, backward: Int)
    /// One of the equal pieces of a stage's first forward pass, each behind the gather of its parameters.
    case firstPiece(stage: Int)
    /// One of the equal pieces of a stage's last gradient pass, after each of which a bucket is reduced.
    case lastPiece(stage: Int)
    /// Activations on their way to the next stage, or gradients to the one before.
    case hop(Direction)
    case gather(stage: Int)
    /// One bucket of a stage's gradients.
    case reduce(stage: Int)
    /// All of a stage's gradients at once.
    case reduceAll(stage: Int)
    /// Gradients of a stage on their way to the host: a bucket, or all.
    case offload(stage: Int)
    case offloadAll(stage: Int)
    /// Layer by layer (FSDP): a unit of StageWork, with what travels beside it.
    case unitForward(unit: Int, gathers: Bool)
    case unitBackward(unit: Int, gathers: Bool)
    case unitGather(unit: Int)
    case unitReduce(unit: Int)
    case unitFetch(unit: Int)
    case unitOffload(unit: Int)
    case optimizer(rank: Int)
    /// Meeting point without duration, which has a stream of its own.
    case join

    enum Direction: Hashable, Sendable { case forward, backward }

    /// Which queue of its rank a task stands in, and what its time counts as.
    var row: (stream: StepStream, activity: Activity) {
        switch self {
        case .forward, .firstPiece, .unitForward: (.compute, .forward)
        case .backward, .weight, .fullBackward, .pair, .lastPiece, .unitBackward: (.compute, .backward)
        case .optimizer: (.compute, .optimizer)
        case .join: (.compute, .other)
        case .hop(.forward): (.sendForward, .pipelineComm)
        case .hop(.backward): (.sendBackward, .pipelineComm)
        case .gather, .reduce, .reduceAll, .unitGather, .unitReduce: (.data, .dataComm)
        case .offload, .offloadAll, .unitOffload: (.toHost, .offloadComm)
        case .unitFetch: (.fromHost, .offloadComm)
        }
    }

    var isHop: Bool {
        if case .hop = self { true } else { false }
    }
}

/// Queues of a rank that run beside each other; each does one task at a time, in order.
enum StepStream: Int, CaseIterable {
    case compute
    /// Collectives over the ranks that hold the same parameters.
    case data
    case sendForward, sendBackward
    case toHost, fromHost

    var name: String {
        switch self {
        case .compute: "compute"
        case .data: "data"
        case .sendForward: "send forward"
        case .sendBackward: "send backward"
        case .toHost: "to host"
        case .fromHost: "from host"
        }
    }
}

/// Turns the kinds of tasks of a plan into seconds.
struct TaskTimes {
    let plan: Plan
    let costs: StageCosts
    /// Equal pieces that the last gradient pass of each virtual stage is cut into.
    let pieces: [Int]

    /// Seconds by activity, with what jitter of independent kernels adds (sum of squares) and what is hidden beside it.
    func cost(_ task: StepTask) -> PassCost {
        switch task {
        case .forward(let stage):
            return slowed(costs.stages[stage].forward, beside: plan.flow.gathersAhead ? costs.data[stage].gather / passes : 0)
        case .backward(let stage):
            var both = costs.stages[stage].backward
            guard !plan.schedule.splitsBackward else { return both }
            both += costs.stages[stage].weight
            return slowed(both, beside: besideReduction(stage))
        case .fullBackward(let stage):
            var both = costs.stages[stage].backward
            both += costs.stages[stage].weight
            return slowed(both, beside: besideReduction(stage))
        case .pair(let forward, let backward): return overlapped(forward: forward, backward: backward)
        case .weight(let stage):
            return slowed(costs.stages[stage].weight, beside: besideReduction(stage))
        case .firstPiece(let stage): return cost(.forward(stage: stage)) * (1 / Double(pieces[stage]))
        case .lastPiece(let stage):
            var whole = plan.schedule.splitsBackward ? cost(.weight(stage: stage)) : cost(.backward(stage: stage))
            if costs.synchronous.indices.contains(stage) { whole.seconds[.dataComm] += costs.synchronous[stage] }
            return whole * (1 / Double(pieces[stage]))
        case .hop: return communication(.pipelineComm, costs.hop)
        case .gather(let stage): return communication(.dataComm, costs.data[stage].gather / Double(pieces[stage]))
        case .reduce(let stage): return communication(.dataComm, costs.data[stage].reduce / Double(pieces[stage]))
        case .reduceAll(let stage): return communication(.dataComm, costs.data[stage].reduce)
        case .offload(let stage): return communication(.offloadComm, costs.host[stage].down / Double(pieces[stage]))
        case .offloadAll(let stage): return communication(.offloadComm, costs.host[stage].down)
        case .unitFetch(let unit): return communication(.offloadComm, costs.unitHost[unit].fetch)
        case .unitOffload(let unit): return communication(.offloadComm, costs.unitHost[unit].down)
        case .unitForward(let unit, let gathers):
            return slowed(costs.units[unit].forward, beside: gathers ? costs.unitData[unit].gather : 0)
        case .unitBackward(let unit, let gathers):
            var both = costs.units[unit].backward
            both += costs.units[unit].weight
            return slowed(both, beside: costs.unitData[unit].reduce + (gathers ? costs.unitData[unit].gather : 0))
        case .unitGather(let unit): return communication(.dataComm, costs.unitData[unit].gather)
        case .unitReduce(let unit): return communication(.dataComm, costs.unitData[unit].reduce)
        case .optimizer(let rank):
            var sum = PassCost()
            for stage in plan.ownStages(of: rank) { sum.seconds[.optimizer] += costs.optimizer[stage] }
            sum.squares = sum.total * sum.total
            return sum
        case .join: return PassCost()
        }
    }

    /// Seconds of a stage's reduction that run beside one of its gradient passes.
    private func besideReduction(_ stage: Int) -> Double {
        guard plan.flow.reducesInPieces else { return 0 }
        return costs.data[stage].reduce * Double(plan.reductions[stage]) / passes
    }

    /// The exchange with experts and the sends of one direction hide behind the computation of the other; the kernels that move them slow it
    /// (arXiv:2412.19437 section 3.2.1). What is longer, computing or moving, decides.
    private func overlapped(forward: Int, backward: Int) -> PassCost {
        var sum = cost(.forward(stage: forward))
        sum += cost(.fullBackward(stage: backward))
        let moving = sum.seconds[.expertComm] + sum.seconds[.pipelineComm]
        let computing = sum.total - moving
        guard moving > 0, computing > 0 else { return sum }
        let slower = 1 + costs.overlapSlowdown * min(1, moving / computing)
        let left = max(0, moving - computing * slower) / moving
        var result = sum
        result.seconds[.expertComm] = 0
        result.seconds[.pipelineComm] = 0
        result.seconds = result.seconds * slower
        result.seconds[.expertComm] = sum.seconds[.expertComm] * left
        result.seconds[.pipelineComm] = sum.seconds[.pipelineComm] * left
        result.overlapped += moving * (1 - left)
        return result
    }

    /// A stage's collectives run beside whichever micro-batches pass meanwhile, so what they slow is spread over all of them.
    private var passes: Double { Double(max(1, plan.schedule.microBatches)) }

    private func communication(_ activity: Activity, _ seconds: Double) -> PassCost {
        var cost = PassCost()
        cost.seconds[activity] = seconds
        return cost
    }

    /// Compute loses a share of the time for which collectives run beside it: their kernels take compute units and memory bandwidth.
    private func slowed(_ cost: PassCost, beside communication: Double) -> PassCost {
        let total = cost.total
        let slowdown = plan.flow.gathersByUnit ? costs.shardedSlowdown : costs.overlapSlowdown
        guard communication > 0, total > 0, slowdown > 0 else { return cost }
        return cost * (1 + slowdown * min(total, communication) / total)
    }
}
