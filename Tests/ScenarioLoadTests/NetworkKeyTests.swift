import Cluster
import Foundation
import Quantities
import Simulation
import Testing

@testable import Scenario

/// Networks that are no trees, and links that fail: keys of `cluster.inter_node.topology` and `conditions.link_faults`. The valid scenario has two nodes of
/// eight GPUs.
@Suite struct NetworkKeyTests {
    private func faults(topology: String? = nil, faults: String? = nil, flow: Bool = true) -> [ScenarioError] {
        Fixture.errors(text(topology, faults, flow))
    }

    private func text(_ topology: String?, _ faults: String?, _ flow: Bool = true) -> String {
        var text = Fixture.valid
        if let topology {
            text = text.replacing("gpus: 16", with: "gpus: 16\n  inter_node: {topology: \(topology)}", maxReplacements: 1)
        }
        if let faults {
            text = text.replacing("jitter: {kernel: 1%, network: 2%}", with: "link_faults: \(faults)", maxReplacements: 1)
        }
        return flow ? text.replacing("seed: 7", with: "seed: 7\n  network: flow", maxReplacements: 1) : text
    }

    @Test func networksAreRead() throws {
        let torus = try Fixture.load(text("{kind: torus, dims: [2], link: {bandwidth: 100 Gb/s, latency: 1 us}}", nil))
        let network = try #require(torus.job.cluster.interNode)
        #expect(network.topology == "torus" && network.form.between == .torus(dims: [2]))
        let cable = try #require(network.form.cable)
        #expect(cable.bandwidth == 12.5e9 && abs(cable.latency - 1e-6) < 1e-18)
        // Left out, a cable is as wide as the ports of a node; the latency is theirs.
        let wide = try Fixture.load(text("{kind: torus, dims: [2], link: {latency: 1 us}}", nil)).job.cluster.interNode
        #expect(wide?.form.cable?.bandwidth == wide?.nodeBandwidth)
        let dragonfly = try Fixture.load(text("{kind: dragonfly, groups: 1, routers: 2, hosts_per_router: 1, router_links: 3}", nil))
        var size = DragonflySize(groups: 1, routers: 2, hostsPerRouter: 1)
        size.routerLinks = 3
        #expect(dragonfly.job.cluster.interNode?.form.between == .dragonfly(size))
        // Without flows the closed form says what it does not know.
        let closed = try Fixture.load(
            text("{kind: torus, dims: [2]}", nil, false).replacing("seed: 7", with: "seed: 7\n  network: alpha-beta"))
        #expect(closed.warnings.contains { $0.contains("not the torus between them") })
        let idle = try Fixture.load(text("{kind: torus, dims: [2], radix: 32}", nil))
        #expect(idle.warnings.contains { $0.contains("radix say nothing of a torus") })
    }

    @Test(arguments: [
        ("{kind: torus}", "cluster.inter_node.topology.kind", "dims"),
        ("{kind: torus, dims: [3, 2]}", "cluster.inter_node.topology.dims", "product is 2"),
        ("{kind: torus, dims: [0, 2]}", "cluster.inter_node.topology.dims[0]", "write for instance"),
        ("{kind: torus, dims: 2}", "cluster.inter_node.topology.dims", "[4]"),
        ("{kind: torus, dims: [2], link: {bandwidth: 100}}", "cluster.inter_node.topology.link.bandwidth", "Gb/s"),
        ("{kind: torus, dims: [2], groups: 2}", "cluster.inter_node.topology.groups", "kind: dragonfly"),
        ("{kind: fat_tree, dims: [2]}", "cluster.inter_node.topology.dims", "kind: torus"),
        ("{dims: [2]}", "cluster.inter_node.topology.dims", "kind: torus"),
        ("{kind: dragonfly, groups: 2, routers: 2}", "cluster.inter_node.topology.hosts_per_router", "hosts_per_router: 4"),
        ("{kind: dragonfly, groups: 2, routers: 2, hosts_per_router: 2}", "cluster.inter_node.topology.groups", "agree"),
        ("{kind: dragonfly, groups: 2, routers: 1, hosts_per_router: 1}", "cluster.inter_node.topology.groups", "groups <= routers"),
        ("{kind: graph}", "cluster.inter_node.topology.file", "file: network.yaml"),
        ("{kind: graph, file: nowhere.yaml}", "cluster.inter_node.topology.file", "check the path"),
        ("{kind: hypercube}", "cluster.inter_node.topology.kind", "torus"),
    ])
    func badNetworks(topology: String, key: String, advice: String) {
        let errors = faults(topology: topology)
        #expect(errors.contains { $0.keyPath == key && $0.line == 7 && $0.suggestion.contains(advice) }, "\(errors.map(\.description))")
        #expect(!errors.contains { $0.suggestion.isEmpty || $0.reason.isEmpty })
    }

    @Test func faultsOfLinksAreRead() throws {
        let scenario = try Fixture.load(
            text(
                nil,
                "[{gpu: 3, from: 1 s, until: 2 s, rate: 25%}, {node: 1, reroute: true}, {gpu: 0, down: 1 ms, every: 10 ms, from: 5 ms, until: 26 ms}]"
            ))
        let faults = scenario.conditions.linkFaults
        let second = try Duration(seconds: 1)
        #expect(faults[0] == .init(which: .gpu(3), rate: 0.25, from: second, until: Duration(nanoseconds: 2_000_000_000)))
        #expect(faults[1] == .init(which: .node(1), rate: 0, reroutes: true))
        // Down from 5, 15 and 25 ms for 1 ms each.
        #expect(faults.dropFirst(2).map(\.from.nanoseconds) == [5_000_000, 15_000_000, 25_000_000])
        #expect(faults.dropFirst(2).compactMap(\.until?.nanoseconds) == [6_000_000, 16_000_000, 26_000_000])
        #expect(!scenario.conditions.isUniform)
    }

    @Test(arguments: [
        ("[{from: 1 s}]", "conditions.link_faults[0]", "gpu: 17"),
        ("[{gpu: 1, node: 0}]", "conditions.link_faults[0]", "gpu: 17"),
        ("[{gpu: 16}]", "conditions.link_faults[0].gpu", "0 to 15"),
        ("[{node: 2}]", "conditions.link_faults[0].node", "0 to 1"),
        ("[{link: leaf 9}]", "conditions.link_faults[0].link", "names read like"),
        ("[{gpu: 1, rate: 2}]", "conditions.link_faults[0].rate", "50%"),
        ("[{gpu: 1, from: 2 s, until: 1 s}]", "conditions.link_faults[0].until", "later"),
        ("[{gpu: 1, down: 1 ms, until: 1 s}]", "conditions.link_faults[0].every", "every: 10 ms"),
        ("[{gpu: 1, down: 1 ms, every: 2 ms}]", "conditions.link_faults[0].until", "until"),
        ("[{gpu: 1, down: 3 ms, every: 2 ms, until: 1 s}]", "conditions.link_faults[0].down", "shorter"),
        ("[{gpu: 1, down: 1 us, every: 2 us, until: 100 s}]", "conditions.link_faults[0].every", "longer period"),
        ("[{gpu: 1, slowdown: 2}]", "conditions.link_faults[0].slowdown", "down"),
    ])
    func badFaults(list: String, key: String, advice: String) {
        let errors = faults(faults: list)
        #expect(errors.contains { $0.keyPath == key && $0.line == 18 && $0.suggestion.contains(advice) }, "\(errors.map(\.description))")
        #expect(!errors.contains { $0.suggestion.isEmpty || $0.reason.isEmpty })
    }

    @Test func faultsNeedFlows() {
        let errors = faults(faults: "[{gpu: 1, until: 1 s}]", flow: false)
        #expect(errors.contains { $0.keyPath == "conditions.link_faults" && $0.suggestion.contains("network: flow") })
    }
}
