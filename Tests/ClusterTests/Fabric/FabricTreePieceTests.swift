import Testing

@testable import Cluster

/// How many pieces a double tree is cut into, against flows with every number of pieces.
@Suite struct FabricTreePieceTests {
    private static let network = Network(
        shape: StarShape(hosts: 16, link: LinkProperties(bandwidth: 50e9, latency: 2e-6), duplex: .full))

    private func seconds(_ op: CollectiveOp, _ bytes: Double, _ form: PatternForm) throws -> Double {
        let pattern = try CommunicationPattern.collective(op, by: .tree, ranks: 16, bytes: bytes, form: form)
        return try Self.network.play(pattern, on: Array(0..<16))
    }

    /// Trees of 16 are 4 hops high, so that an all-reduce takes C + 8 - 1 steps and a broadcast C + 4 - 1. With a = 4 us and half of the bytes at 50 GB/s,
    /// C = sqrt((steps - 1) b S / a): 1 MB: sqrt(7 * 10 us / 4 us) = 4.18 and sqrt(3 * 2.5) = 2.74; 16 MB: sqrt(7 * 40) = 16.7 and sqrt(3 * 40) = 10.95;
    /// 10 kB: 0.42 and 0.27, but one piece there must be; 100 GB: 1323 and 866, but 128 are the most.
    @Test(arguments: [
        (CollectiveOp.allReduce, 1e6, 4), (.broadcast, 1e6, 3), (.allReduce, 16e6, 17), (.broadcast, 16e6, 11), (.allReduce, 10e3, 1),
        (.broadcast, 10e3, 1), (.allReduce, 100e9, 128), (.broadcast, 100e9, 128),
    ])
    func piecesByHand(_ op: CollectiveOp, _ bytes: Double, _ expected: Int) throws {
        let hop = try #require(Self.network.hop(ranks: 16))
        #expect(hop == LinkProperties(bandwidth: 50e9, latency: 4e-6))
        let automatic = try CommunicationPattern.collective(op, by: .tree, ranks: 16, bytes: bytes, form: PatternForm(hop: hop))
        let fixed = try CommunicationPattern.collective(op, by: .tree, ranks: 16, bytes: bytes, form: PatternForm(chunks: expected))
        #expect(automatic == fixed, "not \(expected) pieces")
    }

    @Test(arguments: [CollectiveOp.allReduce, .broadcast], [64e3, 256e3, 1e6, 4e6, 16e6, 64e6])
    func noOtherNumberOfPiecesIsMuchFaster(_ op: CollectiveOp, _ bytes: Double) throws {
        let chosen = try seconds(op, bytes, PatternForm(hop: Self.network.hop(ranks: 16)))
        var best = (seconds: Double.infinity, pieces: 0)
        for pieces in 1...128 {
            let time = try seconds(op, bytes, PatternForm(chunks: pieces))
            if time < best.seconds { best = (time, pieces) }
        }
        print("tree \(op.rawValue) of \(bytes) B: \(chosen / best.seconds) of the time with the best, \(best.pieces) pieces")
        #expect(chosen < 1.15 * best.seconds, "\(chosen) s, but \(best.seconds) s with \(best.pieces) pieces")
        #expect(chosen >= best.seconds)
    }
}
