import Plan
import Scenario

/// Seconds of the parts of a worker's step.
struct WorkerCosts: Sendable {
    /// Of one micro-batch, by chunk, the copies of activations and gradients apart.
    var forward: [Double] = []
    var backward: [Double] = []
    /// What the schedule computes apart from the backward pass; empty where it does not.
    var weight: [Double] = []
    var forwardCopy: [Double] = []
    var backwardCopy: [Double] = []
    /// How many times as long a straggler takes.
    var slowdown = 1.0
    var scale = 0.0
    var encode = 0.0
    var share = 0.0
    var reduce = 0.0
    var fetch = 0.0
    var decode = 0.0
    var tiedShare = 0.0
    var tiedFetch = 0.0
    var optimizer = 0.0
    var clear = 0.0
}

/// What a step takes and what it is spent on, seconds.
public struct StepTimes: Sendable, Hashable {
    public var step = 0.0
    public var forward = 0.0
    public var backward = 0.0
    /// Extra work of a straggler.
    public var straggle = 0.0
    public var pipelineComm = 0.0
    public var encode = 0.0
    public var decode = 0.0
    public var dataComm = 0.0
    public var optimizer = 0.0
    /// Waiting for other stages, other replicas, and the step's end.
    public var bubble = 0.0
    public var other = 0.0
    public init() {}
}

/// Plays a step from the costs of its parts: the pipeline by the simulator's own timing of the schedule, what follows by its meetings.
struct StepPlay {
    let plan: RunPlan
    let compiled: CompiledSchedule

    init(_ plan: RunPlan) throws(ExecutionError) {
        self.plan = plan
        do throws(ScheduleError) { compiled = try CompiledSchedule(plan.schedule) } catch { throw ExecutionError(.refused, error.message) }
    }

    /// Mean over the workers, and how much of each worker's pipeline time the others were busy too: [workers], 0 to 1.
    struct Outcome {
        var times = StepTimes()
        var overlap: [Double] = []
    }

    /// - Parameter costs: by worker.
    func play(_ costs: [WorkerCosts]) throws(ExecutionError) -> Outcome {
        let spec = plan.spec
        var finish = [Double](repeating: 0, count: spec.workers)
        var intervals = [[ClosedRange<Double>]](repeating: [], count: spec.workers)
        for replica in 0..<spec.data {
            let timing = try pipeline(replica, costs)
            for rank in 0..<spec.pipeline {
                let worker = replica * spec.pipeline + rank
                let range = Int(timing.rankStart[rank])..<Int(timing.rankStart[rank + 1])
                for i in range where timing.finish[i] > timing.start[i] {
                    intervals[worker].append(timing.start[i]...timing.finish[i])
                }
                finish[worker] = (range.last.map { timing.finish[$0] } ?? 0) + costs[worker].scale
            }
        }
        finish = exchange(finish, costs)
        let step = zip(finish, costs).map { $0 + $1.optimizer + $1.clear }.max() ?? 0
        var outcome = Outcome()
        outcome.overlap = intervals.indices.map { overlap($0, intervals) }
        outcome.times = times(step, costs)
        return outcome
    }

    private func pipeline(_ replica: Int, _ costs: [WorkerCosts]) throws(ExecutionError) -> ScheduleTiming {
        var forward = [Double](repeating: 0, count: compiled.virtualStages)
        var (backward, weight) = (forward, forward)
        for rank in 0..<plan.spec.pipeline {
            let own = costs[replica * plan.spec.pipeline + rank]
            for (chunk, stage) in plan.schedule.virtualStage[rank].enumerated() {
                forward[stage] = own.forward[chunk] * own.slowdown + own.forwardCopy[chunk]
                backward[stage] = own.backward[chunk] * own.slowdown + own.backwardCopy[chunk]
                if chunk < own.weight.count { weight[stage] = own.weight[chunk] * own.slowdown }
            }
        }
        do throws(ScheduleError) {
            return try compiled.timing(ScheduleCosts(forward: forward, backward: backward, weight: weight))
        } catch { throw ExecutionError(.refused, error.message) }
    }

    /// When each worker has its summed gradients.
    private func exchange(_ start: [Double], _ costs: [WorkerCosts]) -> [Double] {
        let spec = plan.spec
        var at = start
        if spec.copies > 1 {
            for group in plan.groups {
                var met = group.map { at[$0] + costs[$0].encode + costs[$0].share }.max() ?? 0
                // A gathered message needs one meeting, a sum two.
                if spec.codec == nil { met = group.map { met + costs[$0].reduce }.max() ?? met }
                for worker in group { at[worker] = met + costs[worker].fetch + costs[worker].decode }
            }
        }
        guard plan.tiedRanks.count > 1 else { return at }
        for replica in 0..<spec.data {
            let group = plan.tied(with: replica * spec.pipeline)
            let met = group.map { at[$0] + costs[$0].tiedShare }.max() ?? 0
            for worker in group { at[worker] = met + costs[worker].tiedFetch }
        }
        return at
    }

    /// Mean number of other workers that compute while this one does, as a share of all others.
    private func overlap(_ worker: Int, _ intervals: [[ClosedRange<Double>]]) -> Double {
        let others = intervals.indices.filter { $0 != worker }
        let own = intervals[worker].reduce(0) { $0 + $1.upperBound - $1.lowerBound }
        guard !others.isEmpty, own > 0 else { return 0 }
        var shared = 0.0
        for other in others {
            for a in intervals[worker] {
                for b in intervals[other] { shared += max(0, min(a.upperBound, b.upperBound) - max(a.lowerBound, b.lowerBound)) }
            }
        }
        return shared / own / Double(others.count)
    }

    /// The mean worker's account; its lines sum to the step.
    private func times(_ step: Double, _ costs: [WorkerCosts]) -> StepTimes {
        let m = Double(plan.spec.microBatches)
        var times = StepTimes()
        for own in costs {
            let share = m / Double(plan.spec.schedule.parameterCopies)
            let forward = own.forward.reduce(0, +) * share
            let backward = (own.backward + own.weight).reduce(0, +) * share
            times.forward += forward
            times.backward += backward
            times.straggle += (own.slowdown - 1) * (forward + backward)
            times.pipelineComm += (own.forwardCopy.reduce(0, +) + own.backwardCopy.reduce(0, +)) * share
            times.encode += own.encode
            times.decode += own.decode
            times.dataComm += own.share + own.reduce + own.fetch + own.tiedShare + own.tiedFetch
            times.optimizer += own.optimizer
            times.other += own.scale + own.clear
        }
        times = times.scaled(1 / Double(max(1, costs.count)))
        times.step = step
        times.bubble = max(0, step - times.spent)
        return times
    }
}

extension StepTimes {
    /// Everything but waiting.
    var spent: Double { forward + backward + straggle + pipelineComm + encode + decode + dataComm + optimizer + other }

    func scaled(_ factor: Double) -> StepTimes {
        var times = self
        for path in StepTimes.parts { times[keyPath: path] *= factor }
        return times
    }
    static var parts: [WritableKeyPath<StepTimes, Double>] {
        [
            \.step, \.forward, \.backward, \.straggle, \.pipelineComm, \.encode, \.decode, \.dataComm, \.optimizer, \.bubble,
            \.other,
        ]
    }
}
