import Testing

@testable import Cluster

/// Pictures of networks: every cable that leads between two drawn boxes is in one bundle, and nothing is drawn twice.
@Suite("Pictures of networks") struct FabricDrawingTests {
    private static let link = "link: {bandwidth: 100 Gb/s, latency: 1 us}"

    private func drawing(_ yaml: String, limit: Int = 24) throws -> (network: Network, drawing: NetworkDrawing) {
        let network = try FabricFile.network(yaml: yaml, file: "net.yaml")
        return (network, try #require(network.drawing(limit: limit)))
    }

    @Test(
        "all links of a small network are in the picture, each once",
        arguments: [
            "{hosts: 8, topology: {kind: star, \(link)}}",
            "{hosts: 16, topology: {kind: fat_tree, hosts_per_leaf: 4, spines: 2, links_per_spine: 2, \(link)}}",
            "{hosts: 16, topology: {kind: fat_tree, levels: 3, hosts_per_leaf: 2, spines: 2, leaves_per_pod: 4, cores_per_spine: 2, \(link)}}",
            "{topology: {kind: torus, dims: [4, 3], \(link)}}", "{topology: {kind: torus, dims: [5], \(link)}}",
            "{topology: {kind: torus, dims: [3, 3, 3], \(link)}}",
            "{hosts: 4, topology: {kind: graph, switches: 1, links: [{between: [h0, s0], bandwidth: 1 Gb/s, latency: 1 us}, {between: [h1, s0], bandwidth: 1 Gb/s, latency: 1 us, duplex: half}, {between: [h2, h3], bandwidth: 1 Gb/s, latency: 1 us}, {between: [h2, s0], bandwidth: 1 Gb/s, latency: 1 us}]}}",
            "{topology: [Ring, FullyConnected], npus_count: [4, 2], bandwidth: [1, 1], latency: [1, 1]}",
            "{hosts: 16, topology: {kind: rail_optimized, gpus_per_node: 4, nodes_per_group: 2, spines: 2, \(link), nvlink: {bandwidth: 1 TB/s, latency: 1 us}}}",
        ])
    func complete(yaml: String) throws {
        let (network, drawing) = try drawing(yaml, limit: 32)
        let drawn = (drawing.edges.flatMap(\.links) + drawing.boxes.flatMap(\.links)).sorted()
        #expect(Set(drawn).count == drawn.count)
        // Unused places of a full mesh by a square table are named, but join no two boxes of a picture twice.
        #expect(Set(drawn).count >= network.linkCount || yaml.contains("FullyConnected"), "\(drawn.count) of \(network.linkCount)")
        #expect(drawing.hiddenNodes == 0)
        for edge in drawing.edges { #expect(edge.lower != edge.upper && drawing.boxes.indices.contains(edge.upper)) }
        for place in drawing.boxes.compactMap(\.place) { #expect((0...1).contains(place.x) && (0...1).contains(place.y)) }
    }

    /// 3 groups of 4 routers, 2 hosts each: 12 boxes; in a group 6 pairs, between groups 3.
    @Test("a dragonfly is drawn as its routers, with one bundle a pair")
    func dragonfly() throws {
        let (_, drawing) = try drawing("{topology: {kind: dragonfly, groups: 3, routers: 4, hosts_per_router: 2, \(Self.link)}}")
        #expect(drawing.boxes.count == 12 && drawing.edges.count == 3 * 6 + 3)
        #expect(drawing.boxes.allSatisfy { $0.links.count == 4 && $0.place != nil })
        let (_, coarse) = try self.drawing("{topology: {kind: dragonfly, groups: 9, routers: 20, hosts_per_router: 1, \(Self.link)}}")
        #expect(coarse.boxes.count == 9 && coarse.edges.count == 36)
    }

    /// 1,024 hosts on 64 leaves and 4 spines: 24 boxes of 16 hosts, their leaves, the spines; 40 x 16 hosts are hidden.
    @Test("of a large tree a part is drawn, and how much is left out is told")
    func large() throws {
        let (_, drawing) = try drawing("{hosts: 1024, topology: {kind: fat_tree, hosts_per_leaf: 16, spines: 4, \(Self.link)}}")
        #expect(drawing.boxes.count { $0.tier == 0 } == 24 && drawing.boxes.count { $0.tier == 1 } == 24)
        #expect(drawing.boxes.count { $0.tier == 2 } == 4)
        #expect(drawing.hiddenNodes == 640 && drawing.boxes[0].label == "hosts 0–15")
        let (_, torus) = try self.drawing("{topology: {kind: torus, dims: [40, 40], \(Self.link)}}")
        #expect(torus.boxes.count == 256 && torus.hiddenNodes == 1600 - 256)
    }

    @Test("cables round the edge of a torus are marked")
    func wraps() throws {
        let (_, drawing) = try drawing("{topology: {kind: torus, dims: [4, 3], \(Self.link)}}")
        // Three rows and four columns close once each.
        #expect(drawing.edges.count == 24 && drawing.edges.count { $0.wraps } == 7)
    }

    @Test("a flow from a host to itself has no way to go: it finishes when it starts, everywhere")
    func toItself() throws {
        for kind in [
            "hosts: 8, topology: {kind: star, \(Self.link)}",
            "hosts: 8, topology: {kind: fat_tree, hosts_per_leaf: 4, spines: 2, \(Self.link)}",
            "topology: {kind: torus, dims: [4, 2], \(Self.link)}",
            "topology: {kind: dragonfly, groups: 2, routers: 2, hosts_per_router: 2, \(Self.link)}",
        ] {
            for fairness in ["equal", "rtt"] {
                let network = try FabricFile.network(yaml: "{fairness: \(fairness), \(kind)}", file: "net.yaml")
                let result = try network.simulate([Flow(start: 0.25, source: 3, destination: 3, bytes: 1e6)])
                #expect(result.finish == [0.25] && network.route(from: 3, to: 3).isEmpty && result.bottleneck == [nil])
            }
        }
    }

    @Test("errors of flows name the line of their row")
    func lines() throws {
        let cluster = "{hosts: 4, topology: {kind: star, \(Self.link)}}"
        let csv = "# two flows\nstart_s,source,destination,bytes\n\n0,0,1,5\n# the second\n0,1,9,5\n"
        let error = #expect(throws: FabricFileError.self) {
            try TrafficReport(cluster: cluster, clusterFile: "net.yaml", flows: csv, flowsFile: "flows.csv")
        }
        #expect(error?.description == "flows.csv:6:1: destination: host 9 does not exist; hosts are numbered from 0 to 3")
    }

    /// A ring of 4 on a star, 16 MB: every port carries 6 x 4 MB in closed form and when it is played.
    @Test("the load of a collective: bytes by hand, and over time the same in the mean")
    func collectiveLoad() throws {
        let network = try FabricFile.network(yaml: "{hosts: 4, topology: {kind: star, \(Self.link)}}", file: "net.yaml")
        let report = try CollectiveReport(
            .allReduce, ranks: 4, sizes: (.init(from: .init(16_000_000), to: .init(16_000_000)), .init()), on: network,
            selection: .way(.ring))
        let row = try #require(report.rows.first)
        let load = try report.load(of: row, spans: 10)
        #expect(load.carried.allSatisfy { abs($0 - 24e6) < 1e-3 } && load.carried.count == 8)
        let overTime = try #require(load.overTime)
        for (place, link) in overTime.links.enumerated() {
            let mean = overTime.utilization[place].reduce(0, +) / 10
            #expect(abs(mean - load.utilization[link]) < 1e-9)
        }
    }
}
