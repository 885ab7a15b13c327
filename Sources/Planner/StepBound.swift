import Calibration
import Plan

/// A step time that no schedule of a layout can undercut, from the costs of its stages alone: nothing is ordered or played.
///
/// `PipelineBound` derives it; to it come what overlap leaves of the data-parallel collectives, and work that no stage explains.
struct StepBound {
    /// Seconds of a step, at most those that the simulation finds.
    let seconds: Double
    /// Kernel seconds of the least busy rank.
    let leastCompute: Double

    /// - Parameter extra: what the links add where the step is played as flows.
    init(job: Job, behaviour: StackBehaviour, work: StageWork, costs: StageCosts, extra: LinkExtra = .none) {
        let flow = GradientFlow(job: job, behaviour: behaviour)
        let pieces = work.gradientPieces(job: job, behaviour: behaviour)
        let passes = StagePasses(job: job, flow: flow, work: work, costs: costs, extra: extra, pieces: pieces)
        // Without a common start of the optimizer a span counts from a rank's own first gather, which flows may stretch more than another's.
        let pipeline = PipelineBound(
            job: job, flow: flow, passes: passes, costs: costs, extra: extra, pieces: pieces,
            countsGathers: behaviour.optimizerSynchronises || !extra.isPlayed)
        let core = behaviour.optimizerSynchronises ? pipeline.synchronised() : pipeline.unsynchronised()
        // The simulation rounds each task to a nanosecond.
        let tasks = Double(job.microBatches) * 4 * Double(work.stages.reduce(0) { max($0, $1.count) } * pipeline.chunks)
        let total = core + pipeline.exposedData + costs.fixed
        seconds = max(0, total * (1 + costs.slowest) - 1e-9 * (tasks + Double(2 * costs.stages.count + 64)))
        leastCompute = pipeline.leastCompute
    }
}

/// Seconds of one micro-batch in each virtual stage: [virtual stages].
struct StagePasses {
    /// Weight gradients stand apart from the backward pass.
    let splits: Bool
    /// Times that a stage's gradients are reduced in a step, at least.
    let reductions: Double
    var forward: [Double] = []
    /// Everything of the backward pass that the stage before waits for.
    var backward: [Double] = []
    /// Weight gradients, where the schedule parts them.
    var weight: [Double] = []
    /// Kernel seconds of all passes.
    var compute: [Double] = []
    /// Collectives of one micro-batch on the data stream, where parameters are gathered unit by unit.
    var stream: [Double] = []
    /// Where parameters are gathered unit by unit, [virtual stages]: the first micro-batch's forward, which gathers in any case; reductions of a
    /// micro-batch, the last of them, and the first unit's backward.
    var firstForward: [Double] = []
    var streamReduce: [Double] = []
    var lastReduce: [Double] = []
    var firstBackward: [Double] = []
    /// Longest gather of a unit.
    var gather = 0.0
    /// What overlap leaves of each stage's collectives on the path.
    var exposed: [Double] = []
    /// Exchange with experts and sends within the passes that a pass in the other direction may hide, of all passes of a micro-batch.
    var moving: [Double] = []

    init(job: Job, flow: GradientFlow, work: StageWork, costs: StageCosts, extra: LinkExtra, pieces: [Int]) {
        // DualPipe's passes may stand side by side, each computing while the other's tokens travel.
        let hides = job.layout.pipeline > 1 && (job.layout.schedule == .dualpipe || job.layout.schedule == .dualpipeV)
        splits = job.layout.pipeline > 1 && job.layout.schedule.splitsBackward && !flow.gathersByUnit
        reductions = Double(flow.leastReductions(job))
        for stage in costs.stages.indices {
            guard !flow.gathersByUnit else {
                addUnits(work.stages[stage], flow: flow, costs: costs, extra: extra)
                continue
            }
            let passes = costs.stages[stage]
            let overlap = OverlapCost(
                of: stage, costs: costs, flow: flow, reductions: reductions, pieces: pieces[stage], microBatches: job.microBatches,
                splits: splits)
            exposed.append(flow.overlaps ? overlap.exposed : 0)
            func slowed(_ seconds: Double, beside communication: Double) -> Double {
                seconds + overlap.slowdown * min(seconds, communication)
            }
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
            forward.append(slowed(passes.forward.total, beside: overlap.besideForward) + extra.forward.extra(stage))
            backward.append(
                (splits ? passes.backward.total : slowed(passes.backward.total + passes.weight.total, beside: overlap.besideGradient))
                    + extra.backward.extra(stage))
            weight.append(splits ? slowed(passes.weight.total, beside: overlap.besideGradient) : 0)
            compute.append(Self.kernels(passes))
            stream.append(0)
        }
    }

    /// Units are gathered one ahead: the third one's gather starts behind the first one's pass, so a pass takes as long as the first and the last
    /// unit and what is gathered between them, if that is more than all units. Reductions queue among the gathers, each behind the gather of the
    /// unit after the next.
    private mutating func addUnits(_ units: [Int], flow: GradientFlow, costs: StageCosts, extra: LinkExtra) {
        var sums = (forward: 0.0, backward: 0.0, compute: 0.0, stream: 0.0)
        var ends = (forward: 0.0, backward: 0.0)
        var between = (forward: 0.0, first: 0.0, backward: 0.0)
        var reduces = 0.0
        for (at, unit) in units.enumerated() {
            let passes = costs.units[unit]
            var traffic = costs.unitData[unit]
            let beside = flow.gathersAgain ? traffic.gather : 0
            let (front, back) = (passes.forward.total, passes.backward.total + passes.weight.total)
            let forward = front + costs.shardedSlowdown * min(front, beside) + extra.unitForward.extra(unit)
            let reduced = flow.keepsGathered ? 0 : traffic.reduce
            let backward = back + costs.shardedSlowdown * min(back, beside + reduced) + extra.unitBackward.extra(unit)
            traffic.gather += extra.unitGather.extra(unit)
            traffic.reduce += extra.unitReduce.extra(unit)
            let gathered = flow.gathersAgain ? traffic.gather : 0
            sums.forward += forward
            sums.backward += backward
            if at == 0 || at == units.count - 1 {
                ends.forward += forward
                ends.backward += backward
            }
            if at >= 2 { between.forward += gathered }
            if at >= 2 { between.first += traffic.gather }
            if at < units.count - 2 { between.backward += gathered }
            if at >= 2, flow.gathersAgain { between.backward += traffic.reduce }
            if at == units.count - 1 { firstBackward.append(backward) }
            if at == 0 { lastReduce.append(traffic.reduce) }
            reduces += traffic.reduce
            sums.compute += Self.kernels(passes)
            sums.stream += (flow.keepsGathered ? 0 : traffic.reduce) + 2 * gathered
            gather = max(gather, traffic.gather)
        }
        moving.append(0)
        if units.isEmpty {
            firstBackward.append(0)
            lastReduce.append(0)
        }
        let waits = units.count > 2
        forward.append(max(sums.forward, waits ? ends.forward + between.forward : 0))
        firstForward.append(max(sums.forward, waits ? ends.forward + between.first : 0))
        backward.append(max(sums.backward, waits ? ends.backward + between.backward : 0))
        weight.append(0)
        compute.append(sums.compute)
        stream.append(sums.stream)
        streamReduce.append(flow.keepsGathered ? 0 : reduces)
    }

    private static func kernels(_ passes: StageCosts.Passes) -> Double {
        var sum = 0.0
        for activity in [Activity.forward, .backward, .recompute] {
            sum += passes.forward.seconds[activity] + passes.backward.seconds[activity] + passes.weight.seconds[activity]
        }
        return sum
    }
}
