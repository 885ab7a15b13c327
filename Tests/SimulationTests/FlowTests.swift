import Calibration
import Cluster
import Engine
import Plan
import Quantities
import TestSupport
import Testing
import Workload

@testable import Simulation

/// A job of Llama 2 7B on nodes of `perNode` H100 with one 400 Gb/s port for each.
func flowJob(
    tensor: Int = 2, pipeline: Int = 4, data: Int = 4, perNode: Int = 8, change: (inout Job) -> Void = { _ in }
) throws -> Job {
    try JobFixture(tensor: tensor, pipeline: pipeline, data: data, perNode: perNode).job {
        $0.cluster.interNode?.nicsPerNode = perNode
        change(&$0)
    }
}

func flowPlan(_ job: Job) throws -> Plan { try job.plan(CalibrationData.shipped()) }

func flowSettings(_ network: NetworkModel, unfolded: Bool = false) -> SimulationSettings {
    var settings = SimulationSettings()
    settings.network = network
    settings.timeline = false
    settings.unfolded = unfolded
    return settings
}

@Suite("Sharing in lock step")
struct LockStepSharingTests {
    private func share(_ patterns: [LockStepSharing.Pattern], links: Int = 2) -> [LockStepSharing.Share] {
        var sharing = LockStepSharing(links: links)
        return sharing.solve(patterns)
    }

    @Test("two equal flows on one link have half each; a pattern alone goes at full speed")
    func halves() {
        let flow = LockStepSharing.Pattern(loads: [(0, 1)], rate: 100)
        #expect(share([flow, flow]).map(\.speed) == [0.5, 0.5])
        #expect(share([flow]).map(\.speed) == [1])
        #expect(share([]).isEmpty)
    }

    /// Link of 100 B/s. A transfer of at most 50 B/s and a bucket of at most 100: level 50, so the transfer keeps its rate and the bucket has half of its own.
    @Test("who asks for less than the fair share is not slowed")
    func cap() {
        let shares = share([.init(loads: [(0, 0.5)], rate: 50), .init(loads: [(0, 1)], rate: 100)])
        #expect(abs(shares[0].speed - 1) < 1e-12 && abs(shares[1].speed - 0.5) < 1e-12)
        #expect(shares[0].bottleneck == -1 && shares[1].bottleneck == 0)
    }

    /// Link of 100 B/s; A is two flows of 40, B one of 100. 2 x + x = 100: x = 33.3, A at 5/6 and B at 1/3 of their speeds.
    @Test("shares are those of single flows, also where a pattern has several on the link")
    func multiplicity() {
        let shares = share([.init(loads: [(0, 0.8)], rate: 40), .init(loads: [(0, 1)], rate: 100)])
        #expect(abs(shares[0].speed - 5.0 / 6) < 1e-12 && abs(shares[1].speed - 1.0 / 3) < 1e-12)
    }

    /// A allocation is max-min fair if and only if every pattern below full speed crosses a full link on which nobody has a higher level, and no link is over.
    @Test("random patterns meet the definition of max-min fairness", arguments: [UInt64(1), 2, 3])
    func definition(seed: UInt64) {
        var stream = RandomStream(seed: seed, purpose: "lock-step")
        for round in 0..<300 {
            let links = Int.random(in: 1...6, using: &stream)
            let patterns = (0..<Int.random(in: 1...12, using: &stream)).map { _ in
                let crossed = (0..<links).filter { _ in Bool.random(using: &stream) }
                return LockStepSharing.Pattern(
                    loads: crossed.map { (Int32($0), Double.random(in: 0.05...1, using: &stream)) },
                    rate: Double.random(in: 1...100, using: &stream))
            }
            let shares = share(patterns, links: links)
            var load = [Double](repeating: 0, count: links)
            for (index, pattern) in patterns.enumerated() {
                for (link, usage) in pattern.loads { load[Int(link)] += usage * shares[index].speed }
            }
            #expect(load.allSatisfy { $0 <= 1 + 1e-9 }, "seed \(seed) round \(round)")
            for (index, pattern) in patterns.enumerated() where shares[index].speed < 1 {
                let level = shares[index].speed * pattern.rate
                let holds = pattern.loads.contains { link, _ in
                    load[Int(link)] > 1 - 1e-9
                        && patterns.indices.allSatisfy { other in
                            !patterns[other].loads.contains { $0.link == link }
                                || shares[other].speed * patterns[other].rate <= level * (1 + 1e-9)
                        }
                }
                #expect(holds, "seed \(seed) round \(round) pattern \(index)")
            }
        }
    }
}

@Suite("Tasks and flows together")
struct FlowPlayerTests {
    /// A hand-made step on link 0: tasks (stream, nanoseconds, template) that start together unless they share a stream.
    private func play(_ tasks: [(stream: Int, length: Int64, template: TaskTemplate?)]) throws -> PlayedFlows {
        let plan = try flowPlan(flowJob())
        let player = try StepPlayer(plan: plan, lanes: 1)
        var flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        try #require(!flows.fabric.links.isEmpty && flows.fabric.keys.count > 1)
        var builder = TaskGraphBuilder()
        flows.templates = []
        flows.templateOf = []
        for task in tasks {
            _ = builder.addTask(stream: task.stream, duration: task.length)
            flows.templateOf.append(task.template == nil ? -1 : Int32(flows.templates.count))
            if let template = task.template { flows.templates.append(template) }
        }
        flows.tasks = try builder.build()
        var own = FlowPlayer(flows, records: true)
        return try own.play(tasks.map(\.length))
    }

    private func template(usage: Double, rate: Double, computing: Double = 0, repeats: Int = 1) -> TaskTemplate {
        let footprint: [(link: Int32, usage: Double)] = [(0, usage)]
        var segments: [TaskTemplate.Segment] = []
        if computing > 0 { segments.append(.init(pattern: -1, share: computing, end: computing, bytes: 0)) }
        segments.append(.init(pattern: 0, share: 1 - computing, end: 1, bytes: 1000, loads: footprint, rate: rate))
        return TaskTemplate(
            repeats: repeats, segments: segments, footprint: footprint, place: 0, stream: 0, seconds: 1e-7)
    }

    /// Link of 100 B/ns. Transfer: 100 ns at 60 B/ns; bucket: 1000 ns at 80 B/ns. Together 140 > 100: both at 50. The transfer's 6,000 B take 120 ns; by then the
    /// bucket has done 6,000 of 80,000 B, which is 75 ns of its time: it ends at 120 + 925 = 1045 ns.
    @Test("a transfer and a bucket on one port share it max-min")
    func transferAndBucket() throws {
        let played = try play([(0, 100, template(usage: 0.6, rate: 60)), (1, 1000, template(usage: 0.8, rate: 80))])
        #expect(played.durations == [120, 1045])
        #expect(abs(played.waits.values.reduce(0, +) - 65) < 1e-6)
    }

    @Test("alone, a task takes its closed form to the nanosecond; so do two that a link bears together")
    func closedForm() throws {
        #expect(try play([(0, 999, template(usage: 1, rate: 100))]).durations == [999])
        let both = try play([(0, 400, template(usage: 0.6, rate: 60)), (1, 300, template(usage: 0.4, rate: 40))])
        #expect(both.durations == [400, 300])
        #expect(both.solves == 0 && both.waits.isEmpty)
    }

    /// Passes: 100 ns of computation, 100 ns of communication at 80 B/ns, and the same again. Beside a bucket of 150 ns at 80 B/ns, both from 0: the bucket
    /// is alone until 100, then both go at 50 B/ns (0.625 of their speeds); the bucket's last 50 ns take 80, to 180. The pass then has 50 ns of its first collective
    /// left, alone: 230, and the second half takes its 200: 430.
    @Test("a pass drops into pieces under contention and goes on in closed form behind it")
    func embedded() throws {
        let pass = template(usage: 0.8, rate: 80, computing: 0.5, repeats: 2)
        let played = try play([(0, 400, pass), (1, 150, template(usage: 0.8, rate: 80))])
        #expect(played.durations == [430, 180])
    }

    /// The pass runs in closed form until the bucket comes at 150, in the middle of its first collective: 50 ns left, both at 0.625, so 80 ns, to 230. The bucket
    /// has 25 of its 75 ns left and is alone while the pass computes: 255. The pass: 230 + 200 = 430.
    @Test("the first foreign flow drops a pass into pieces at the very point that it has come to")
    func dropped() throws {
        let pass = template(usage: 0.8, rate: 80, computing: 0.5, repeats: 2)
        let played = try play([(0, 400, pass), (1, 150, nil), (1, 75, template(usage: 0.8, rate: 80))])
        #expect(played.durations == [430, 150, 105])
    }

    @Test("a tiny foreign flow changes the closed form by next to nothing", arguments: [Int64(1), 3, 10])
    func noJump(length: Int64) throws {
        let played = try play([(0, 1_000_000, template(usage: 1, rate: 100)), (1, length, template(usage: 1, rate: 100))])
        #expect(played.durations[0] >= 1_000_000)
        #expect(Double(played.durations[0]) / 1e6 - 1 <= 1e-3)
        // Bytes of both through one link: nobody can be done before all have crossed.
        #expect(played.durations[0] == 1_000_000 + length)
    }

    @Test("what is moved is what the tasks hold, whoever contends")
    func conservation() throws {
        let pass = template(usage: 0.8, rate: 80, computing: 0.5, repeats: 2)
        let played = try play([(0, 400, pass), (1, 150, template(usage: 0.8, rate: 80)), (1, 33, template(usage: 0.3, rate: 5))])
        #expect(abs(played.moved[0] - 3000) < 1e-9)
    }
}
