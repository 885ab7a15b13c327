import Foundation
import Testing

@testable import Cluster

@Suite struct FabricFileTests {
    private static let star = "hosts: 8\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}\n"
    private let tree = """
        hosts: 32
        fairness: rtt
        topology: {kind: fat_tree, hosts_per_leaf: 8, spines: 4, link: {bandwidth: 100 Gb/s, latency: 1 us}, routing: d-mod-k}
        """
    private let flows = "start_s,source,destination,bytes\n0,0,9,30e6\n0,10,9,20 MB\n\n# late\n0.001,0,10,1e7\n"

    @Test func theWorkedExampleFromItsTwoFiles() throws {
        let report = try TrafficReport(cluster: tree, clusterFile: "tree.yaml", flows: flows, flowsFile: "flows.csv")
        let expected = [4.002e-3, 2.401e-3, 2.204e-3]
        for (time, wanted) in zip(report.result.finish, expected) { #expect(abs(time - wanted) < 1e-12) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = String(decoding: try encoder.encode(report.document), as: UTF8.self)
        #expect(json.hasPrefix("{\"end_s\":0.004002,\"flows\":[{\"bottleneck\":\"leaf 1 to host 9\",\"finish_s\":0.004002}"))
        #expect(json.contains("\"links\":[{\"name\":\"host 0 to leaf 0\",\"utilization\":"))
        #expect(
            report.table(rows: 2) == """
                flow      start s  source  destination     bytes     finish s        rate  bottleneck
                   0  0.000000000       0            9  30000000  0.004002000  7.496 GB/s  leaf 1 to host 9
                   1  0.000000000      10            9  20000000  0.002401000   8.33 GB/s  leaf 1 to host 9
                ... and 1 more flows

                link               utilization  carried
                leaf 1 to host 9       100.0 %    50 MB
                host 0 to leaf 0        80.0 %    40 MB
                leaf 0 to spine 1       60.0 %    30 MB
                spine 1 to leaf 1       60.0 %    30 MB
                host 10 to leaf 1       40.0 %    20 MB
                leaf 1 to host 10       20.0 %    10 MB
                leaf 0 to spine 2       20.0 %    10 MB
                spine 2 to leaf 1       20.0 %    10 MB

                3 flows, 32 hosts, end 0.004002000 s

                """)
    }

    @Test(arguments: [
        "hosts: 8\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}",
        "hosts: 8\ntopology: {kind: nvswitch, link: {bandwidth: 450 GB/s, latency: 500 ns}, duplex: half}",
        "topology: {kind: torus, dims: [4, 4, 4], link: {bandwidth: 1 GB/s, latency: 1 us}, routing: dimension-order}",
        "hosts: 24\ntopology: {kind: dragonfly, groups: 2, routers: 3, hosts_per_router: 4, link: {bandwidth: 1 GB/s, latency: 1 us}}",
        "hosts: 64\ntopology: {kind: fat_tree, levels: 3, hosts_per_leaf: 4, leaves_per_pod: 4, spines: 4, cores_per_spine: 4, link: {bandwidth: 1 GB/s, latency: 1 us}, routing: ecmp, seed: 3}",
        "hosts: 64\ntopology: {kind: rail_optimized, gpus_per_node: 8, spines: 4, link: {bandwidth: 50 GB/s, latency: 1 us}, nvlink: {bandwidth: 450 GB/s, latency: 1 us}}",
        "cluster: {hosts: 2, topology: {kind: graph, switches: 1, links: [{between: [h0, s0], bandwidth: 1 GB/s, latency: 1 us}, {between: [s0, h1], bandwidth: 1 GB/s, latency: 1 us, duplex: half}]}}",
        "hosts: 16\ntopology: {kind: pcie, gpus_per_switch: 2, switches_per_socket: 2, link: {bandwidth: 25 GB/s, latency: 1 us}, socket_link: {bandwidth: 20 GB/s, latency: 1 us}, port: {bandwidth: 100 Gb/s, latency: 5 us}}",
        "hosts: 72\ngpu_generation: blackwell\ntopology: {kind: nvl72, nvlink: {bandwidth: 900 GB/s, latency: 500 ns}}",
        "hosts: 144\ntopology: {kind: nvl72, spines: 2, nvlink: {bandwidth: 900 GB/s, latency: 500 ns}, link: {bandwidth: 50 GB/s, latency: 2 us}}",
        "hosts: 64\ntopology: {kind: leaf_spine, hosts_per_leaf: 16, oversubscription: 2, link: {bandwidth: 100 Gb/s, latency: 1 us}}\nefficiency: {half_size: 64 kB, peak: 95%}\ncongestion: {threshold: 4, loss_per_flow: 2%, floor: 0.5, recovery: 50 us}",
        "topology: [ Ring, FullyConnected, Switch ]\nnpus_count: [ 2, 8, 4 ]\nbandwidth: [ 200.0, 100.0, 50.0 ]\nlatency: [ 50.0, 500.0, 2000.0 ]",
        "topology: [ Ring ]\nnpus_count: [ 5 ]\nbandwidth: [ 50 ]\nlatency: [ 500 ]",
        "hosts: 8\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}\nefficiency: {table: [{bytes: 1 kB, share: 10%}, {bytes: 1 MB, share: 90%}]}\nfaults: [{link: host 7 to switch, from: 1 s}, {host: 3, rate: 50%}, {host: 2, down: 1 ms, every: 10 ms, until: 1 s}]",
        "hosts: 2\ntopology: {kind: graph, routing: table, links: [{between: [h0, h1], bandwidth: 1 GB/s, latency: 1 us}], routes: [{source: 0, destination: 1, links: [0]}]}",
    ])
    func everyKindIsRead(_ yaml: String) throws {
        let network = try FabricFile.network(yaml: yaml, file: "f.yaml")
        let result = try network.simulate([Flow(source: 0, destination: network.hostCount - 1, bytes: 1e6)], verifying: true)
        #expect(result.end > 0)
    }

    /// Each text with what its error must say: place, key and hint.
    @Test(arguments: [
        ("hosts: 8\ntopolgy: {kind: star}", "2:1: topolgy: unknown key; did you mean topology?"),
        (
            "hosts: -3\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "1:8: hosts: -3 is not a whole number from 1 to 1000000"
        ),
        ("hosts: 8\ntopology: {kind: start, link: {bandwidth: 1 GB/s, latency: 1 us}}", "did you mean star?"),
        ("hosts: 8\ntopology: {kind: star, link: {bandwidth: 100, latency: 1 us}}", "topology.link.bandwidth: \"100\" has no unit"),
        ("hosts: 8\ntopology: {kind: star, link: {bandwidth: 100 Gb/s}}", "topology.link.latency: is missing"),
        ("hosts: 8\ntopology: {kind: star}", "topology.link: is missing"),
        ("hosts: 8", "topology: is missing"),
        ("topology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}", "hosts: is missing"),
        (
            "hosts: 8\nfairness: fair\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "2:11: fairness: \"fair\" is not known here"
        ),
        ("hosts: 9\ntopology: {kind: torus, dims: [2, 4], link: {bandwidth: 1 GB/s, latency: 1 us}}", "hosts is 9, but dims make 8"),
        ("topology: {kind: torus, dims: [100000, 100000], link: {bandwidth: 1 GB/s, latency: 1 us}}", "the hosts are more than"),
        (
            "topology: {kind: dragonfly, groups: 9, routers: 3, hosts_per_router: 1, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "groups <= routers"
        ),
        (
            "topology: {kind: dragonfly, groups: 1000000, chassis: 1000000, routers: 1000000, hosts_per_router: 1000000, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "are more than"
        ),
        ("hosts: 8\ntopology: {kind: star, routing: ecmp, link: {bandwidth: 1 GB/s, latency: 1 us}}", "choose one of shortest"),
        (
            "hosts: 2\ntopology: {kind: graph, links: [{between: [h0, h7], bandwidth: 1 GB/s, latency: 1 us}]}",
            "topology.links[0].between: needs two different nodes"
        ),
        (
            "hosts: 2\ntopology: {kind: graph, routing: table, links: [{between: [h0, h1], bandwidth: 1 GB/s, latency: 1 us}]}",
            "belong together"
        ),
        ("hosts: 8\nfairness: rtt\ntopology: {kind: star, link: {bandwidth: 1 GB/s, latency: 0 us}}", "fairness: rtt weighs"),
        (
            "topology: [Ring, Swich]\nnpus_count: [2, 4]\nbandwidth: [1, 1]\nlatency: [1, 1]",
            "1:18: topology[1]: \"Swich\" is not known here; did you mean Switch?"
        ),
        ("topology: [Ring, Switch]\nnpus_count: [2]\nbandwidth: [1, 1]\nlatency: [1, 1]", "npus_count: has 1 entries, but topology has 2"),
        ("topology: [Ring]\nnpus_count: [2]\nbandwidth: [0]\nlatency: [1]", "bandwidth: entry 1 is 0.0; GB/s above zero"),
        ("topology: [Ring]\nnpus_count: [2]\nbandwidth: [x]\nlatency: [1]", "bandwidth: every entry must be a number"),
        ("topology: [Ring]\nnpus_count: [2]\nbandwidth: [1]", "latency: is missing"),
        ("topology: [Ring]\nnpus_count: [-2]\nbandwidth: [1]\nlatency: [1]", "npus_count: every entry must be a whole number"),
        ("topology: [Ring]\nnpus_count: [2]\nbandwidth: [1]\nlatency: [1]\nbandwith: 3", "bandwith: unknown key; did you mean bandwidth?"),
        (
            "topology: [Switch, Switch, FullyConnected]\nnpus_count: [1000, 1000, 1000]\nbandwidth: [1, 1, 1]\nlatency: [1, 1, 1]",
            "are more than"
        ),
        (
            "hosts: 9\ntopology: {kind: pcie, link: {bandwidth: 1 GB/s, latency: 1 us}, socket_link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "port: 9 hosts are more than the 8"
        ),
        ("hosts: 8\ntopology: {kind: pcie, link: {bandwidth: 1 GB/s, latency: 1 us}}", "socket_link: is missing"),
        ("hosts: 144\ntopology: {kind: nvl72, nvlink: {bandwidth: 900 GB/s, latency: 500 ns}}", "topology.spines: is missing"),
        (
            "hosts: 8\ntopology: {kind: leaf_spine, hosts_per_leaf: 4, spines: 2, oversubscription: 2, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "say the same; give one"
        ),
        (
            "hosts: 8\ntopology: {kind: leaf_spine, hosts_per_leaf: 4, oversubscription: nan, link: {bandwidth: 1 GB/s, latency: 1 us}}",
            "oversubscription: \"nan\" is not a number above 0"
        ),
        (
            Self.star + "faults: [{link: host 9 to switch}]",
            "faults[0].link: \"host 9 to switch\" is no link of this network; names are like \"host"
        ),
        (Self.star + "faults: [{host: 9}]", "faults[0].host: 9 is not a whole number from 0 to 7"),
        (Self.star + "faults: [{host: 1, link: 3}]", "one link or one host"),
        (Self.star + "faults: [{rate: 50%}]", "one link or one host"),
        (Self.star + "faults: [{host: 1, rate: 150%}]", "is not a share from 0% to 100%"),
        (Self.star + "faults: [{host: 1, from: 3 s, until: 2 s}]", "until: must be later than from"),
        (Self.star + "faults: [{host: 1, from: 3}]", "faults[0].from: \"3\" has no unit"),
        (Self.star + "faults: [{host: 1, down: 1 ms, every: 10 ms}]", "needs until"),
        (Self.star + "faults: [{host: 1, down: 1 ms, until: 1 s}]", "belong together"),
        (Self.star + "faults: [{host: 1, down: 20 ms, every: 10 ms, until: 1 s}]", "shorter than every"),
        (Self.star + "faults: [{host: 1, down: 1 ns, every: 2 ns, until: 1 s}]", "makes more than 100000 changes"),
        (Self.star + "faults: [{host: 1, reroute: maybe}]", "reroute: \"maybe\" is not known here"),
        (Self.star + "faults: {host: 1}", "faults: must be a list"), (Self.star + "faults: [3]", "faults[0]: must be a mapping"),
        (Self.star + "efficiency: {peak: 95%}", "efficiency.half_size: is missing"),
        (Self.star + "efficiency: {half_size: 1 kB, peak: 0}", "efficiency.peak: \"0\" is not a share from 0.1% to 100%"),
        (Self.star + "efficiency: {table: [{bytes: 2 kB, share: 1}, {bytes: 1 kB, share: 1}]}", "efficiency.table[1].bytes: sizes must"),
        (Self.star + "efficiency: {table: []}", "efficiency.table: needs rows"),
        (Self.star + "efficiency: 3", "efficiency: must be a mapping"),
        (Self.star + "congestion: {loss_per_flow: 2%}", "congestion.threshold: is missing"),
        (Self.star + "congestion: {threshold: 0, loss_per_flow: 2%}", "congestion.threshold: 0 is not a whole number from 1"),
        (Self.star + "gpu_generation: maxwell", "gpu_generation: \"maxwell\" is not known here"),
        ("hosts: [8\n", "2:1"), ("", "a mapping with the keys"), ("- 1\n- 2", "a mapping with the keys"), ("\u{0}\u{1}\u{2}", ""),
        ("hosts: 8\ntopology: 7", "topology: must be a mapping"),
    ])
    func mistakesSayWhereAndWhat(_ yaml: String, _ expected: String) {
        do {
            _ = try FabricFile.network(yaml: yaml, file: "f.yaml")
            Issue.record("accepted: \(yaml)")
        } catch {
            let text = "\(error)"
            #expect(text.hasPrefix("f.yaml:") && (expected.isEmpty || text.contains(expected)), "\(text)")
        }
    }

    @Test func allMistakesOfAFileComeTogether() {
        #expect {
            try FabricFile.network(yaml: "hosts: x\nfairnes: rtt\ntopology: {kind: star, link: {bandwidth: 1 Gb, latency: 3}}", file: "f")
        } throws: {
            ($0 as? FabricFileError)?.errors.map(\.key) == ["hosts", "fairnes", "topology.link.bandwidth", "topology.link.latency"]
        }
    }

    @Test(arguments: [
        ("start_s,source,destination\n0,0,1", "flows.csv:1:1: bytes: the column is missing"),
        ("start_s,source,dest,bytes\n0,0,1,5", "dest: unknown column"),
        ("start_s,source,destination,bytes\n0,0,1,-5", "flows.csv:2:1: bytes:"),
        ("start_s,source,destination,bytes\n-1,0,1,5", "2:1: start_s: \"-1\" is not a number of zero or more"),
        ("start_s,source,destination,bytes\n0,a,1,5", "source: \"a\" is not a whole number"),
        ("start_s,source,destination,bytes\n0,0,1", ":2:1: the row has 3 fields, the header 4"),
        ("start_s,source,destination,bytes\n0,0,99,5", "flows.csv:2:1: destination: host 99 does not exist"),
        ("", "the header line"), ("start_s,source,destination,bytes\nnan,0,1,inf", "start_s"),
        ("start_s,source,destination,bytes,cap\n0,0,1,5,3 parsecs", "cap:"),
    ])
    func mistakesInFlows(_ csv: String, _ expected: String) {
        do {
            _ = try TrafficReport(cluster: tree, clusterFile: "tree.yaml", flows: csv, flowsFile: "flows.csv")
            Issue.record("accepted: \(csv)")
        } catch {
            #expect("\(error)".contains(expected), "\(error)")
        }
    }

    @Test func flowsMayHaveQuotesWindowsLinesAndOtherOrder() throws {
        let csv = "\u{FEFF}\"bytes\",\"source\",\"destination\",\"start_s\",\"weight\"\r\n1000,1,2,0.5,2\r\n1000,1,2,0.5,2\r\n"
        let flows = try FlowsCSV.flows(csv: csv, file: "f.csv")
        #expect(
            flows == [
                Flow(start: 0.5, source: 1, destination: 2, bytes: 1000, key: 0, weight: 2),
                Flow(start: 0.5, source: 1, destination: 2, bytes: 1000, key: 1, weight: 2),
            ])
    }

    @Test func collectiveTable() throws {
        // 8 GPUs on an NVSwitch, 450 GB/s, 1 us a hop: ring of 14 steps of (size/8 / 450 GB/s + 2 us)
        let network = try FabricFile.network(
            yaml: "hosts: 8\ntopology: {kind: nvswitch, link: {bandwidth: 450 GB/s, latency: 1 us}}", file: "f")
        let report = try CollectiveReport(
            .allReduce, by: .ring, ranks: 8, sizes: .init(from: .init(1 << 20), to: .init(1 << 30), factor: 32), on: network)
        #expect(report.rows.map(\.size) == [1_048_576, 33_554_432, 1_073_741_824])
        let expected = 14 * (Double(1 << 30) / 8 / 450e9 + 2e-6)
        #expect(abs((report.rows.last?.microseconds ?? 0) - expected * 1e6) < 1e-6)
        #expect(abs((report.rows.last?.busbw ?? 0) - Double(1 << 30) / expected * 1e-9 * 1.75) < 1e-6)
        let header = report.table.prefix { $0 != "\n" }.split(separator: " ")
        #expect(header == ["size", "B", "count", "type", "algorithm", "protocol", "time", "us", "algbw", "GB/s", "busbw", "GB/s", "by"])
        // small sizes go by fewer steps than a ring has
        let small = try CollectiveReport(.allReduce, ranks: 8, sizes: .init(from: .init(64), to: .init(64)), on: network)
        #expect(small.rows.first?.algorithm != "ring")
        #expect(throws: FabricError.self) {
            try CollectiveReport(.allReduce, ranks: 9, sizes: .init(from: .init(64), to: .init(64)), on: network)
        }
    }
}
