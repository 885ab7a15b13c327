import Calibration
import Cluster
import Engine
import Plan
import Quantities
import TestSupport
import Testing
import Workload

@testable import Simulation

private func job(
    tensor: Int = 2, pipeline: Int = 4, data: Int = 4, batch: Int = 64, change: (inout Job) -> Void = { _ in }
) throws -> Job {
    try JobFixture(tensor: tensor, pipeline: pipeline, data: data).job {
        $0.training.globalBatch = batch
        change(&$0)
    }
}

private func offloaded(_ job: inout Job, _ what: Layout.Offload, zero: Int) {
    job.layout.offload = what
    job.layout.zero = zero
    if zero == 3 { job.layout.pipeline = 1 }
    job.cluster.host = try? Catalogue.usualHost(for: "h100-sxm-80gb")
}

private func plan(_ job: Job) throws -> Plan { try job.plan(CalibrationData.shipped()) }

@Suite("One step")
struct StepTests {
    /// Layouts of different kinds: plain pipeline, interleaved, zero bubble, FSDP, no overlap, no replicas.
    static let kinds: [(name: String, change: @Sendable (inout Job) -> Void)] = [
        ("1f1b", { _ in }),
        ("gpipe", { $0.layout.schedule = .gpipe }),
        (
            "interleaved",
            {
                $0.layout.schedule = .interleaved; $0.layout.virtual = 2
            }
        ),
        (
            "zb-1p",
            {
                $0.layout.schedule = .zb1p; $0.software = SoftwareStack(framework: "megatron-lm-zero-bubble")
            }
        ),
        (
            "fsdp",
            {
                $0.layout.pipeline = 1; $0.layout.zero = 3; $0.software = SoftwareStack(framework: "torchtitan")
            }
        ),
        ("deepspeed", { $0.software = SoftwareStack(framework: "megatron-deepspeed") }),
        ("zero 0", { $0.layout.zero = 0 }),
        ("full recomputation", { $0.training.recompute = .full }),
        ("zb-v", { $0.layout.schedule = .zbV }),
        ("dualpipe", { $0.layout.schedule = .dualpipe }),
        ("dualpipev", { $0.layout.schedule = .dualpipeV }),
        ("auto", { $0.layout.schedule = .auto }),
        ("zero 2 with a pipeline", { $0.layout.zero = 2 }),
        ("gradient groups", { $0.layout.bucketing = .groups }),
        ("offloaded optimizer", { offloaded(&$0, .optimizer, zero: 1) }),
        ("offloaded parameters", { offloaded(&$0, .parameters, zero: 3) }),
    ]

    @Test("folded and unfolded replicas take the same time to the nanosecond", arguments: kinds.indices)
    func folding(kind: Int) throws {
        let plan = try plan(job(change: Self.kinds[kind].change))
        var settings = SimulationSettings()
        settings.timeline = false
        let folded = try simulate(plan, settings: settings)
        settings.unfolded = true
        let unfolded = try simulate(plan, settings: settings)
        #expect(folded.stepTimesS == unfolded.stepTimesS, "\(Self.kinds[kind].name)")
        #expect(folded.stepTimesS[0] > 0)
    }

    @Test("the breakdown sums to the step time", arguments: kinds.indices)
    func breakdown(kind: Int) throws {
        let result = try simulate(plan(job(change: Self.kinds[kind].change)))
        let sum = result.breakdownS.values.reduce(0, +)
        #expect(abs(sum / result.step.timeS.mean - 1) < 1e-9, "\(Self.kinds[kind].name)")
        for (activity, seconds) in result.breakdownS { #expect(seconds >= 0, "\(activity)") }
    }

    @Test("a step is never faster than its FLOPs at the peak", arguments: kinds.indices)
    func peakIsAGuard(kind: Int) throws {
        let result = try simulate(plan(job(change: Self.kinds[kind].change)))
        #expect(result.step.hfu < 1 && result.step.mfu > 0.05)
        #expect(result.step.utilization <= 1)
    }

    @Test("events and the longest path agree on the graph of a step", arguments: kinds.indices)
    func twoReplays(kind: Int) throws {
        let plan = try plan(job(change: Self.kinds[kind].change))
        let graph = try StepGraph(plan: plan, lanes: 2)
        let durations = try graph.durations(TaskTimes(plan: plan, costs: plan.costs, pieces: plan.pieces))
        // The graph is timed under costs given from outside; for the replay by events it is built again with these costs as its own.
        var builder = TaskGraphBuilder()
        for task in 0..<graph.graph.count { _ = builder.addTask(stream: Int(graph.graph.streams[task]), duration: durations[task]) }
        for task in 0..<graph.graph.count {
            for dependency in graph.graph.dependencies(of: TaskID(task)) {
                builder.addDependency(from: dependency.task, to: TaskID(task), delay: dependency.delay)
            }
        }
        let events = try builder.build().replay()
        var path = CriticalTimes()
        try graph.graph.longestPath(durations: durations, into: &path)
        #expect(events.finish == path.times.finish)
        #expect(events.makespan > 0)
        #expect(graph.graph.count > 20)
    }

    @Test("with one rank, one replica and no fixed costs the step is micro-batches x (forward + backward) + optimizer")
    func singleDevice() throws {
        let plan = try plan(job(tensor: 1, pipeline: 1, data: 1, batch: 4))
        let costs = plan.costs
        let pass = costs.stages[0].forward.total + costs.stages[0].backward.total + costs.stages[0].weight.total
        let expected = 4 * pass + costs.optimizer[0] + costs.fixed
        let result = try simulate(plan)
        #expect(abs(result.step.timeS.mean / expected - 1) < 1e-6)
    }

    @Test("uniform stages under 1F1B: (m + p - 1) slots when messages cost nothing")
    func bubble() throws {
        let plan = try plan(job(tensor: 1, pipeline: 4, data: 1, batch: 8))
        var costs = plan.costs
        costs.hop = 0
        let uniform = costs.stages[1]
        for stage in costs.stages.indices {
            costs.stages[stage] = uniform
            costs.optimizer[stage] = 0
        }
        costs.fixed = 0
        costs.slowest = 0
        let slot = uniform.forward.total + uniform.backward.total + uniform.weight.total
        // 8 micro-batches on 4 stages: 11 slots.
        #expect(abs(try StepReplay(plan: plan).seconds(costs: costs) / (11 * slot) - 1) < 1e-6)
    }
}

@Suite("Disturbed steps")
struct DisturbanceTests {
    @Test("the same seed gives the same times whatever the number of threads; another seed does not")
    func seeds() throws {
        let plan = try plan(job())
        var conditions = Conditions()
        conditions.kernelJitter = 0.05
        conditions.networkJitter = 0.1
        var settings = SimulationSettings()
        settings.samples = 12
        settings.timeline = false
        let one = try simulate(plan, conditions: conditions, settings: settings)
        settings.jobs = 3
        let three = try simulate(plan, conditions: conditions, settings: settings)
        #expect(one.stepTimesS == three.stepTimesS)
        settings.seed = 2
        let other = try simulate(plan, conditions: conditions, settings: settings)
        #expect(other.stepTimesS != one.stepTimesS)
        #expect(Set(one.stepTimesS).count > 1)
    }

    /// Two replicas of one GPU that reduce and gather at the end: 8 micro-batches, the collectives and the fixed costs are as ever, passes and optimizer
    /// of the slow one take 1.5 times as long.
    @Test("one slow GPU holds up the whole job by what its own passes take longer")
    func slowGPU() throws {
        let plan = try plan(
            job(tensor: 1, pipeline: 1, data: 2, batch: 16) {
                ($0.layout.overlap.gradReduce, $0.layout.overlap.paramGather) = (false, false)
            })
        let costs = plan.costs
        let passes = 8 * (costs.stages[0].forward.total + costs.stages[0].backward.total + costs.stages[0].weight.total)
        let compute = passes + costs.optimizer[0]
        let collectives = costs.data[0].reduce + costs.data[0].gather
        #expect(abs(try simulate(plan).step.timeS.mean / ((compute + collectives + costs.fixed) * (1 + costs.slowest)) - 1) < 1e-6)
        var conditions = Conditions()
        conditions.slowGPUs = [.init(which: .gpu(1), slowdown: 1.5)]
        let slow = try simulate(plan, conditions: conditions)
        #expect(abs(slow.step.timeS.mean / ((1.5 * compute + collectives + costs.fixed) * (1 + costs.slowest)) - 1) < 1e-6)
        #expect(slow.breakdownS.values.reduce(0, +) / slow.step.timeS.mean > 0.999999)
    }

    @Test("a slow link counts only from its time on")
    func slowFromLater() throws {
        let plan = try plan(job())
        var conditions = Conditions()
        let step = try simulate(plan).step.timeS.mean
        conditions.slowLinks = [.init(which: .node(0), slowdown: 20, from: try Duration(seconds: step * 2.5))]
        var settings = SimulationSettings()
        settings.steps = 6
        let times = try simulate(plan, conditions: conditions, settings: settings).stepTimesS
        // Steps 0, 1 and 2 begin before 2.5 steps have passed, the others after.
        #expect(times[0] == times[1] && times[1] == times[2])
        #expect(times[3] > times[2] && times[3] == times[5])
    }

    @Test("more jitter makes the slowest of all slower")
    func jitterGrows() throws {
        let plan = try plan(job())
        var settings = SimulationSettings()
        settings.samples = 10
        settings.timeline = false
        var means: [Double] = []
        for jitter in [0.01, 0.05, 0.2] {
            var conditions = Conditions()
            conditions.kernelJitter = jitter
            means.append(try simulate(plan, conditions: conditions, settings: settings).step.timeS.mean)
        }
        #expect(means[0] < means[1] && means[1] < means[2])
    }

    @Test("a sample of the replicas, corrected by extreme values, gives the step of all of them to 1 %")
    func sampledReplicas() throws {
        for (tensor, pipeline, jitter) in [(1, 4, 0.1), (2, 2, 0.3)] {
            let plan = try plan(job(tensor: tensor, pipeline: pipeline, data: 128, batch: 1024))
            var conditions = Conditions()
            conditions.kernelJitter = jitter
            var settings = SimulationSettings()
            settings.samples = 12
            settings.timeline = false
            let all = try simulate(plan, conditions: conditions, settings: settings).step.timeS.mean
            // 4 tasks for each of 8 micro-batches and each stage.
            settings.taskLimit = 16 * 4 * 8 * pipeline
            let sampled = try simulate(plan, conditions: conditions, settings: settings)
            #expect(abs(sampled.step.timeS.mean / all - 1) < 0.01, "\(sampled.step.timeS.mean) of 16 replicas, \(all) of 128")
            #expect(sampled.warnings.contains { $0.contains("16 of 128 replicas") })
        }
    }

    @Test("of one replica slowed among many the sample knows, and chance adds little to it")
    func sampledStraggler() throws {
        let plan = try plan(job(tensor: 1, pipeline: 4, data: 128, batch: 1024))
        var conditions = Conditions()
        conditions.kernelJitter = 0.05
        conditions.slowGPUs = [.init(which: .gpu(5), slowdown: 1.5)]
        var settings = SimulationSettings()
        settings.samples = 6
        settings.timeline = false
        let all = try simulate(plan, conditions: conditions, settings: settings).step.timeS.mean
        settings.taskLimit = 16 * 4 * 8 * 4
        let sampled = try simulate(plan, conditions: conditions, settings: settings).step.timeS.mean
        #expect(abs(sampled / all - 1) < 0.01)
    }

    @Test("sampling without repetition gives exactly the share asked for")
    func draws() {
        let chosen = Disturbances.draw(share: 0.005, of: 16384, seed: 1, purpose: "test")
        #expect(chosen.count == 82)
        #expect(Set(chosen).count == 82)
        #expect(chosen.allSatisfy { (0..<16384).contains($0) })
    }
}
