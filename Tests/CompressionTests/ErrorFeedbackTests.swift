import Compression
import TestSupport
import Testing

@Suite struct ErrorFeedbackTests {
    /// Gradients on a grid of 2^-10 keep every sum exact, so what went in equals what came out plus what is left, to the bit.
    @Test func sumsAreConservedExactly() throws {
        var draws = TestDraws(seed: 2)
        var codec = ErrorFeedback(try SparseCodec(.top(.share(0.05)), indices: .packed))
        let n = 1000
        var given = [Double](repeating: 0, count: n)
        var received = given
        for _ in 0..<50 {
            let gradient = draws.normals(n).map { ($0 * 1024).rounded() / 1024 }
            for (i, value) in try codec.decode(codec.encode(gradient), count: n).enumerated() {
                given[i] += Double(gradient[i])
                received[i] += Double(value)
            }
        }
        #expect(given.indices.allSatisfy { given[$0] == received[$0] + Double(codec.residual[$0]) })
    }

    /// Any data: sent + residual is fl(gradient + old residual) to the bit, for each codec whose residual is exact.
    @Test func everyCallConservesItsSum() throws {
        var draws = TestDraws(seed: 5)
        var codecs = [ErrorFeedback(IdentityCodec()), ErrorFeedback(Bfloat16Codec())]
        for format in [NumberFormat.e4m3, .e5m2, .int8, .int4] {
            codecs.append(ErrorFeedback(try BlockQuantizer(format, block: 50)))
            codecs.append(ErrorFeedback(try SparseCodec(.top(.share(0.2)), values: BlockQuantizer(format), indices: .eliasFano)))
        }
        codecs.append(ErrorFeedback(try SparseCodec(.threshold(1), indices: .varint)))
        codecs.append(ErrorFeedback(try SparseCodec(.random(.share(0.1), seed: 4))))
        for index in codecs.indices {
            for _ in 0..<20 {
                let gradient = draws.normals(333)
                let sum = codecs[index].corrected(gradient)
                let sent = try codecs[index].decode(codecs[index].encode(gradient), count: 333)
                let left = codecs[index].residual
                #expect(sum.indices.allSatisfy { Double(sent[$0]) + Double(left[$0]) == Double(sum[$0]) }, "\(codecs[index].name)")
            }
        }
    }

    /// For signs and NF4 the residual rounds once: half a unit in its last place.
    @Test(arguments: [NumberFormat.sign, .nf4]) func coarseFormatsConserveToRounding(_ format: NumberFormat) throws {
        var draws = TestDraws(seed: 6)
        var codec = ErrorFeedback(try BlockQuantizer(format, block: 64))
        for _ in 0..<20 {
            let gradient = draws.normals(256)
            let sum = codec.corrected(gradient)
            let sent = try codec.decode(codec.encode(gradient), count: 256)
            for i in sum.indices {
                let difference = abs(Double(sent[i]) + Double(codec.residual[i]) - Double(sum[i]))
                #expect(difference <= Double(codec.residual[i].ulp) / 2)
            }
        }
    }

    @Test func nonFiniteElementsLeaveNothingBehind() throws {
        for codec: any GradientCodec in [
            IdentityCodec(), try BlockQuantizer(.int8), try SparseCodec(.top(.count(1)), values: BlockQuantizer(.e4m3)),
        ] {
            var feedback = ErrorFeedback(codec)
            _ = try feedback.encode([1, .nan, 2])
            #expect(feedback.residual.allSatisfy { $0.isFinite }, "\(codec.name)")
        }
    }

    @Test func anotherLengthIsRefused() throws {
        var codec = ErrorFeedback(IdentityCodec())
        _ = try codec.encode([1, 2, 3])
        #expect(throws: CodecError.self) { try codec.encode([1, 2]) }
    }

    /// Ratio 1 is no compression: the same values to the bit, and no residual.
    @Test func ratioOneIsNoCompression() throws {
        var draws = TestDraws(seed: 9)
        for coding in IndexCoding.allCases {
            var codec = ErrorFeedback(try SparseCodec(.top(.share(1)), indices: coding))
            let gradient = draws.normals(500)
            #expect(try codec.decode(codec.encode(gradient), count: 500) == gradient)
            #expect(codec.residual.allSatisfy { $0 == 0 })
        }
    }
}
