import Compression
import TestSupport
import Testing

@Suite struct PolicyTests {
    private func situation(workers: Int, link: Double) -> ExchangeSituation {
        ExchangeSituation(
            workers: workers, count: 1_000_000, linkBytesPerSecond: link, memoryBytesPerSecond: 1e12, operationsPerSecond: 1e13)
    }

    @Test func theRuleOfThumbByClusterSize() throws {
        let names = try [1, 2, 8, 31, 32, 1000].map { try CompressionPolicy.rule.codec(for: situation(workers: $0, link: 1e9)).name }
        #expect(names[0] == "fp32")
        #expect(names[1...3].allSatisfy { $0.hasPrefix("E4M3") })
        #expect(names[4...].allSatisfy { $0.hasPrefix("top 5.0% + E4M3") })
    }

    /// On a link as fast as memory compression only costs; on a slow one the smallest message wins.
    @Test func theFastestDependsOnTheLink() throws {
        #expect(try CompressionPolicy.fastest.codec(for: situation(workers: 8, link: 1e13)).name == "fp32")
        #expect(try CompressionPolicy.fastest.codec(for: situation(workers: 8, link: 1e6)).name != "fp32")
    }

    /// Hand-solved: fp32 of 10^6 elements over 4 workers at 1 GB/s is 4000008 bytes x 1.5 / 1e9.
    @Test func timeOfAnExchangeByHand() {
        #expect(abs(situation(workers: 4, link: 1e9).seconds(IdentityCodec()) - (4_000_008 * 1.5e-9)) < 1e-12)
    }
}

@Suite struct BucketTests {
    @Test func bucketsComeBackInAnyOrderAndKeepTheirOwnState() throws {
        var draws = TestDraws(seed: 13)
        let gradient = draws.normals(1003)
        var codec = try BucketedCodec(ErrorFeedback(try SparseCodec(.top(.share(0.5)))), count: 1003, elements: 100)
        #expect(codec.buckets.count == 11 && codec.buckets[10] == 1000..<1003)
        var sum = [Float](repeating: 0, count: 1003)
        for _ in 0..<4 {
            let messages = try codec.encode(gradient)
            var arrived = [Float](repeating: .nan, count: 1003)
            for index in [3, 0, 10, 1, 2, 9, 8, 4, 7, 6, 5] { try codec.decode(bucket: index, messages[index], into: &arrived) }
            for i in sum.indices { sum[i] += arrived[i] }
        }
        // Half is sent each time; what was left waits at most a few calls, so the sum lies within two gradients of four.
        #expect(sum.indices.allSatisfy { abs(sum[$0] - 4 * gradient[$0]) <= 2.01 * abs(gradient[$0]) + 3 })
        #expect(throws: CodecError.self) { try codec.encode(bucket: 11, of: gradient) }
        #expect(throws: CodecError.self) { try codec.encode(bucket: 10, of: [1]) }
        #expect(throws: CodecError.self) { try BucketedCodec(IdentityCodec(), count: 5, elements: 0) }
    }
}
