import Calibration
import Plan

/// A step time that no schedule of a layout can undercut, from the costs of its stages alone: nothing is ordered or played.
///
/// Rank r cannot start before the first micro-batch has come down to its first stage, has to run all its passes one after the other, and what it
/// does last still has to travel back up. With equal stages and 1F1B that is the schedule's very length, (m + p - 1)(F + B)
/// (Narayanan et al., arXiv:2104.04473 section 2.2.1); interleaving divides the p - 1 by the chunks. To it come the data-parallel collectives
/// that cannot be hidden and the optimizer.
struct StepBound {
    /// Seconds of a step, at most those that the simulation finds.
    let seconds: Double
    /// Kernel seconds of the least busy rank.
    let leastCompute: Double

    init(job: Job, behaviour: StackBehaviour, work: StageWork, costs: StageCosts) {
        let flow = DataFlow(job: job, behaviour: behaviour, fetches: job.layout.offload == .parameters && !costs.unitHost.isEmpty)
        let passes = StagePasses(job: job, flow: flow, work: work, costs: costs)
        let pipeline = PipelineBound(job: job, flow: flow, passes: passes, costs: costs)
        let core = behaviour.optimizerSynchronises ? pipeline.synchronised() : pipeline.unsynchronised()
        // The simulation rounds each task to a nanosecond.
        let tasks = Double(job.microBatches) * 4 * Double(work.stages.reduce(0) { max($0, $1.count) } * pipeline.chunks)
        let total = core + pipeline.exposedData + costs.fixed
        seconds = max(0, total * (1 + costs.slowest) - 1e-9 * (tasks + Double(2 * costs.stages.count + 64)))
        leastCompute = pipeline.leastCompute
    }
}

/// How gradients and parameters travel over the data-parallel group; the rules of `Plan`, which need a schedule there.
private struct DataFlow {
    var gathersByUnit = false
    var gathersAgain = false
    var reducesInPieces = false
    var reducesAtEnd = false
    var gathersAhead = false
    var gathersAtEnd = false
    /// Least number of times that a stage's gradients are reduced in a step.
    var reductions = 1.0
    var overlapsData: Bool { reducesInPieces || gathersAhead }

    init(job: Job, behaviour: StackBehaviour, fetches: Bool) {
        let zero = job.layout.zero
        let hasReplicas = job.replicas > 1
        gathersByUnit = fetches || hasReplicas && (zero == 3 || zero == 2 && job.layout.pipeline == 1)
        gathersAgain = zero == 3 || fetches
        guard hasReplicas, !gathersByUnit else { return }
        if zero == 2 { reductions = Self.runs(job) }
        reducesInPieces = zero == 2 || (job.layout.overlap.gradReduce ?? behaviour.dataOverlap)
        reducesAtEnd = !reducesInPieces
        guard zero >= 1 else { return }
        gathersAhead = job.layout.overlap.paramGather ?? behaviour.dataOverlap
        gathersAtEnd = !gathersAhead
    }
}

extension DataFlow {
    /// Gradients kept in shards leave whenever a rank turns to another of its chunks: with one chunk after every micro-batch, interleaved after as
    /// many as there are ranks, else once at least.
    fileprivate static func runs(_ job: Job) -> Double {
        let (kind, micro) = (job.layout.schedule, max(1, job.microBatches))
        if kind.fixedChunks == 2 { return 1 }
        guard job.layout.virtual > 1 else { return Double(micro) }
        return Double(max(1, micro / max(1, job.layout.pipeline)))
    }
}

/// Seconds of one micro-batch in each virtual stage: [virtual stages].
private struct StagePasses {
    var forward: [Double] = []
    /// Everything of the backward pass that the stage before waits for.
    var backward: [Double] = []
    /// Weight gradients, where the schedule parts them.
    var weight: [Double] = []
    /// Kernel seconds of all passes.
    var compute: [Double] = []
    /// Collectives of one micro-batch on the data stream, where parameters are gathered unit by unit.
    var stream: [Double] = []
    /// Longest gather of a unit.
    var gather = 0.0
    /// Exchange with experts and sends within the passes that a pass in the other direction may hide, of all passes of a micro-batch.
    var moving: [Double] = []

    init(job: Job, flow: DataFlow, work: StageWork, costs: StageCosts) {
        let micro = Double(max(1, job.microBatches))
        // DualPipe's passes may stand side by side, each computing while the other's tokens travel.
        let hides = job.layout.pipeline > 1 && (job.layout.schedule == .dualpipe || job.layout.schedule == .dualpipeV)
        let splits = job.layout.pipeline > 1 && job.layout.schedule.splitsBackward && !flow.gathersByUnit
        for stage in costs.stages.indices {
            guard !flow.gathersByUnit else {
                addUnits(work.stages[stage], flow: flow, costs: costs)
                continue
            }
            let passes = costs.stages[stage]
            let traffic = costs.data[stage]
            func slowed(_ seconds: Double, beside communication: Double) -> Double {
                seconds + costs.overlapSlowdown * min(seconds, communication / micro)
            }
            let reduced = flow.reducesInPieces ? traffic.reduce * flow.reductions : 0
            if hides {
                let parts = [passes.forward, passes.backward, passes.weight].map { pass in
                    let moved = pass.seconds[.expertComm] + pass.seconds[.pipelineComm]
                    return (computing: pass.total - moved, moving: moved)
                }
                forward.append(parts[0].computing)
                backward.append(parts[1].computing)
                weight.append(parts[2].computing)
                moving.append(parts[0].moving + parts[1].moving + parts[2].moving)
                compute.append(Self.kernels(passes))
                stream.append(0)
                continue
            }
            moving.append(0)
            forward.append(slowed(passes.forward.total, beside: flow.gathersAhead ? traffic.gather : 0))
            backward.append(splits ? passes.backward.total : slowed(passes.backward.total + passes.weight.total, beside: reduced))
            weight.append(splits ? slowed(passes.weight.total, beside: reduced) : 0)
            compute.append(Self.kernels(passes))
            stream.append(0)
        }
    }

    private mutating func addUnits(_ units: [Int], flow: DataFlow, costs: StageCosts) {
        var sums = (forward: 0.0, backward: 0.0, compute: 0.0, stream: 0.0)
        for unit in units {
            let passes = costs.units[unit]
            let traffic = costs.unitData[unit]
            let gathered = flow.gathersAgain ? traffic.gather : 0
            let (front, back) = (passes.forward.total, passes.backward.total + passes.weight.total)
            sums.forward += front + costs.shardedSlowdown * min(front, gathered)
            sums.backward += back + costs.shardedSlowdown * min(back, gathered + traffic.reduce)
            sums.compute += Self.kernels(passes)
            sums.stream += traffic.reduce + 2 * gathered
            gather = max(gather, traffic.gather)
        }
        moving.append(0)
        forward.append(sums.forward)
        backward.append(sums.backward)
        weight.append(0)
        compute.append(sums.compute)
        stream.append(sums.stream)
    }

    private static func kernels(_ passes: StageCosts.Passes) -> Double {
        var sum = 0.0
        for activity in [Activity.forward, .backward, .recompute] {
            sum += passes.forward.seconds[activity] + passes.backward.seconds[activity] + passes.weight.seconds[activity]
        }
        return sum
    }
}

/// What each rank has to do, and when it can at the earliest.
private struct PipelineBound {
    private struct Rank {
        var first = Int.max
        /// Of all passes, and of those that other ranks wait for.
        var work = 0.0
        var chain = 0.0
        var compute = 0.0
        var stream = 0.0
        var moving = 0.0
        var optimizer = 0.0
        var gather = 0.0
        var reduce = 0.0
        /// Seconds for which gradients travel beside the passes.
        var reducing = 0.0
        /// Shortest reduction that follows a chunk's last pass.
        var lastBucket = Double.infinity
        var stages = 0
    }
    private var ranks: [Rank]
    /// Seconds from the start of the step until the first micro-batch is at a stage, and from a stage's last backward until stage 0's is done.
    private var head: [Double] = [0]
    private var drain: [Double] = [0]
    private let flow: DataFlow
    private var firstGather = 0.0
    private let unitGather: Double
    /// By how much the two ends of a bidirectional pipeline can start apart: the gathers of the stages that stand before the first.
    private var startsApart = 0.0
    private(set) var exposedData = 0.0

    var chunks: Int { ranks.map(\.stages).max() ?? 1 }
    var leastCompute: Double { ranks.map(\.compute).min() ?? 0 }

    init(job: Job, flow: DataFlow, passes: StagePasses, costs: StageCosts) {
        let count = max(1, job.layout.pipeline)
        // Each direction of DualPipe has half of the micro-batches, and every rank a stage of either.
        let isTwin = count > 1 && job.layout.schedule == .dualpipe
        let micro = Double(max(1, job.microBatches)) / (isTwin ? 2 : 1)
        let folds = count > 1 && !isTwin && job.layout.schedule.fixedChunks == 2
        self.flow = flow
        unitGather = passes.gather
        ranks = Array(repeating: Rank(), count: count)
        func rank(of stage: Int) -> Int {
            folds && stage >= count ? 2 * count - 1 - stage : stage % count
        }
        for stage in costs.stages.indices {
            let holders = isTwin ? [stage, count - 1 - stage] : [rank(of: stage)]
            for at in holders { add(stage, to: at, micro: micro, passes: passes, costs: costs) }
            let hop = stage + 1 < costs.stages.count && rank(of: stage + 1) != rank(of: stage) ? costs.hop : 0
            head.append(head[stage] + passes.forward[stage] + hop)
            drain.append(drain[stage] + passes.backward[stage] + hop)
        }
        if flow.gathersAhead { firstGather = (costs.data.first?.gather ?? 0) / 16 }
        if flow.overlapsData {
            let most = ranks.map { $0.reduce * flow.reductions + (flow.gathersAhead ? $0.gather : 0) }.max() ?? 0
            exposedData = most * costs.dataExposed
        }
        if isTwin, flow.gathersAhead { startsApart = ranks.map(\.gather).max() ?? 0 }
        for at in ranks.indices { ranks[at].work = max(ranks[at].work, ranks[at].moving) }
    }

    private mutating func add(_ stage: Int, to at: Int, micro: Double, passes: StagePasses, costs: StageCosts) {
        let traffic = costs.data[stage]
        ranks[at].first = min(ranks[at].first, stage)
        ranks[at].chain += micro * (passes.forward[stage] + passes.backward[stage])
        ranks[at].work += micro * (passes.forward[stage] + passes.backward[stage] + passes.weight[stage])
        ranks[at].compute += micro * passes.compute[stage]
        ranks[at].stream += micro * passes.stream[stage]
        ranks[at].optimizer += costs.optimizer[stage]
        ranks[at].gather += traffic.gather
        ranks[at].reduce += traffic.reduce
        ranks[at].stages += 1
        ranks[at].moving += micro * passes.moving[stage]
        if flow.reducesInPieces { ranks[at].reducing += traffic.reduce * flow.reductions }
        // Buckets are as many as the units of a stage, 16 at most.
        ranks[at].lastBucket = min(ranks[at].lastBucket, traffic.reduce / 16)
    }

    /// What follows a rank's last pass before its optimizer.
    private func tail(_ rank: Rank) -> Double {
        flow.reducesAtEnd ? rank.reduce : flow.reducesInPieces && rank.lastBucket.isFinite ? rank.lastBucket : 0
    }

    /// All ranks meet before the optimizer, and the step ends with its last task.
    func synchronised() -> Double {
        var meet = 0.0
        var end = 0.0
        for rank in ranks where rank.stages > 0 {
            let start = firstGather + head[rank.first]
            meet = max(meet, start + rank.work + tail(rank), start + rank.chain + drain[rank.first], rank.stream, rank.reducing)
            end = max(end, rank.optimizer + (flow.gathersAtEnd ? rank.gather : 0))
        }
        return meet + end
    }

    /// Steps follow each other at the pace of the rank with the longest span between its first and its last task. Rank 0 has stage 0, where
    /// everything begins and ends.
    func unsynchronised() -> Double {
        var longest = 0.0
        for rank in ranks where rank.stages > 0 {
            longest = max(longest, rank.work + tail(rank) + rank.optimizer, rank.stream - 2 * unitGather + rank.optimizer)
            longest = max(longest, rank.reducing + rank.optimizer)
            longest = max(longest, head[rank.first] + rank.chain + drain[rank.first] + ranks[0].optimizer - startsApart)
        }
        return longest
    }
}
