import Calibration
import Engine
import Plan
import Quantities
import Synchronization

/// Plays a plan: one optimizer step, or several that differ, in simulated time. The same plan, conditions and seed give the same result whatever `jobs` is.
/// - Parameters:
///   - onStep: told after each of several steps how many are done, and of how many; from any thread.
///   - isStopped: asked before each of several steps; where true, there is no answer.
/// - Throws: `Fault` when the schedule cannot be played, a time is beyond what the clock holds, or the work was stopped.
public func simulate(
    _ plan: Plan, conditions: Conditions = Conditions(), settings: SimulationSettings = SimulationSettings(), onStep: StepObserver? = nil,
    isStopped: @escaping @Sendable () -> Bool = { false }
) throws(Fault) -> SimulatedStep {
    var run = StepRun(plan: plan, conditions: conditions, settings: settings)
    run.onStep = onStep
    run.isStopped = isStopped
    return try run.play()
}

public typealias StepObserver = @Sendable (_ done: Int, _ total: Int) -> Void

/// Plays steps and gathers what is reported of them.
private struct StepRun {
    let plan: Plan
    let conditions: Conditions
    let settings: SimulationSettings
    var onStep: StepObserver?
    var isStopped: @Sendable () -> Bool = { false }
    var warnings: [String] = []

    init(plan: Plan, conditions: Conditions, settings: SimulationSettings) {
        self.plan = plan
        self.conditions = conditions
        self.settings = settings
    }

    /// Tasks that one step may have, and with flows; of more replicas than that a sample is simulated.
    private static let taskLimits = (closed: 10_000_000, flows: 2_000_000)

    mutating func play() throws(Fault) -> SimulatedStep {
        let lanes = laneCount()
        let draws = conditions.kernelJitter > 0 || conditions.networkJitter > 0
        let player = try StepPlayer(plan: plan, lanes: lanes)
        let onLinks = settings.usesFlows(on: plan.job.cluster)
        let (steps, first) = try playSteps(player, draws: draws, fabric: onLinks ? StepFabrics(plan, conditions, settings, player) : nil)
        var own = player
        var timeline: [Span] = []
        if settings.timeline {
            _ = try own.play(first.durations, closed: first.closed)
        }
        let count = Double(steps.count)
        let mean = steps.reduce(0.0) { $0 + Double($1.nanoseconds) } / count * 1e-9
        var breakdown: [Activity: Double] = [:]
        for activity in Activity.allCases {
            breakdown[activity] = steps.reduce(0.0) { $0 + Double($1.breakdown[activity] ?? 0) } / count * 1e-9
        }
        var total = mean
        let stall = inputStall(step: mean)
        if settings.timeline { timeline = try own.spans(limit: 100_000, stall: nanoseconds(stall)) }
        if stall > 0 {
            total += stall
            breakdown[.inputStall] = stall
        }
        let times = steps.map { Double($0.nanoseconds) * 1e-9 + stall }
        let utilization = steps.reduce(0.0) { $0 + $1.utilization } / count * mean / total
        let measured = min(1, steps.reduce(0.0) { $0 + $1.measured } / count / total)
        let interpolated = min(1 - measured, steps.reduce(0.0) { $0 + $1.interpolated } / count / total)
        let account = StepAccount(plan: plan)
        var result = SimulatedStep(
            step: account.step(times: times, mean: total, utilization: utilization), breakdownS: breakdown,
            overlappedCommS: steps.reduce(0.0) { $0 + $1.overlapped } / count, memory: plan.memory, traffic: try account.traffic(),
            evidence: Evidence(
                measured: measured, interpolated: interpolated, formula: 1 - measured - interpolated, stepTimeError: plan.expectedError),
            warnings: plan.warnings + warnings, assumptions: account.assumptions, timeline: timeline, stepTimesS: times)
        result.fabric = first.fabric
        if first.fabric != nil { result.assumptions.append(account.flowAssumption) }
        if let fabric = first.fabric { result.traffic = Traffic(fabric, gpus: plan.job.cluster.gpus) }
        return result
    }

    /// One lane where nothing tells replicas apart; else each replica, or as many of them as the step may have tasks for.
    private mutating func laneCount() -> Int {
        let replicas = max(1, plan.job.data)
        guard !conditions.isUniform || settings.unfolded else { return 1 }
        let units = plan.flow.gathersByUnit ? plan.work.stages.reduce(0) { $0 + $1.count } * 5 : plan.schedule.virtualStages * 4
        let perLane = max(1, units * plan.schedule.microBatches)
        let onLinks = settings.usesFlows(on: plan.job.cluster)
        let most = max(1, (settings.taskLimit ?? (onLinks ? Self.taskLimits.flows : Self.taskLimits.closed)) / perLane)
        guard replicas > most else { return replicas }
        var lanes = most
        while replicas % lanes != 0 { lanes -= 1 }
        // Routes of flows need groups of one size.
        if !onLinks, lanes < min(most, 64) { lanes = most }
        warnings.append(
            lanes < ReplicaSample.fewest
                ? "\(replicas) replicas are simulated in \(lanes) groups; a group goes at the pace of its slowest member in every pass"
                : "\(lanes) of \(replicas) replicas are simulated; how long all wait for the last one follows from the spread of these")
        return lanes
    }

    private func playSteps(
        _ player: StepPlayer, draws: Bool, fabric: StepFabrics?
    ) throws(Fault) -> (steps: [PlayedStep], first: FirstStep) {
        let disturbed = !conditions.isUniform
        guard disturbed else {
            var own = player
            let first = try FirstStep(player.nominal, fabric, at: .zero)
            return ([try own.play(first.durations, closed: first.closed)], first)
        }
        let disturbances = Disturbances(
            conditions: conditions, seed: settings.seed, plan: plan, lanes: player.graph.lanes, onLinks: fabric != nil)
        // Slow devices that appear later in the run need steps in sequence; draws that repeat need samples.
        let changes =
            conditions.slowGPUs.contains { $0.from > .zero } || conditions.slowLinks.contains { $0.from > .zero }
            || !conditions.linkFaults.isEmpty
        let count = max(1, draws ? max(settings.steps, settings.samples) : settings.steps)
        let first = try FirstStep(disturbances.durations(step: 0, start: .zero, player: player), fabric, at: .zero)
        let source = StepSource(player: player, disturbances: disturbances, fabric: fabric)
        if changes { return (try inSequence(count, source), first) }
        return (try inParallel(count, source), first)
    }

    private func inSequence(_ count: Int, _ source: StepSource) throws(Fault) -> [PlayedStep] {
        var own = source.player
        var steps: [PlayedStep] = []
        var clock: Int64 = 0
        for step in 0..<count {
            try goOn()
            steps.append(try source.play(step, at: Duration(nanoseconds: clock), &own))
            let (sum, overflow) = clock.addingReportingOverflow(steps[step].nanoseconds)
            guard !overflow else { throw Fault(reason: "\(count) steps last longer than the clock holds") }
            clock = sum
            onStep?(step + 1, count)
        }
        return steps
    }

    private func goOn() throws(Fault) {
        if isStopped() { throw Fault(reason: "the simulation was stopped before its steps were done") }
    }

    /// Steps are drawn independently of each other, so they may be played in any order.
    private func inParallel(_ count: Int, _ source: StepSource) throws(Fault) -> [PlayedStep] {
        let workers = max(1, min(settings.jobs, count))
        let done = Atomic(0)
        let shares = parallelMap(Array(0..<workers), jobs: workers) { worker in
            Result { () throws(Fault) in
                var own = source.player
                var steps: [PlayedStep] = []
                for step in stride(from: worker, to: count, by: workers) {
                    try goOn()
                    steps.append(try source.play(step, at: .zero, &own))
                    onStep?(done.wrappingAdd(1, ordering: .relaxed).newValue, count)
                }
                return steps
            }
        }
        var dealt: [[PlayedStep]] = []
        for share in shares { dealt.append(try share.get()) }
        return (0..<count).map { dealt[$0 % workers][$0 / workers] }
    }

    /// Time for which a step waits for its data: loading runs beside compute and is hidden as long as it is faster.
    private func inputStall(step: Double) -> Double {
        guard let rate = plan.job.training.dataLoading else { return 0 }
        let job = plan.job
        // Token ids are 4 bytes; pictures travel as 3 bytes a pixel.
        let perSample: Double =
            if case .resnet(_, let size) = job.model.kind { Double(3 * size * size) } else { Double(4 * job.training.sequence) }
        let loading = Double(job.training.globalBatch) * perSample / (rate.bytesPerSecond * Double(max(1, job.cluster.nodes)))
        return job.training.dataPrefetch > 0 ? max(0, loading - step) : loading
    }

    private struct FirstStep {
        var durations: [Int64]
        /// [tasks] nanoseconds in closed form, where flows made others of them.
        var closed: [Int64]?
        var fabric: FabricLoad?

        init(_ closed: [Int64], _ fabrics: StepFabrics?, at start: Duration) throws(Fault) {
            durations = closed
            guard let fabrics else { return }
            let (played, load) = try fabrics.play(closed, at: start, records: true)
            durations = played
            self.closed = closed
            fabric = load
        }
    }

    /// Makes disturbed steps one by one.
    private struct StepSource {
        let player: StepPlayer
        let disturbances: Disturbances
        let fabric: StepFabrics?

        func play(_ step: Int, at start: Duration, _ own: inout StepPlayer) throws(Fault) -> PlayedStep {
            let closed = try disturbances.durations(step: step, start: start, player: player)
            guard let fabric else { return try own.play(closed) }
            return try own.play(fabric.play(closed, at: start, records: false).durations, closed: closed)
        }
    }
}
