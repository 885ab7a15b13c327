import Calibration
import Cluster
import Compression
import Engine
import Plan
import Quantities
import Testing
import Workload

@testable import Simulation

@Suite("Steps on networks that are no trees")
struct FlowNetworkTests {
    /// Four nodes of two GPUs, one port a GPU. Tensor 2 inside a node, four replicas: the ring of replicas is the ring of nodes.
    private func job(on topology: NodeTopology, cable: LinkProperties? = nil, change: (inout Job) -> Void = { _ in }) throws -> Job {
        try flowJob(tensor: 2, pipeline: 1, data: 4, perNode: 2) {
            $0.cluster.interNode?.form.between = topology
            $0.cluster.interNode?.form.cable = cable
            $0.layout.overlap.gradReduce = false
            $0.layout.overlap.paramGather = false
            change(&$0)
        }
    }

    /// On a ring of four nodes with cables as wide as a node's ports, the two rings of replicas (one a GPU) send from node to next node only: 3/4 S each over
    /// one cable that bears both. Nothing contends, so the step takes its closed form.
    @Test("a ring of replicas on a ring of nodes takes the closed form")
    func ring() throws {
        let plan = try flowPlan(job(on: .torus(dims: [4])))
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta)).step.timeS.mean
        let flow = try simulate(plan, settings: flowSettings(.flow))
        #expect(abs(flow.step.timeS.mean / closed - 1) < 0.001, "\(flow.step.timeS.mean) and \(closed)")
        #expect(flow.fabric?.waits.isEmpty == true)
        #expect(try simulate(plan, settings: flowSettings(.auto)).fabric != nil, "the closed form knows no torus, so auto takes flows")
    }

    /// With cables of one port's rate, 2 x 3/4 S of a reduce-scatter of S cross each: the factor is 2 x 3/4 S / t over the cable's reached rate.
    @Test("cables half as wide as the ports stretch the collective by the predicted factor")
    func narrow() throws {
        let base = try job(on: .torus(dims: [4]))
        let port = try #require(base.cluster.interNode).link.bandwidth.bytesPerSecond
        let plan = try flowPlan(job(on: .torus(dims: [4]), cable: LinkProperties(bandwidth: port, latency: 0)))
        let player = try StepPlayer(plan: plan, lanes: 1)
        let flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        let cables = flows.fabric.links.filter { $0.tier == .leaf }
        try #require(!cables.isEmpty)
        var checked = 0
        for (task, index) in flows.templateOf.enumerated() where index >= 0 {
            let kind = player.graph.kinds[Int(player.graph.kindOf[task])]
            guard case .reduce(let stage) = kind else { continue }
            let collective = try #require(plan.dataCollectives(of: plan.work.parameters[stage]).reduce.first)
            let bytes = 2 * 0.75 * collective.bytes / Double(plan.pieces[stage])
            let expected = max(1, bytes / player.times.cost(kind).total / cables[0].capacity)
            #expect(expected > 1.2, "the factor says something: \(expected)")
            #expect(abs(flows.templates[Int(index)].stretch / expected - 1) < 1e-9)
            checked += 1
        }
        #expect(checked > 0)
    }

    @Test("a star from a file, a dragonfly and a torus with wide cables agree with the tree where nothing contends")
    func agreement() throws {
        let star = "{hosts: 4, topology: {kind: star, link: {bandwidth: 100 GB/s, latency: 1 us}}}"
        var size = DragonflySize(groups: 2, routers: 2, hostsPerRouter: 1)
        size.globalLinks = 2
        let closed = try simulate(flowPlan(job(on: .torus(dims: [4]))), settings: flowSettings(.alphaBeta)).step.timeS.mean
        for topology in [NodeTopology.described(file: "net.yaml", yaml: star), .dragonfly(size), .torus(dims: [2, 2])] {
            let flow = try simulate(flowPlan(job(on: topology, change: { _ in })), settings: flowSettings(.flow))
            #expect(abs(flow.step.timeS.mean / closed - 1) < 0.02, "\(topology): \(flow.step.timeS.mean) and \(closed)")
            #expect(flow.fabric?.links.isEmpty == false && flow.fabric?.picture?.boxes.isEmpty == false)
        }
    }

    @Test(
        "a file that does not fit the cluster is refused with its name",
        arguments: [
            ("{hosts: 3, topology: {kind: star, link: {bandwidth: 1 Gb/s, latency: 1 us}}}", "3 hosts, but the cluster has 4 nodes"),
            ("{hosts: 4, topology: {kind: star, link: {bandwidth: 1 Gb, latency: 1 us}}}", "bandwidth"),
            (
                "{hosts: 4, topology: {kind: graph, links: [{between: [h0, h1], bandwidth: 1 Gb/s, latency: 1 us}]}}",
                "no way leads from host 0 to host 2"
            ),
            ("{hosts: 4, fairness: rtt, topology: {kind: star, link: {bandwidth: 1 Gb/s, latency: 1 us}}}", "fairness"),
            (
                "{hosts: 4, topology: {kind: leaf_spine, routing: adaptive, hosts_per_leaf: 2, spines: 2, link: {bandwidth: 1 Gb/s, latency: 1 us}}}",
                "adaptive"
            ),
        ])
    func badFiles(yaml: String, says: String) throws {
        let plan = try flowPlan(job(on: .described(file: "net.yaml", yaml: yaml)))
        let error = #expect(throws: Fault.self) { try simulate(plan, settings: flowSettings(.flow)) }
        #expect(error?.description.contains("cluster.inter_node.topology.file") == true && error?.description.contains("net.yaml") == true)
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }

    /// int8 with a scale of 4 bytes for 256 elements: 1.015625 bytes an element instead of 2 or 4, gathered and scattered. Four replicas on one node each: the
    /// network carries what the codec makes of the gradients.
    @Test("compressed gradients are what flows, in the closed form's time", arguments: ["int8", "topk", "powersgd"])
    func compression(codec: String) throws {
        let codecs: [String: any GradientCodec] = [
            "int8": try BlockQuantizer(.int8, block: 256),
            "topk": ErrorFeedback(try SparseCodec(.top(.share(0.05)), values: try BlockQuantizer(.e4m3, block: 256))),
            "powersgd": try PowerSGD(rank: 4),
        ]
        let compression = try GradientCompression(try #require(codecs[codec]))
        let plan = try flowPlan(
            flowJob(tensor: 1, pipeline: 2, data: 4, perNode: 1) {
                $0.layout.zero = 0
                $0.training.compression = compression
            })
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta))
        let flow = try simulate(plan, settings: flowSettings(.flow))
        #expect(abs(flow.step.timeS.mean / closed.step.timeS.mean - 1) < 0.02, "\(flow.step.timeS.mean) \(closed.step.timeS.mean)")
        var bytes = 0.0
        for (stage, parameters) in plan.work.parameters.enumerated() {
            let message = parameters.dense * compression.bytesPerElement(side: plan.job.model.hidden)
            // Of four ranks: all-to-all and all-gather move 3/4 each, an all-reduce 6/4, gathered messages 3 of them; per rank.
            bytes += 4 * message * (codec == "topk" ? 3 : 1.5)
            let listed = plan.dataCollectives(of: parameters).reduceSeconds
            #expect(abs(listed / plan.costs.data[stage].reduce - 1) < 1e-9)
        }
        let moved = flow.fabric?.network["data"] ?? 0
        #expect(abs(moved / bytes - 1) < 1e-6, "\(moved) and \(bytes)")
        #expect(abs((flow.traffic.byGroup["data"] ?? 0) / (closed.traffic.byGroup["data"] ?? 1) - 1) < 1e-6)
    }

    /// The pairs of DualPipe: without contention the closed form's time, and all bytes of the exchange with experts are on links.
    @Test("paired passes of DualPipe run as flows, with all the bytes of their exchange")
    func dualPipe() throws {
        let job = try LayoutTests.job("mixtral-8x7b", pipeline: 4, data: 16) {
            $0.layout.expert = 8
            $0.layout.schedule = .dualpipe
            $0.training.globalBatch = 16 * 16
            $0.training.recompute = .full
            $0.cluster.domain = 2
            $0.cluster.gpusPerNode = 2
        }
        let plan = try flowPlan(job)
        let closed = try simulate(plan, settings: flowSettings(.alphaBeta))
        let flow = try simulate(plan, settings: flowSettings(.flow))
        #expect(flow.step.timeS.mean > closed.step.timeS.mean * (1 - 1e-9))
        #expect(flow.step.timeS.mean < closed.step.timeS.mean * 1.1, "\(flow.step.timeS.mean) \(closed.step.timeS.mean)")
        let (a, b) = (flow.traffic.byGroup["expert"] ?? 0, closed.traffic.byGroup["expert"] ?? 1)
        #expect(abs(a / b - 1) < 0.01, "\(a) \(b)")
    }
}
