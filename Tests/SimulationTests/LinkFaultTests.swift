import Calibration
import Cluster
import Engine
import Plan
import Quantities
import Testing
import Workload

@testable import Simulation

@Suite("Links that fail within a step")
struct LinkFaultTests {
    /// A hand-made step on link 0 whose room changes: tasks (stream, nanoseconds, share of the link) that start together unless they share a stream.
    private func play(_ tasks: [(stream: Int, length: Int64, usage: Double)], _ phases: [LinkPhase]) throws -> PlayedFlows {
        let plan = try flowPlan(flowJob())
        let player = try StepPlayer(plan: plan, lanes: 1)
        var flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        var builder = TaskGraphBuilder()
        flows.templates = []
        flows.templateOf = []
        for task in tasks {
            _ = builder.addTask(stream: task.stream, duration: task.length)
            flows.templateOf.append(Int32(flows.templates.count))
            let footprint: [(link: Int32, usage: Double)] = [(0, task.usage)]
            flows.templates.append(
                TaskTemplate(
                    repeats: 1, segments: [.init(pattern: 0, share: 1, end: 1, bytes: 1000, loads: footprint, rate: 100 * task.usage)],
                    footprint: footprint, place: 0, stream: task.stream, seconds: 1e-7))
        }
        flows.tasks = try builder.build()
        var own = FlowPlayer(flows, phases: phases, records: true)
        return try own.play(tasks.map(\.length))
    }
    private func phase(_ from: Int64, _ room: Double) -> LinkPhase { LinkPhase(from: from, room: room < 1 ? [0: room] : [:], variant: 0) }

    /// 1,000 ns of a full link that is down from 300 to 700: 1,400 ns, of which 400 waited for the link.
    @Test("what crosses a dead link waits until it is back, to the nanosecond")
    func down() throws {
        let played = try play([(0, 1000, 1)], [phase(0, 1), phase(300, 0), phase(700, 1)])
        #expect(played.durations == [1400])
        #expect(played.waits.count == 1)
        let wait = try #require(played.waits.first)
        #expect(wait.key.rivals == FlowWait.fault && wait.key.link == 0 && abs(wait.value - 400) < 1e-6)
    }

    /// At a quarter of its rate from 200 to 600 the link does 100 ns of the transfer's: it ends at 1,000 + 300.
    @Test("a slow link takes as much longer as its rate says, and a slowdown that leaves room enough costs nothing")
    func slow() throws {
        #expect(try play([(0, 1000, 1)], [phase(0, 1), phase(200, 0.25), phase(600, 1)]).durations == [1300])
        #expect(try play([(0, 1000, 0.5)], [phase(0, 1), phase(200, 0.5), phase(600, 1)]).durations == [1000])
        // From the start and for ever: half the rate, twice the time.
        #expect(try play([(0, 1000, 1)], [phase(0, 0.5)]).durations == [2000])
    }

    /// Two transfers of half a link each, 400 ns; half the link is left from 100 on: both at half speed, 100 + 600 = 700 ns. A third comes behind the first one.
    @Test("tasks share what is left of a link")
    func shared() throws {
        let both = try play([(0, 400, 0.5), (1, 400, 0.5), (0, 100, 0.5)], [phase(0, 1), phase(100, 0.5)])
        #expect(both.durations == [700, 700, 100])
    }

    /// Drawn, a column 100 ns: the room of the link in quarters, and what each stream sends over it by letter. Tasks of a stream follow one another.
    private func drawing(_ tasks: [(stream: Int, length: Int64, usage: Double)], _ phases: [LinkPhase]) throws -> String {
        let played = try play(tasks, phases)
        var ends: [Int: Int64] = [:]
        var rows: [Int: String] = [:]
        for (index, task) in tasks.enumerated() {
            let letter = String(UnicodeScalar(UInt8(65 + index)))
            rows[task.stream, default: ""] += String(repeating: letter, count: Int(played.durations[index] / 100))
            ends[task.stream, default: 0] += played.durations[index]
        }
        let room = stride(from: Int64(0), to: ends.values.max() ?? 0, by: 100).map { now in
            "\(Int((phases.last { $0.from <= now }?.room[0] ?? 1) * 4))"
        }
        return (["link " + room.joined()] + rows.sorted { $0.key < $1.key }.map { "   \($0.key) \($0.value)" }).joined(separator: "\n")
    }

    /// A kilobyte takes 1,000 ns of the whole link. Down for 400 ns; at half room for the rest; two that share what is left, and one behind the first.
    @Test("faults, drawn")
    func drawn() throws {
        #expect(
            try drawing([(0, 1000, 1)], [phase(0, 1), phase(300, 0), phase(700, 1)]) == """
                link 44400004444444
                   0 AAAAAAAAAAAAAA
                """)
        #expect(
            try drawing([(0, 600, 1), (0, 200, 0.5)], [phase(0, 1), phase(400, 0.5)]) == """
                link 4444222222
                   0 AAAAAAAABB
                """)
        #expect(
            try drawing([(0, 400, 0.5), (1, 400, 0.5), (0, 100, 0.5)], [phase(0, 1), phase(200, 0.5)]) == """
                link 4422222
                   0 AAAAAAC
                   1 BBBBBB
                """)
    }

    @Test("a change behind the end of the step changes nothing, and waiting for ever is an error that names the link")
    func ends() throws {
        let late = try play([(0, 1000, 1)], [phase(0, 1), phase(5000, 0)])
        #expect(late.durations == [1000] && late.makespan == 1000)
        let error = #expect(throws: Fault.self) { try play([(0, 1000, 1)], [phase(0, 1), phase(10, 0)]) }
        #expect(error?.description.contains("wait for ever") == true && error?.description.contains("until") == true)
    }

    /// Eight nodes on leaves of two, two spines a rail: ZeRO-1 rings cross between leaves.
    private func plan() throws -> Plan {
        try flowPlan(
            flowJob(tensor: 2, pipeline: 1, data: 8, perNode: 2) {
                $0.cluster.interNode?.form.levels = 2
                $0.cluster.interNode?.form.radix = 4
                $0.layout.overlap.gradReduce = false
                $0.layout.overlap.paramGather = false
            })
    }
    private func run(_ faults: [Conditions.LinkFaults], steps: Int = 1) throws -> SimulatedStep {
        var conditions = Conditions()
        conditions.linkFaults = faults
        var settings = flowSettings(.flow)
        settings.steps = steps
        return try simulate(plan(), conditions: conditions, settings: settings)
    }

    @Test("a port that is down delays the step by at most its outage; who waited is told; a way round costs less than waiting")
    func steps() throws {
        let whole = try run([])
        let seconds = whole.step.timeS.mean
        // The reduction comes at the end of the step.
        let (from, until) = (try Duration(seconds: seconds * 0.5), try Duration(seconds: seconds * 1.1))
        let port = try run([.init(which: .gpu(2), from: from, until: until)])
        let delay = port.step.timeS.mean - seconds
        #expect(delay > 0.05 * seconds && delay <= 0.6 * seconds * 1.001, "\(delay) of \(seconds)")
        #expect(port.fabric?.waits.contains { $0.rivals.contains("link fault") && $0.link.contains("port 0 of node 1") } == true)
        let name = try #require(
            whole.fabric?.links.map(\.name).first { $0.hasPrefix("leaf") && $0.contains("spine") }, "rings cross the spines")
        let waiting = try run([.init(which: .link(name), from: from, until: until)])
        let rerouted = try run([.init(which: .link(name), from: from, until: until, reroutes: true)])
        #expect(waiting.step.timeS.mean > seconds * 1.05)
        #expect(rerouted.step.timeS.mean < waiting.step.timeS.mean)
        #expect(rerouted.step.timeS.mean >= seconds * (1 - 1e-9))
        // For ever: only a way round helps.
        #expect(try run([.init(which: .link(name), reroutes: true)]).step.timeS.mean >= seconds * (1 - 1e-9))
        #expect(throws: Fault.self) { try run([.init(which: .link(name))]) }
        #expect(throws: Fault.self) { try run([.init(which: .link("leaf 99 to spine 1"))]) }
    }

    @Test("a fault in the second of three steps makes only that one longer")
    func later() throws {
        let seconds = try run([]).step.timeS.mean
        let (from, until) = (try Duration(seconds: seconds * 1.5), try Duration(seconds: seconds * 2.1))
        let steps = try run([.init(which: .gpu(2), from: from, until: until)], steps: 3).stepTimesS
        #expect(steps.count == 3)
        #expect(abs(steps[0] / seconds - 1) < 1e-6 && steps[1] > seconds * 1.05 && abs(steps[2] / seconds - 1) < 1e-6, "\(steps)")
    }
}
