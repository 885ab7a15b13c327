import Calibration
import Cluster
import Engine
import Plan
import Quantities
import Testing
import Workload

@testable import Simulation

@Suite("A step on the fabric")
struct FlowStepTests {
    static let kinds: [(name: String, change: @Sendable (inout Job) -> Void)] = [
        ("1f1b", { _ in }),
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
                $0.layout.pipeline = 1; $0.layout.zero = 3; $0.layout.tensor = 1; $0.software = SoftwareStack(framework: "torchtitan")
            }
        ),
        ("deepspeed", { $0.software = SoftwareStack(framework: "megatron-deepspeed") }),
        ("full recomputation", { $0.training.recompute = .full }),
        (
            "context",
            {
                $0.layout.context = 2; $0.layout.pipeline = 2
            }
        ),
    ]

    @Test("on a non-blocking network the flows take what the closed form takes, within 2%", arguments: kinds.indices)
    func agreement(kind: Int) throws {
        let plan = try flowPlan(flowJob(change: Self.kinds[kind].change))
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta)).step.timeS.mean
        let flow = try simulate(plan, settings: flowSettings(.flow))
        #expect(abs(flow.step.timeS.mean / closed - 1) < 0.02, "\(Self.kinds[kind].name): \(flow.step.timeS.mean) and \(closed)")
        #expect(flow.step.timeS.mean > closed * (1 - 1e-9), "contention never helps a step of this kind")
        let sum = flow.breakdownS.values.reduce(0, +)
        #expect(abs(sum / flow.step.timeS.mean - 1) < 1e-9)
        #expect(flow.fabric?.links.isEmpty == false)
        for link in flow.fabric?.links ?? [] {
            #expect(link.utilization <= 1 && link.series.allSatisfy { $0 <= 1 })
            let mean = link.series.reduce(0, +) / Double(link.series.count)
            #expect(abs(mean - link.utilization) < 0.02 + 0.02 * link.utilization, "\(link.name): \(mean) \(link.utilization)")
        }
    }

    @Test("folded and unfolded replicas agree within 0.1%", arguments: [0, 1, 3, 6])
    func folding(kind: Int) throws {
        let plan = try flowPlan(flowJob(change: Self.kinds[kind].change))
        let folded = try simulate(plan, settings: flowSettings(.flow))
        let unfolded = try simulate(plan, settings: flowSettings(.flow, unfolded: true))
        #expect(abs(unfolded.step.timeS.mean / folded.step.timeS.mean - 1) < 1e-3)
        for group in TrafficGroup.allCases {
            let (a, b) = (folded.fabric?.network[group.name] ?? 0, unfolded.fabric?.network[group.name] ?? 0)
            #expect(abs(a - b) <= 1e-9 * max(a, b), "\(group)")
        }
    }

    /// Two GPUs a node, tensor 2, four replicas on four nodes: two rings of four. All ports of two nodes on one leaf (4 ports), and one way up as wide as a port
    /// (4 : 1). Each ring crosses from leaf to leaf once in each direction, so the way up carries both: 2 x 3/4 S for a reduce-scatter of S, S = 2 x the
    /// time's demand.
    @Test("two data-parallel rings over one oversubscribed way up take exactly the predicted factor longer")
    func oversubscribed() throws {
        let job = try flowJob(tensor: 2, pipeline: 1, data: 4, perNode: 2) {
            $0.cluster.interNode?.form.rails = 1
            $0.cluster.interNode?.form.radix = 5
            $0.cluster.interNode?.form.oversubscription = 4
            $0.layout.overlap.gradReduce = false
            $0.layout.overlap.paramGather = false
        }
        let plan = try flowPlan(job)
        let player = try StepPlayer(plan: plan, lanes: 1)
        let flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        let port = try #require(job.cluster.interNode).link.bandwidth.bytesPerSecond
        let up = flows.fabric.links.filter { $0.tier == .leaf }
        try #require(!up.isEmpty)
        #expect(up.allSatisfy { abs($0.nominal / port - 1) < 1e-12 })
        var checked = 0
        for (task, index) in flows.templateOf.enumerated() where index >= 0 {
            let kind = player.graph.kinds[Int(player.graph.kindOf[task])]
            guard case .reduce(let stage) = kind else { continue }
            let collective = try #require(plan.dataCollectives(of: plan.work.parameters[stage]).reduce.first)
            #expect(collective.operation == .reduceScatter)
            let seconds = player.times.cost(kind).total
            let bytes = 2 * 0.75 * collective.bytes / Double(plan.pieces[stage])
            let expected = max(1, bytes / seconds / up[0].capacity)
            #expect(expected > 1.2, "the factor says something: \(expected)")
            #expect(abs(flows.templates[Int(index)].stretch / expected - 1) < 1e-9)
            checked += 1
        }
        #expect(checked > 0)
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta))
        let flow = try simulate(plan, settings: flowSettings(.auto))
        #expect(flow.step.timeS.mean > closed.step.timeS.mean * 1.001)
        #expect(flow.fabric?.waits.contains { $0.group == "data" && $0.rivals.isEmpty && $0.link.contains("leaf") } == true)
    }

    /// Bytes by hand for tensor 2 x pipeline 4 x data 4, 8 GPUs a node: a stage is one node. Replicas of a stage share its node, so that data stays inside:
    /// each of 8 GPUs sends 3/4 of its gradients and of its parameters. Transfers: 3 boundaries x 8 GPUs x 16 micro-batches x 2 ways.
    @Test("bytes on links are the closed-form volumes of their groups")
    func conservation() throws {
        let plan = try flowPlan(flowJob())
        let result = try simulate(plan, settings: flowSettings(.flow))
        let fabric = try #require(result.fabric)
        let hops = 3.0 * 8 * 16 * 2 * plan.hopBytes
        #expect(abs((fabric.network["pipeline"] ?? 0) / hops - 1) < 1e-9)
        var data = 0.0
        for parameters in plan.work.parameters {
            let collectives = plan.dataCollectives(of: parameters)
            for one in collectives.gather + collectives.reduce { data += 8 * one.bytes * 0.75 }
        }
        #expect(abs((fabric.inside["data"] ?? 0) / data - 1) < 1e-9)
        #expect((fabric.network["data"] ?? 0) == 0)
        // Every byte that leaves a node goes up one port and down one.
        let player = try StepPlayer(plan: plan, lanes: 1)
        let flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        var own = FlowPlayer(flows, records: false)
        let played = try own.play(player.nominal)
        var onPorts = 0.0
        for (pattern, moved) in played.moved.enumerated() {
            for (link, bytes) in flows.fabric.loads[pattern] where flows.fabric.links[Int(link)].tier == .port {
                onPorts += moved * bytes * Double(flows.fabric.links[Int(link)].count)
            }
        }
        #expect(abs(onPorts / (2 * fabric.network.values.reduce(0, +)) - 1) < 1e-9)
        let tensor = (fabric.inside["sequence"] ?? 0) + (fabric.inside["tensor"] ?? 0)
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta)).traffic.byGroup
        #expect(abs(tensor / 32 / ((closed["sequence"] ?? 0) + (closed["tensor"] ?? 0)) - 1) < 1e-9)
    }

    /// All replicas' transfers from stage 0 to 1 and the ring of stage 0's gradients leave by the same ports. Every flow is played on its own by the fabric
    /// (independent code: max-min over single flows), with the calibrated rates put on nominal links: bytes and rates over capacity/nominal.
    @Test("folded patterns share ports as their single flows do on the whole network")
    func againstSingleFlows() throws {
        let job = try flowJob(tensor: 8, pipeline: 2, data: 4) { job in
            job.cluster.intraNode.latency = .zero
            job.cluster.interNode?.link.latency = .zero
        }
        let plan = try flowPlan(job)
        let player = try StepPlayer(plan: plan, lanes: 1)
        var flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        let hop = try #require(flows.templates.first { $0.place == 0 && $0.stream == 2 })
        let bucket = try #require(flows.templates.last { $0.place == 0 && $0.stream == 1 })
        let pattern = try #require(bucket.segments.last).pattern
        guard case .collective(let operation, _) = flows.fabric.keys[pattern].kind else { return #expect(Bool(false), "no collective") }
        #expect([.reduceScatter, .allGather].contains(operation) && bucket.segments.count == 1)
        let port = try #require(flows.fabric.links.first { $0.tier == .port })
        let reached = port.capacity / port.nominal
        func flow(_ source: Int, _ destination: Int, _ bytes: Double, _ seconds: Double) -> Flow {
            Flow(source: source, destination: destination, bytes: bytes / reached, cap: bytes / seconds / reached)
        }
        var single: [Flow] = []
        // Ten transfers' worth of bytes, so that both last.
        for gpu in 0..<32 { single.append(flow(gpu, gpu + 32, 10 * hop.segments[0].bytes, 10 * hop.seconds)) }
        for gpu in 0..<32 { single.append(flow(gpu, (gpu + 8) % 32, 0.75 * bucket.segments[0].bytes, bucket.seconds)) }
        let expected = try TrainingNetwork(cluster: job.cluster).network.simulate(single).finish
        var builder = TaskGraphBuilder()
        let closed = [try nanoseconds(10 * hop.seconds), try nanoseconds(bucket.seconds)]
        for (stream, length) in closed.enumerated() { _ = builder.addTask(stream: stream, duration: length) }
        flows.tasks = try builder.build()
        flows.templates = [hop, bucket]
        flows.templateOf = [0, 1]
        var own = FlowPlayer(flows, records: false)
        let played = try own.play(closed).durations
        #expect(played[0] > closed[0] || played[1] > closed[1], "they contend")
        for gpu in 0..<32 {
            #expect(abs(Double(played[0]) * 1e-9 / expected[gpu] - 1) < 1e-5)
            #expect(abs(Double(played[1]) * 1e-9 / expected[32 + gpu] - 1) < 1e-5)
        }
    }

    @Test("a slow port slows the step, by node, by GPU and by name; a link that is not there is named")
    func slowLinks() throws {
        let plan = try flowPlan(flowJob(tensor: 8, pipeline: 2, data: 4))
        let normal = try simulate(plan, settings: flowSettings(.flow)).step.timeS.mean
        func slowed(_ which: Conditions.SlowLinks.Which, _ factor: Double = 20) throws -> Double {
            var conditions = Conditions()
            conditions.slowLinks = [.init(which: which, slowdown: factor)]
            return try simulate(plan, conditions: conditions, settings: flowSettings(.flow)).step.timeS.mean
        }
        #expect(try slowed(.node(1)) > normal * 1.05)
        #expect(try slowed(.gpu(9)) > normal * 1.05)
        #expect(try slowed(.link("port 1 of node 1 to leaf 0 of rail 1")) > normal * 1.02)
        #expect(abs(try slowed(.node(1), 1) / normal - 1) < 1e-3)
        #expect(throws: Fault.self) { try slowed(.link("port 99 of node 1")) }
    }

    @Test("auto takes flows on an oversubscribed network only")
    func automatic() throws {
        let plain = try flowPlan(flowJob())
        #expect(try simulate(plain, settings: flowSettings(.auto)).fabric == nil)
        let thin = try flowPlan(flowJob { $0.cluster.interNode?.form.oversubscription = 4 })
        #expect(try simulate(thin, settings: flowSettings(.auto)).fabric != nil)
        #expect(try simulate(thin, settings: flowSettings(.alphaBeta)).fabric == nil)
    }

    @Test("networks that no flow can cross are refused with the key")
    func refused() throws {
        var job = try flowJob()
        job.cluster.interNode?.topology = "torus"
        let plan = try flowPlan(job)
        let error = #expect(throws: Fault.self) { try simulate(plan, settings: flowSettings(.flow)) }
        #expect(error?.description.contains("cluster.inter_node.topology.kind") == true)
        job.cluster.interNode?.form.between = .torus(dims: [3, 2])
        let wrong = try flowPlan(job)
        let dims = #expect(throws: Fault.self) { try simulate(wrong, settings: flowSettings(.flow)) }
        #expect(dims?.description.contains("cluster.inter_node.topology.dims: 3 x 2 is not the cluster's 4 nodes") == true)
        job.cluster.interNode?.form.between = nil
        job.cluster.interNode?.topology = "fat_tree"
        job.cluster.interNode?.form.levels = 1
        job.cluster.interNode?.form.radix = 2
        let small = try flowPlan(job)
        let levels = #expect(throws: Fault.self) { try simulate(small, settings: flowSettings(.flow)) }
        #expect(levels?.description.contains("levels") == true)
    }
}
