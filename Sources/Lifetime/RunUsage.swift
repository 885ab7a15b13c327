import Cost
import Plan
import Quantities
import Simulation

extension Activity {
    /// What a GPU draws power for meanwhile.
    public var powerState: PowerState {
        switch self {
        case .forward, .backward, .recompute: .computing
        case .optimizer: .memoryBound
        case .tensorComm, .sequenceComm, .contextComm, .expertComm, .pipelineComm, .dataComm, .offloadComm: .communicating
        case .bubble, .stragglerWait, .inputStall, .launch, .other: .waiting
        }
    }
}

extension PowerLoad {
    /// A step's load.
    /// - Parameters:
    ///   - breakdown: seconds by activity.
    ///   - hfu: executed FLOPs over the dense peak.
    public init(_ breakdown: [Activity: Double], hfu: Double) {
        self.init(hfu: hfu)
        for activity in Activity.allCases { add(activity.powerState, seconds: breakdown[activity] ?? 0) }
    }
}

extension Usage {
    /// What a run of such steps uses: its GPUs over its wall clock, energy by what they do in a step, and what it keeps in storage meanwhile.
    /// - Throws: `Fault` where the run is longer than the clock holds, or the power table has no row for its GPUs.
    public init(of run: RunSummary, step: SimulatedStep, job: Job, stored: Bytes? = nil) throws(Fault) {
        let wallClock: Duration
        do { wallClock = try Duration(seconds: run.wallClockS) } catch { throw Fault(keyPath: "training", reason: error.message) }
        let energy = try PowerModel(of: job.cluster.accelerator.generation).energy(
            of: job.cluster, under: PowerLoad(step.breakdownS, hfu: step.step.hfu), wallClock: run.wallClockS, useful: run.goodput)
        self.init(
            gpus: job.cluster.gpus, wallClock: wallClock, energy: energy, tokens: run.tokens, stored: stored ?? .zero,
            storedMonths: run.wallClockS / Self.secondsPerMonth)
    }
}
