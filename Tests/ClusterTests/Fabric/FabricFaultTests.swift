import Testing

@testable import Cluster

@Suite struct FabricFaultTests {
    private func network(_ extra: String, kind: String = "star, link: {bandwidth: 1 GB/s, latency: 0 us}") throws -> Network {
        try FabricFile.network(yaml: "hosts: 8\ntopology: {kind: \(kind)}\n\(extra)", file: "f.yaml")
    }
    private func end(_ network: Network, bytes: Double = 1e9) throws -> TrafficResult {
        try network.simulate([Flow(source: 0, destination: 1, bytes: bytes)], verifying: true)
    }

    /// 1 GB at 1 GB/s. Down from 0.4 to 1 s: 1.6 s, of which it waited 0.6 s beside the 1 s that the port held it back anyway. Half rate from 0.5 s on:
    /// 0.5 + 0.5 / 0.5 = 1.5 s. Flapping, 0.1 of every 0.5 s down until 1.2 s: 0.4 s of work each 0.5 s, so 0.1 + 0.4 + 0.1 + 0.4 + 0.1 + 0.2 = 1.3 s.
    @Test(arguments: [
        ("faults: [{link: host 0 to switch, from: 400 ms, until: 1 s}]", 1.6),
        ("faults: [{host: 1, from: 500 ms, rate: 50%}]", 1.5),
        ("faults: [{host: 0, down: 100 ms, every: 500 ms, until: 1200 ms}]", 1.3),
    ])
    func oneFlowByHand(_ faults: String, _ expected: Double) throws {
        let result = try end(try network(faults))
        #expect(abs(result.end - expected) < 1e-9)
        #expect(abs((result.waits.first?.reduce(0) { $0 + $1.seconds } ?? 0) - expected) < 1e-9)
    }

    @Test func flowsWithoutFaultsSayNothingOfWaiting() throws { #expect(try end(try network("")).waits.isEmpty) }

    @Test func whatWaitsForEverIsAnError() throws {
        let network = try network("faults: [{host: 1, from: 500 ms}]")
        #expect { try network.simulate([Flow(source: 0, destination: 1, bytes: 1e9)]) } throws: { "\($0)".contains("wait for ever") }
    }

    /// Two leaves of four, two spines: the flow 0 -> 5 goes by spine 1; when that link dies at 0.5 s it takes spine 0 and loses nothing. Without rerouting it
    /// waits until the link is back at 2 s and ends at 2.5 s.
    @Test(arguments: [("true", 1.0), ("false", 2.5)])
    func deadLinkIsGoneRoundOrWaitedFor(_ reroute: String, _ expected: Double) throws {
        let network = try network(
            "faults: [{link: leaf 0 to spine 1, from: 500 ms, until: 2 s, reroute: \(reroute)}]",
            kind: "fat_tree, hosts_per_leaf: 4, spines: 2, link: {bandwidth: 1 GB/s, latency: 0 us}")
        #expect(abs(try network.simulate([Flow(source: 0, destination: 5, bytes: 1e9)], verifying: true).end - expected) < 1e-9)
    }

    /// A ring over 8 hosts of which one has half the rate: every step waits for it, so 14 steps of 125 MB / 0.5 GB/s; the table names it.
    @Test func aSlowEndpointHoldsTheRing() throws {
        let slow = try network("faults: [{host: 5, rate: 50%}]")
        let report = try CollectiveReport(
            .allReduce, ranks: 8, sizes: (.init(from: .init(1_000_000_000), to: .init(1_000_000_000)), .init()), on: slow,
            selection: .way(.ring))
        let row = try #require(report.rows.first)
        #expect(abs(row.microseconds * 1e-6 - 14 * 0.25) < 1e-9)
        #expect(row.method == "flows")
        #expect(row.held_by == "host 5 to switch" || row.held_by == "switch to host 5")
        #expect(row.last_rank != nil && report.table.contains("held by"))
    }

    @Test func endpointsOfEveryKindOfNetwork() throws {
        let star = try network("")
        #expect(star.links(ofHost: 3).map { star.name(ofLink: $0) } == ["host 3 to switch", "switch to host 3"])
        // both neighbours of a torus dimension, each with a cable for either direction
        #expect(Network(shape: TorusShape(sizes: [4, 4], link: testLink, duplex: .full)).links(ofHost: 5).count == 8)
    }

    /// 1 MB flows with e = 0.8 S / (S + 250 kB): (1 + 0.25) / 0.8 = 1.5625 times as long. Tables are linear in log S: 10 kB lies half way between 1 kB
    /// with 10 % and 100 kB with 50 %: 30 %.
    @Test func efficiencyOfShortMessages() throws {
        #expect(abs(try end(try network("efficiency: {half_size: 250 kB, peak: 80%}"), bytes: 1e6).end - 1.5625e-3) < 1e-15)
        let table = try network("efficiency: {table: [{bytes: 1 kB, share: 10%}, {bytes: 100 kB, share: 0.5}]}")
        for (bytes, share) in [(1e4, 0.3), (100.0, 0.1), (1e3, 0.1), (1e5, 0.5), (1e7, 0.5)] {
            #expect(abs(try end(table, bytes: bytes).end / (bytes / 1e9 / share) - 1) < 1e-12, "\(bytes)")
        }
        #expect(try end(table, bytes: 0).end == 0)
        // closed form and flows see the same curve
        let pattern = try CommunicationPattern.collective(.allReduce, by: .ring, ranks: 8, bytes: 1e6)
        let timing = try table.time(pattern, on: Array(0..<8))
        let played = try table.play(pattern, on: Array(0..<8))
        #expect(timing.method == .closedForm && abs(timing.seconds / played - 1) < 1e-9)
    }

    /// Six flows of 100 MB into one port of 1 GB/s, from two flows on each takes 10 %: 60 % are left, 600 MB last 1 s. With all of one size they end
    /// together. A seventh of 100 MB that begins then finds the port at full rate after 50 ms only: 0.05 x 60 % = 30 MB, 70 MB more: 1.12 s.
    @Test func incastCostsWhatTheModelSays() throws {
        let plain = try network("congestion: {threshold: 2, loss_per_flow: 10%}")
        let flows = (1...6).map { Flow(source: $0, destination: 0, bytes: 1e8) }
        #expect(abs(try plain.simulate(flows, verifying: true).end - 1) < 1e-9)
        #expect(abs(try plain.simulate(Array(flows.prefix(2)), verifying: true).end - 0.2) < 1e-9)
        let floor = try network("congestion: {threshold: 2, loss_per_flow: 50%, floor: 25%}")
        #expect(abs(try floor.simulate(flows, verifying: true).end - 2.4) < 1e-9)
        let slow = try network("congestion: {threshold: 2, loss_per_flow: 10%, recovery: 50 ms}")
        let late = try slow.simulate(flows + [Flow(start: 1, source: 7, destination: 0, bytes: 1e8)], verifying: true)
        #expect(abs(late.end - 1.12) < 1e-9)
        // two into each of two ports are no incast, however many flows there are
        let pairs = (0..<4).map { Flow(source: 4 + $0, destination: $0 / 2, bytes: 1e8) }
        #expect(abs(try plain.simulate(pairs, verifying: true).end - 0.2) < 1e-9)
    }

    /// One flow from 0 to 1 s, a second from 0.5 s into the same port: the port is full to 1.5 s; the sender of the first is at full rate, then half, then done.
    @Test func loadOverTime() throws {
        let star = try network("")
        let flows = [Flow(source: 0, destination: 1, bytes: 1e9), Flow(start: 0.5, source: 2, destination: 1, bytes: 1e9)]
        let result = try star.simulate(flows)
        #expect(abs(result.end - 2) < 1e-9)
        let links = [0, 2].map { star.links(ofHost: $0)[0] } + [star.links(ofHost: 1)[1]]
        let load = try star.load(of: flows, on: links, until: result.end, spans: 4)
        // first: 0.5 GB alone, then half of the port until its 0.5 GB left are gone at 1.5 s; second: half from 0.5 to 1.5 s, then all
        let expected = [[1, 0.5, 0.5, 0], [0, 0.5, 0.5, 1], [1, 1, 1, 1]]
        for (found, wanted) in zip(load.utilization, expected) { for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-9) } }
        // what the spans say together is what the whole says
        for (index, link) in links.enumerated() {
            #expect(abs(load.utilization[index].reduce(0, +) / 4 - result.utilization[link]) < 1e-9)
        }
        #expect(throws: FabricError.self) { try star.load(of: flows, on: [0], until: 1, spans: 0) }
    }
}
