import Quantities
import TestSupport
import Testing

@testable import Cluster

@Suite struct CollectiveTests {
    static func h100() throws -> ClusterSpec {
        try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 1024, gpusPerNode: 8, interNode: "ib-ndr-400g-x8").spec
    }
    static let inNode = GroupShape(ranks: 8, perDomain: 8)

    /// H100, 8 ranks, table row alpha 15.27 us, B 517 GB/s, c 10.27 us at 1 MB; 64 MB:
    /// 15.27 + 1.75 x 64e6 / 517e3 + 10.27 x 8 = 15.27 + 216.63 + 82.16 = 314.06 us
    @Test func formInsideANode() throws {
        let model = CollectiveModel(cluster: try Self.h100())
        let t = model.seconds(.allReduce, bytes: 64e6, group: Self.inNode)
        #expect(abs(t * 1e6 - 314.06) < 0.1, "\(t * 1e6)")
        // The calibrated share divides what depends on bytes: 15.27 + 298.79 / 0.8 = 388.76 us
        let slow = model.seconds(.allReduce, bytes: 64e6, group: Self.inNode, efficiency: LinkEfficiency(intra: 0.8))
        #expect(abs(slow * 1e6 - 388.76) < 0.1, "\(slow * 1e6)")
    }

    /// NVLink: 7.6 us + 361 MB / 361 GB/s = 1007.6 us. Network, alone: 19 us + 36.5 MB / (0.73 x 50 GB/s) = 1019 us; all 8 GPUs of a node at
    /// once still have a port each.
    @Test func sendReceive() throws {
        let model = CollectiveModel(cluster: try Self.h100())
        let near = model.seconds(.sendReceive, bytes: 361e6, group: GroupShape(ranks: 2, perDomain: 2))
        #expect(abs(near * 1e6 - 1007.6) < 0.1, "\(near * 1e6)")
        for senders in [1, 8] {
            let far = model.seconds(.sendReceive, bytes: 36.5e6, group: GroupShape(ranks: 2, perDomain: 1, concurrent: senders))
            #expect(abs(far * 1e6 - 1019) < 0.1, "\(far * 1e6)")
        }
        // Four ports for eight senders: 100 GB/s x 0.97 / 8 = 12.125 GB/s each; 12.125 MB take 1 ms.
        let narrow = try ClusterSpec.measured(hardware: "a100-sxm-80gb", gpus: 64, gpusPerNode: 8, interNode: "ib-hdr-200g-x4").spec
        let shared = CollectiveModel(cluster: narrow).seconds(
            .sendReceive, bytes: 12.125e6, group: GroupShape(ranks: 2, perDomain: 1, concurrent: 8))
        #expect(abs(shared * 1e6 - 1019) < 0.1, "\(shared * 1e6)")
    }

    /// Eight rings of one rank a node move 8 times the bytes of one group of all ranks through the same ports: for large buffers 8 groups at once,
    /// each with S / 8, take what one group over everything takes with S, up to (n-1)/n.
    @Test func concurrentGroupsShareThePorts() throws {
        let model = CollectiveModel(cluster: try Self.h100())
        let one = model.seconds(.allGather, bytes: 64e9, group: GroupShape(ranks: 256, perDomain: 8))
        let eight = model.seconds(.allGather, bytes: 8e9, group: GroupShape(ranks: 32, perDomain: 1, concurrent: 8))
        #expect(abs(eight / one - 1) < 0.04, "\(eight / one)")
        let alone = model.seconds(.allGather, bytes: 8e9, group: GroupShape(ranks: 32, perDomain: 1, concurrent: 1))
        #expect(abs(alone / eight - 1) < 1e-9, "a rank has one port: alone it is as fast as beside seven others")
    }

    /// Ring over 16 ranks of 2 nodes, S = 16: each sends 2 x 15/16 x 16 = 30, one rank in 8 over the network: 3.75 network, 26.25 NVLink.
    /// In the switch of an H100 node: S (1 + 1/8) = 18. All-to-all over 16: 1 byte a peer, 7 near and 8 far.
    @Test func traffic() throws {
        let model = CollectiveModel(cluster: try Self.h100())
        let two = GroupShape(ranks: 16, perDomain: 8)
        #expect(model.traffic(.allReduce, bytes: 16, group: two) == (26.25, 3.75))
        #expect(model.traffic(.allReduce, bytes: 16, group: Self.inNode) == (18, 0))
        #expect(model.traffic(.allGather, bytes: 16, group: Self.inNode) == (14, 0))
        #expect(model.traffic(.allToAll, bytes: 16, group: two) == (7, 8))
        #expect(model.traffic(.sendReceive, bytes: 16, group: GroupShape(ranks: 2, perDomain: 1)) == (0, 16))
        #expect(model.traffic(.sendReceive, bytes: 16, group: GroupShape(ranks: 2, perDomain: 2)) == (16, 0))
        #expect(model.traffic(.allReduce, bytes: 16, group: GroupShape(ranks: 1, perDomain: 1)) == (0, 0))
    }

    static let clusters: [(String, Int, Int, String)] = [
        ("a100-sxm-80gb", 512, 8, "ib-hdr-200g-x8"), ("a100-sxm-80gb", 384, 8, "opa-100g-x4"), ("h100-sxm-80gb", 4096, 8, "roce-400g-x8"),
        ("h800-sxm-80gb", 2048, 8, "ib-ndr-400g-x8"), ("b200-sxm-180gb", 64, 8, "ib-ndr-400g-x8"),
        ("v100-sxm-32gb", 64, 8, "ib-edr-100g-x4"),
        ("gb200-186gb", 576, 4, "nvl72+ib-ndr-400g-x4"), ("mi300x-192gb", 64, 8, "roce-400g-x8"),
        ("rtx4090-24gb", 16, 8, "ethernet-25g-x1"),
        ("a100-pcie-80gb", 32, 8, "roce-100g-x4"), ("p100-sxm-16gb", 32, 4, "ethernet-10g-x1"), ("l4-24gb", 16, 8, "ethernet-100g-x1"),
    ]

    /// Nothing beats the wire: the bytes that must leave a rank (or, for the network, a domain) over its nominal rate. More bytes never take less time.
    @Test func neverFasterThanNominal() throws {
        let seed: UInt64 = 7
        print("collective guard seed \(seed)")
        var random = TestDraws(seed: seed)
        for (hardware, gpus, perNode, network) in Self.clusters {
            let spec = try ClusterSpec.measured(hardware: hardware, gpus: gpus, gpusPerNode: perNode, interNode: network).spec
            let model = CollectiveModel(cluster: spec)
            let link = spec.intraNode.bandwidth.bytesPerSecond
            let ports = (spec.interNode?.nodeBandwidth ?? .infinity) * Double(spec.domain) / Double(spec.gpusPerNode)
            for _ in 0..<400 {
                let k = Int.random(in: 1...spec.domain, using: &random)
                let domains = Int.random(in: 1...(gpus / spec.domain), using: &random)
                let n = Double(k * domains)
                let together = spec.domain / k
                let bytes = 10 * Double.random(in: 0...10, using: &random).exponent10
                let shape = GroupShape(ranks: k * domains, perDomain: k, concurrent: together)
                for op in CollectiveOp.allCases where op != .sendReceive && n > 1 {
                    // Shares above 1 are a caller's fault; even so nothing beats the wire.
                    let shares = LinkEfficiency(
                        intra: Double.random(in: 0.3...5, using: &random), inter: Double.random(in: 0.3...5, using: &random))
                    let t = model.seconds(op, bytes: bytes, group: shape, efficiency: shares)
                    let local: Double =
                        switch op {
                        // The cheapest way known inside a domain: reduction in the switch, 1 + 1/k.
                        case .allReduce: k > 1 ? min(2 * Double(k - 1) / Double(k), 1 + 1 / Double(k)) : 0
                        case .broadcast: k > 1 ? 1 : 0
                        default: k > 1 ? Double(k - 1) / (op == .allToAll ? n : Double(k)) : 0
                        }
                    #expect(t >= local * bytes / link * 0.999999, "\(op) \(hardware) \(shape) \(bytes)")
                    if domains > 1 {
                        let d = Double(domains)
                        let out: Double =
                            switch op {
                            case .allReduce: 2 * (d - 1) / d
                            case .broadcast: 1
                            case .allToAll: Double(k) * (d - 1) / d
                            default: (d - 1) / d
                            }
                        #expect(t >= out * bytes * Double(together) / ports * 0.999999, "\(op) \(hardware) \(shape) \(bytes)")
                    }
                    #expect(
                        model.seconds(op, bytes: bytes * 1.5, group: shape, efficiency: shares) >= t, "\(op) \(hardware) \(shape) \(bytes)")
                    #expect(t.isFinite && t > 0)
                }
            }
        }
    }

    @Test func interpolationBetweenRanks() throws {
        // H200 from 4 ranks (ring) to 8 (switch): published bus rates at 8 GiB are 363, 414, 436, 460, 473 GB/s for 4...8 (ml-engineering @744d01e).
        let spec = try ClusterSpec.measured(hardware: "h200-sxm-141gb", gpus: 8, gpusPerNode: 8, interNode: "none").spec
        let model = CollectiveModel(cluster: spec)
        let bytes = 8 * 1024.0 * 1024 * 1024
        for (n, published) in [(4, 363.3), (5, 414.2), (6, 435.6), (7, 460.0), (8, 473.1)] {
            let t = model.seconds(.allReduce, bytes: bytes, group: GroupShape(ranks: n, perDomain: n))
            let bus = 2 * Double(n - 1) / Double(n) * bytes / t / 1e9
            #expect(abs(bus / published - 1) < 0.14, "\(n): \(bus) for \(published)")
        }
    }

    @Test func aHugeDomainCostsNoMore() throws {
        var spec = try Self.h100()
        (spec.gpus, spec.gpusPerNode, spec.domain) = (1 << 40, 1 << 40, 1 << 40)
        let model = CollectiveModel(cluster: spec)
        let few = model.seconds(.allGather, bytes: 1e9, group: GroupShape(ranks: 1024, perDomain: 1024))
        let many = model.seconds(.allGather, bytes: 1e9, group: GroupShape(ranks: 1 << 30, perDomain: 1 << 30))
        #expect(many == few)
    }

    @Test func degenerateInputsGiveZeroOrFiniteTimes() throws {
        let model = CollectiveModel(cluster: try Self.h100())
        for op in CollectiveOp.allCases {
            #expect(model.seconds(op, bytes: 1e6, group: GroupShape(ranks: 1, perDomain: 1)) == 0)
            #expect(model.seconds(op, bytes: -1, group: Self.inNode) == 0)
            #expect(model.seconds(op, bytes: .nan, group: Self.inNode) == 0)
            for shape in [
                GroupShape(ranks: 0, perDomain: 0), GroupShape(ranks: 9, perDomain: 0), GroupShape(ranks: 16, perDomain: 99, concurrent: 0),
                GroupShape(ranks: 1000, perDomain: 3, concurrent: 2),
            ] {
                let t = model.seconds(op, bytes: 1e6, group: shape)
                #expect(t.isFinite && t >= 0, "\(op) \(shape)")
            }
        }
    }
}

extension Double {
    fileprivate var exponent10: Double {
        var result = 1.0
        for _ in 0..<Int(self) { result *= 10 }
        return result * (1 + 9 * truncatingRemainder(dividingBy: 1))
    }
}
