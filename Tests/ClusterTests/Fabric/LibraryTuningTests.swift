import Testing

@testable import Cluster

@Suite struct LibraryTuningTests {
    private func node(_ ranks: Int, _ generation: Generation = .hopper, rate: Double = 450e9) -> LibraryTuning.Situation {
        .init(ranks: ranks, perNode: ranks, generation: generation, links: (true, true), rates: (rate, 0))
    }
    private func cluster(_ ranks: Int) -> LibraryTuning.Situation {
        .init(ranks: ranks, perNode: 8, generation: .hopper, links: (true, true), rates: (450e9, 400e9))
    }

    /// H200 and B200 tables with and without NVLS (S. Bekman): reduction in the switch from 5 GPUs on Hopper, from 6 on Blackwell, never on A100.
    @Test func largeBuffersReduceInTheSwitchFromTheMeasuredGroupOn() throws {
        let tuning = try LibraryTuning.nccl()
        for (generation, rate, first) in [(Generation.hopper, 450e9, 5), (.blackwell, 900e9, 6), (.ampere, 300e9, 99)] {
            for ranks in 2...8 {
                let way = tuning.choice(.allReduce, bytes: 8e9, node(ranks, generation, rate: rate)).way
                #expect((way == .nvls) == (ranks >= first), "\(generation) \(ranks): \(way)")
            }
        }
    }

    /// Eight H100: a ring with LL for small buffers, then NVLS with Simple; the measured switch is near 1 to 2 MiB (LL to SIMPLE in the fits' notes).
    @Test func protocolsSwitchWhereMeasured() throws {
        let tuning = try LibraryTuning.nccl()
        let sizes = (3...34).map { Double(1 << $0) }
        let choices = sizes.map { tuning.choice(.allReduce, bytes: $0, node(8)) }
        #expect(choices.first?.wire == .ll)
        #expect(choices.last?.wire == .simple)
        let firstSimple = try #require(sizes.indices.first { choices[$0].wire == .simple })
        #expect((524_288...4_194_304).contains(sizes[firstSimple]), "\(sizes[firstSimple])")
        // once it has left a protocol it does not come back, and the estimate grows with the size
        let order = choices.map { $0.wire.index }
        #expect(order == order.sorted())
        for (a, b) in zip(choices, choices.dropFirst()) { #expect(b.estimate >= a.estimate * 0.99) }
    }

    /// Over nodes: trees for small buffers, as 2 log2(nodes) hops beat 2 (nodes - 1); without NVSwitch rings for the largest.
    @Test func treesForSmallBuffersOverNodes() throws {
        let tuning = try LibraryTuning.nccl()
        #expect(tuning.choice(.allReduce, bytes: 1024, cluster(128)).way == .tree)
        #expect(tuning.choice(.allReduce, bytes: 1e9, cluster(32)).way == .nvlsTree)
        var plain = cluster(32)
        plain.hasNVSwitch = false
        #expect(tuning.choice(.allReduce, bytes: 8e9, plain).way == .ring)
        #expect(tuning.choice(.broadcast, bytes: 1e6, plain).way == .chain)
        #expect(tuning.choice(.allToAll, bytes: 1e6, plain) == .init(way: .direct, wire: .simple, estimate: 0))
        #expect(tuning.choice(.allToAll, bytes: 1e5, plain).wire == .ll)
        #expect(tuning.choice(.allGather, bytes: 1e9, cluster(32)).way == .ring)
        // a way that the library lacks is honoured, with the plain protocol
        #expect(tuning.choice(.allReduce, bytes: 1e6, plain, way: .hierarchical).wire == .simple)
    }

    @Test func reportsSayAlgorithmAndProtocol() throws {
        let network = Network(
            shape: StarShape(hosts: 8, link: LinkProperties(bandwidth: 450e9, latency: 1e-6), duplex: .full, hub: "NVSwitch"))
        let sizes = CollectiveReport.Sizes(from: .init(1024), to: .init(1 << 30), factor: 1024)
        let report = try CollectiveReport(.allReduce, ranks: 8, sizes: (sizes, .init()), on: network, selection: .library)
        // Without measured rates every hop costs its microsecond: the switch with two has less of it than a ring with fourteen, at every size.
        #expect(report.rows.map(\.algorithm) == ["nvls", "nvls", "nvls"])
        #expect(report.rows.last?.protocol == "Simple")
        let ring = try CollectiveReport(.allReduce, ranks: 8, sizes: (sizes, .init()), on: network, selection: .way(.ring))
        #expect(ring.rows.first?.protocol == "LL")
        // NVLS of 1 GiB in 8 chunks: by hand (8 + 3) (2 x 1 us / 2) + chunk / 450 GB/s (4 + 7 (1 + 1/8)), as each pass but the outer ones carries S (1 + 1/n)
        let chunk = Double(1 << 30) / 8 / 450e9
        let hand = 11 * 1e-6 + chunk * (4 + 7 * 1.125)
        #expect(abs((report.rows.last?.microseconds ?? 0) * 1e-6 / hand - 1) < 1e-9)
        // the flags of LL double the bytes where they are asked for
        let plain = try CollectiveReport(.allReduce, ranks: 8, sizes: (sizes, .init()), on: network, selection: .way(.ring))
        let flagged = try CollectiveReport(.allReduce, ranks: 8, sizes: (sizes, .init(wire: .ll)), on: network, selection: .way(.ring))
        let latency = 14 * 2e-6
        #expect(
            abs(((flagged.rows.last?.microseconds ?? 0) * 1e-6 - latency) / ((plain.rows.last?.microseconds ?? 0) * 1e-6 - latency) - 2)
                < 1e-9)
    }
}
