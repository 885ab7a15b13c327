import Engine
import Quantities
import Testing

@testable import Cluster

@Suite struct FabricRoutingTests {
    private func names(_ network: Network, _ source: Int, _ destination: Int) -> [String] {
        network.route(from: source, to: destination).map(network.name)
    }

    @Test func fatTreePicksSpineAndCableByTheDestination() {
        // 4 hosts a leaf, 2 spines, 2 cables each: port = 13 mod 4 = 1 -> spine 1, cable 0 up; down by cable source mod 2 = 1.
        let network = Network(
            shape: LeafSpineShape(hosts: 16, hostsPerLeaf: 4, spines: 2, linksPerSpine: 2, link: testLink, uplink: testLink, duplex: .full))
        #expect(
            names(network, 1, 13) == ["host 1 to leaf 0", "leaf 0 to spine 1 cable 0", "spine 1 cable 1 to leaf 3", "leaf 3 to host 13"])
        #expect(names(network, 2, 3) == ["host 2 to leaf 0", "leaf 0 to host 3"])
        #expect(names(network, 5, 5) == [])
    }

    @Test func threeLevels() {
        // 2 hosts a leaf, 2 leaves a pod, 2 aggregations, 2 cores a group; 1 -> 11: aggregation 11 mod 4 mod 2 = 1, core 3 div 2 = 1 of group 1.
        let network = Network(
            shape: ThreeLevelShape(
                .init(hosts: 16, hostsPerLeaf: 2, leavesPerPod: 2, aggregations: 2, coresPerGroup: 2), link: testLink, uplink: testLink,
                duplex: .full))
        #expect(
            names(network, 1, 11) == [
                "host 1 to leaf 0", "leaf 0 to pod 0 switch 1", "pod 0 switch 1 to core 3", "core 3 to pod 2 switch 1",
                "pod 2 switch 1 to leaf 5",
                "leaf 5 to host 11",
            ])
        #expect(names(network, 0, 3) == ["host 0 to leaf 0", "leaf 0 to pod 0 switch 1", "pod 0 switch 1 to leaf 1", "leaf 1 to host 3"])
    }

    @Test func torusGoesTheShorterWayAndForwardWhenEqual() {
        let network = Network(shape: TorusShape(sizes: [4, 3], link: testLink, duplex: .full))
        // 0 = (0, 0) to 6 = (2, 1): two forward in the first dimension (a tie), one in the second
        #expect(names(network, 0, 6) == ["host 0 to host 1", "host 1 to host 2", "host 2 to host 6"])
        // 0 to 3: one back, over the cable that host 3 owns
        #expect(names(network, 0, 3) == ["host 0 to host 3"])
        #expect(names(network, 3, 0) == ["host 3 to host 0"])
        #expect(network.route(from: 0, to: 3) != network.route(from: 3, to: 0))
        #expect(network.route(from: 7, to: 7).isEmpty)
        // two in a dimension: one cable serves both ways, that of the lower end
        let pair = Network(shape: TorusShape(sizes: [2], link: testLink, duplex: .half))
        #expect(pair.route(from: 0, to: 1) == pair.route(from: 1, to: 0))
    }

    @Test func dragonflyMinimalRoute() {
        // 3 groups, 2 chassis, 3 routers, 1 host each. Host 5 = router 0.1.2; host 16 = router 2.1.1.
        // green to router t = 2 (already there), black to chassis 0, blue 0 -> 2, arriving at router 2.0.0; green to 1, black to chassis 1.
        let network = Network(
            shape: DragonflyShape(
                .init(groups: 3, chassis: 2, routers: 3, hostsPerRouter: 1, globalLinks: 2, chassisLinks: 1, routerLinks: 1),
                link: testLink, duplex: .full))
        #expect(
            names(network, 5, 16) == [
                "host 5 to router 0.1.2", "router 0.1.2 to router 0.0.2", "group 0 to group 2", "router 2.0.0 to router 2.0.1",
                "router 2.0.1 to router 2.1.1", "router 2.1.1 to host 16",
            ])
        #expect(
            names(network, 0, 4) == [
                "host 0 to router 0.0.0", "router 0.0.0 to router 0.0.1", "router 0.0.1 to router 0.1.1", "router 0.1.1 to host 4",
            ])
        #expect(names(network, 2, 2) == [])
        let blue = network.route(from: 5, to: 16)[2]
        #expect(network.properties(ofLink: blue).bandwidth == 2 * testLink.bandwidth)
    }

    @Test func railsNeverChangeInTheNetwork() {
        // 8 nodes of 4 GPUs, 2 nodes a group. GPU 1 -> 30 (node 7, rail 2): NVSwitch to GPU 2 of node 0, then rail 2.
        let network = Network(
            shape: RailShape(
                .init(gpus: 32, gpusPerNode: 4, nodesPerGroup: 2, spines: 2), link: testLink,
                nvlink: LinkProperties(bandwidth: 4e11, latency: 0), duplex: .full))
        #expect(
            names(network, 1, 30) == [
                "GPU 1 to NVSwitch of node 0", "NVSwitch of node 0 to GPU 2", "port 2 of node 0 to leaf 0 of rail 2",
                "leaf 0 of rail 2 to spine 1 of rail 2",
                "spine 1 of rail 2 to leaf 3 of rail 2", "leaf 3 of rail 2 to port 2 of node 7",
            ])
        #expect(names(network, 0, 4) == ["port 0 of node 0 to leaf 0 of rail 0", "leaf 0 of rail 0 to port 0 of node 1"])
        #expect(names(network, 0, 3) == ["GPU 0 to NVSwitch of node 0", "NVSwitch of node 0 to GPU 3"])
    }

    @Test func graphsTakeTheFewestHopsThenTheLeastLatencyThenTheLowestCable() throws {
        // h0 - s0 - {s1 slow, s2 fast, s3 fast} - s4 - h1: by s2, the lower of the two fast ones
        let slow = LinkProperties(bandwidth: 1e9, latency: 5e-6)
        let cables: [GraphShape.Cable] = [
            (0, 2, testLink), (2, 3, slow), (2, 4, testLink), (2, 5, testLink), (3, 6, slow), (4, 6, testLink), (5, 6, testLink),
            (6, 1, testLink),
        ]
        .map { .init(a: $0.0, b: $0.1, properties: $0.2, duplex: .full) }
        let network = Network(shape: try GraphShape(hosts: 2, switches: 5, cables: cables, routes: []))
        #expect(names(network, 0, 1) == ["h0 to s0 (link 0)", "s0 to s2 (link 2)", "s2 to s4 (link 5)", "s4 to h1 (link 7)"])
        #expect(names(network, 1, 0).first == "h1 to s4 (link 7)")
        let table = Network(shape: try GraphShape(hosts: 2, switches: 5, cables: cables, routes: [(0, 1, [0, 1, 4, 7])]))
        #expect(names(table, 0, 1)[1] == "s0 to s1 (link 1)")
        #expect(throws: FabricError.self) { try GraphShape(hosts: 2, switches: 5, cables: cables, routes: [(0, 1, [0, 4, 7])]) }
        #expect(throws: FabricError.self) { try GraphShape(hosts: 2, switches: 5, cables: cables, routes: [(0, 1, [0, 1])]) }
        let apart = Network(shape: try GraphShape(hosts: 2, switches: 5, cables: Array(cables.dropLast()), routes: []))
        #expect(throws: FabricError.self) { try apart.simulate([Flow(source: 0, destination: 1, bytes: 1)]) }
    }

    @Test func everyRouteIsConnectedAndEveryCableHasTwoEnds() {
        for seed in UInt64(0)..<80 {
            let network = RandomTraffic(seed: seed).network
            guard !(network.shape is RailShape) else { continue }  // a relay GPU stands between its NVSwitch and its port
            for source in 0..<min(8, network.hostCount) {
                for destination in 0..<network.hostCount where source != destination {
                    let route = network.route(from: source, to: destination)
                    #expect(!route.isEmpty && route.allSatisfy { (0..<network.linkCount).contains($0) })
                    #expect(Set(route).count == route.count, "seed \(seed): a link twice from \(source) to \(destination)")
                }
            }
        }
    }

    @Test func hashedRoutesSpreadAndAdaptiveOnesAvoidCollisions() throws {
        let shape = LeafSpineShape(hosts: 32, hostsPerLeaf: 8, spines: 8, linksPerSpine: 1, link: testLink, uplink: testLink, duplex: .full)
        // 8 flows from leaf 0 to leaf 1 whose destinations all share a spine under d-mod-k (0 mod 8)
        let flows = (0..<8).map { Flow(source: $0, destination: [8, 16, 24][$0 % 3], bytes: 1e8, key: UInt64($0)) }
        let fixed = try Network(shape: shape).simulate(flows).end
        let hashed = Network(shape: shape, routing: .ecmp(seed: 7))
        let choices = Set((0..<64).map { hashed.choice(from: 0, to: 8, key: $0) })
        #expect(choices == Set(0..<8))
        #expect(Set((0..<64).map { Network(shape: shape, routing: .ecmp(seed: 8)).choice(from: 0, to: 8, key: $0) }) == Set(0..<8))
        let pairs = (0..<8).map { Flow(source: $0, destination: 8 + 8 * ($0 % 3) + $0 / 3, bytes: 1e8) }
        let adaptive = try Network(shape: shape, routing: .adaptive).simulate(pairs, verifying: true)
        // every flow finds a spine of its own: alone at 12.5 GB/s, 8 ms + 4 us
        for time in adaptive.finish { #expect(abs(time - 8.004e-3) < 1e-9) }
        #expect(fixed > 8.004e-3 * 2)
    }

    @Test func flowsLeaveADeadLinkForAnotherSpine() throws {
        let shape = LeafSpineShape(hosts: 4, hostsPerLeaf: 2, spines: 2, linksPerSpine: 1, link: testLink, uplink: testLink, duplex: .full)
        let network = Network(shape: shape)
        let spine = network.route(from: 0, to: 2)[1]
        // 125 MB: 10 ms + 4 us alone. The spine dies at 5.004 ms; by the other one nothing is lost.
        let fault = LinkFault(time: 5.004e-3, link: spine, factor: 0, reroutes: true)
        let result = try network.simulate([Flow(source: 0, destination: 2, bytes: 125e6)], faults: [fault], verifying: true)
        #expect(abs(result.end - 10.004e-3) < 1e-12)
        // issued after the fault: straight to the other spine
        let late = try network.simulate([Flow(start: 6e-3, source: 0, destination: 2, bytes: 125e6)], faults: [fault], verifying: true)
        #expect(abs(late.end - 16.004e-3) < 1e-12)
    }

    // MARK: Clusters of a scenario

    private func cluster(_ nodes: Int, change: (inout InterNode) -> Void = { _ in }) throws -> ClusterSpec {
        var spec = try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 8 * nodes, gpusPerNode: 8, interNode: "ib-ndr-400g-x8").spec
        spec.intraNode.bandwidth = try Bandwidth(baseValue: 450e9)
        spec.intraNode.latency = .zero
        var between = try #require(spec.interNode)
        between.link.bandwidth = try Bandwidth(baseValue: 50e9)
        between.link.latency = .zero
        between.nicsPerNode = 8
        change(&between)
        spec.interNode = between
        return spec
    }

    /// One source of truth: the network of `orrery collective` on a scenario is that of the scenario's steps.
    @Test func aClusterHasOneNetwork() throws {
        let spec = try cluster(16) {
            $0.form.rails = 2
            $0.form.radix = 12
            $0.form.oversubscription = 3
            $0.form.routing = .ecmp(seed: 5)
        }
        let (own, training) = (try Network(cluster: spec), try TrainingNetwork(cluster: spec).network)
        #expect(own.linkCount == training.linkCount && own.routing == training.routing && own.generation == training.generation)
        for (source, destination) in [(0, 1), (0, 9), (3, 127), (64, 20)] {
            #expect(own.route(from: source, to: destination, key: 3) == training.route(from: source, to: destination, key: 3))
        }
        #expect(own.nodeSize == 8)
        let odd = try cluster(16) { $0.topology = "torus" }
        #expect(throws: FabricError.self) { try Network(cluster: odd) }
    }

    /// 16 nodes, 4 to a leaf of 32 ports, on one rail. Every GPU of the first half sends 50 GB to its counterpart in the second half: 1 s where the tree is not
    /// oversubscribed, 4 s where it is 4 : 1.
    @Test func theTopologyOfTheScenarioCounts() throws {
        for (ratio, radix, seconds) in [(1.0, 64, 1.0), (4.0, 40, 4.0)] {
            let network = try Network(
                cluster: cluster(16) {
                    $0.form.rails = 1
                    $0.form.levels = 2
                    $0.form.radix = radix
                    $0.form.oversubscription = ratio
                })
            let flows = (0..<64).map { Flow(source: $0, destination: $0 + 64, bytes: 50e9) }
            let end = try network.simulate(flows).end
            #expect(abs(end - seconds) < 1e-9, "\(ratio): \(end) s")
        }
    }

    /// Rails of 64 nodes in 2 groups with 32 spines: the 32 nodes of the other group are reached by 32 different spines on every rail, so that no two flows of
    /// a shift meet: 50 GB at 50 GB/s take 1 s.
    @Test func railsReachAllSpines() throws {
        let port = LinkProperties(bandwidth: 50e9, latency: 0)
        let network = Network(
            shape: RailShape(
                .init(gpus: 512, gpusPerNode: 8, nodesPerGroup: 32, spines: 32), link: port,
                nvlink: LinkProperties(bandwidth: 450e9, latency: 0),
                duplex: .full))
        for rail in [0, 5] {
            let spines = Set((32..<64).map { network.shape.staticChoice(from: rail, to: $0 * 8 + rail) })
            #expect(spines == Set(0..<32))
        }
        let shift = (0..<512).map { Flow(source: $0, destination: ($0 + 256) % 512, bytes: 50e9) }
        #expect(abs(try network.simulate(shift).end - 1) < 1e-9)
    }

    /// A ring all-gather of S over 4 ranks sends 3/4 S over each link: inside a node at 450 GB/s, spread over 4 nodes at 50 GB/s, 9 times as long.
    @Test func spreadGroupsTakeTheRatioOfTheLinks() throws {
        let spec = try cluster(4)
        let degrees = ParallelDegrees(tensor: 4, data: 8)
        let network = try Network(cluster: spec)
        let pattern = try CommunicationPattern.collective(.allGather, by: .ring, ranks: 4, bytes: 1e9)
        var times: [Double] = []
        for rule in [PlacementRule.packed, .spread] {
            var placed = spec
            placed.placement = rule
            let placement = try Placement(degrees, placed)
            times.append(try network.time(pattern, on: placement.members(.tensor, of: 0).map { placement.gpu(of: $0) }).seconds)
        }
        #expect(abs(times[0] / (0.75e9 / 450e9) - 1) < 1e-9 && abs(times[1] / times[0] - 9) < 1e-9, "\(times)")
    }
}
