import Compression
import TestSupport
import Testing

@Suite struct ExchangeTests {
    private func setUp(_ codec: any GradientCodec, workers: Int, count: Int) throws -> ([BucketedCodec], [any GradientCodec]) {
        let parts = try BucketedCodec(codec, count: count, elements: (count + workers - 1) / workers)
        return ([BucketedCodec](repeating: parts, count: workers), [any GradientCodec](repeating: codec, count: workers))
    }

    /// Without compression it is the mean, to the bit: summed in worker order, then divided. One worker has its own gradient back.
    @Test(arguments: [1, 3, 4]) func identityGivesTheMean(_ workers: Int) throws {
        var draws = TestDraws(seed: 1)
        let gradients = (0..<workers).map { _ in draws.normals(101) }
        var (codecs, owners) = try setUp(IdentityCodec(), workers: workers, count: 101)
        let mean = (0..<101).map { (i: Int) -> Float in
            let sum = gradients.reduce(Float(0)) { $0 + $1[i] }
            return workers > 1 ? sum / Float(workers) : sum
        }
        let sum = try scatterAndGather(gradients, codecs: &codecs, owners: &owners)
        #expect(sum == mean)
    }

    /// 8-bit floats lose at most half a spacing twice: 2^-4 of the largest magnitudes in either coding.
    @Test func eightBitMeansStayClose() throws {
        var draws = TestDraws(seed: 2)
        let gradients = (0..<4).map { _ in draws.normals(256) }
        var (codecs, owners) = try setUp(try BlockQuantizer(.e4m3, block: 64), workers: 4, count: 256)
        let sum = try scatterAndGather(gradients, codecs: &codecs, owners: &owners)
        for i in 0..<256 {
            let mean = gradients.reduce(0) { $0 + Double($1[i]) } / 4
            let sizes = gradients.reduce(0) { $0 + Double($1[i].magnitude) } / 4
            #expect(abs(Double(sum[i]) - mean) < 0x1p-4 * sizes * 2.1 + 1e-3)
        }
    }

    @Test func whatDoesNotFitIsRefused() throws {
        var (codecs, owners) = try setUp(IdentityCodec(), workers: 2, count: 10)
        #expect(throws: CodecError.self) { try scatterAndGather([[1, 2]], codecs: &codecs, owners: &owners) }
        #expect(throws: CodecError.self) { try scatterAndGather([[1], [1, 2]], codecs: &codecs, owners: &owners) }
        var fine = [BucketedCodec](repeating: try BucketedCodec(IdentityCodec(), count: 10, elements: 2), count: 2)
        #expect(throws: CodecError.self) {
            try scatterAndGather([[Float]](repeating: [Float](repeating: 1, count: 10), count: 2), codecs: &fine, owners: &owners)
        }
    }

    @Test func eachCodecSaysHowItIsSummed() throws {
        let top = try SparseCodec(.top(.share(0.1)))
        #expect(IdentityCodec().exchange == .allReduce && Bfloat16Codec().exchange == .allReduce)
        #expect(try PowerSGD(rank: 2).exchange == .allReduce && ErrorFeedback(try PowerSGD(rank: 2)).exchange == .allReduce)
        #expect(top.exchange == .gather && ErrorFeedback(top).exchange == .gather)
        #expect(try SparseCodec(.random(.share(0.1), seed: 1)).exchange == .allReduce)
        #expect(try BlockQuantizer(.e4m3).exchange == .scatterAndGather)
        // Top 10% of 1000 from 8 workers: zeroing 4000 and 12 bytes an element sent and its fp32 value's none.
        #expect(top.decodeBytes(count: 1000, workers: 8) == 4000 + 8 * 1200)
    }
}
