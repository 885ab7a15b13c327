import Compression
import TestSupport
import Testing

/// What every codec promises, over every class of input.
@Suite struct CodecContractTests {
    @Test func everyCodecIsThere() { #expect(CodecCase.all.count == 45) }

    @Test(arguments: CodecCase.all) func errorStaysWithinTheStatedBound(_ test: CodecCase) throws {
        for input in InputClass.all {
            var codec = test.codec
            let bound = codec.errorBound(for: input.values)
            let decoded = try codec.decode(codec.encode(input.values), count: input.values.count)
            try #require(decoded.count == input.values.count)
            var square = 0.0
            for i in decoded.indices where input.values[i].isFinite {
                let lost = poisoned(codec, input.values)
                if lost, !decoded[i].isFinite { continue }
                let error = abs(Double(decoded[i]) - Double(input.values[i]))
                square += error * error
                if let each = bound.perElement {
                    #expect(error <= each[i], "\(input.name), element \(i): \(input.values[i]) came back as \(decoded[i])")
                }
            }
            if input.values.allSatisfy(\.isFinite) {
                #expect(square.squareRoot() <= bound.norm * (1 + 1e-12), "\(input.name)")
            }
        }
    }

    @Test(arguments: CodecCase.all) func sizeIsWhatTheDocumentationPromises(_ test: CodecCase) throws {
        for input in InputClass.all {
            var codec = test.codec
            let size = codec.encodedSize(count: input.values.count)
            let bytes = try codec.encode(input.values).count
            #expect(size.isExact ? bytes == size.most : bytes <= size.most, "\(input.name): \(bytes) bytes, promised \(size)")
        }
    }

    @Test(arguments: CodecCase.all) func nonFiniteElementsStayVisible(_ test: CodecCase) throws {
        var draws = TestDraws(seed: 4)
        for hidden: Float in [.nan, .infinity, -.infinity] {
            var values = draws.normals(300)
            values[117] = hidden
            var codec = test.codec
            let decoded = try codec.decode(codec.encode(values), count: 300)
            switch codec.nonFinite {
            case .perElement:
                #expect(!decoded[117].isFinite)
                #expect(decoded.indices.allSatisfy { $0 == 117 || decoded[$0].isFinite }, "only the element itself may be lost")
            case .poisonsBlock: #expect(!decoded[117].isFinite)
            case .selectedFirst:
                if codec.encodedSize(count: 300).most > 16 + 8, !codec.name.hasPrefix("top 0") || codec.name.hasPrefix("top 0.") {
                    #expect(decoded.contains { !$0.isFinite })
                }
            case .ifSent: break
            }
        }
    }

    @Test(arguments: CodecCase.all) func sameInputGivesSameBytes(_ test: CodecCase) throws {
        for input in InputClass.all {
            var first = test.codec
            var second = test.codec
            for _ in 0..<3 { #expect(try first.encode(input.values) == second.encode(input.values), "\(input.name)") }
        }
    }

    @Test(arguments: CodecCase.all) func messagesThatAreCutOffOrTooLongAreRefused(_ test: CodecCase) throws {
        var codec = test.codec
        var draws = TestDraws(seed: 11)
        let message = try codec.encode(draws.normals(90))
        for length in message.indices {
            #expect(throws: CodecError.self) { try codec.decode(Array(message[..<length]), count: 90) }
        }
        #expect(throws: CodecError.self) { try codec.decode(message + [0], count: 90) }
        #expect(throws: CodecError.elementCount(expected: 91, found: 90)) { try codec.decode(message, count: 91) }
        #expect(throws: CodecError.self) { try codec.decode([], count: 0) }
    }

    /// Mutated messages and noise: every one is decoded or refused. Under the address sanitizer a read beyond the end would stop the run.
    @Test func adversarialBytesAreDecodedOrRefused() throws {
        let seed: UInt64 = 77
        var draws = TestDraws(seed: seed)
        var refused = 0
        let cases = CodecCase.all
        var samples: [[(count: Int, message: [UInt8])]] = []
        for test in cases {
            var codec = test.codec
            samples.append(
                try [0, 1, 40, 200].map { count in
                    if codec is ErrorFeedback { codec = test.codec }
                    return (count, try codec.encode(draws.normals(count)))
                })
        }
        for number in 0..<fuzzCases {
            let which = number % cases.count
            let sample = samples[which][Int(draws.next() % 4)]
            let bytes = mutate(sample.message, &draws)
            let count = draws.next() % 16 == 0 ? Int(draws.next() % 300) : sample.count
            do {
                let decoded = try cases[which].codec.decode(bytes, count: count)
                #expect(decoded.count == count)
            } catch {
                refused += 1
            }
        }
        #expect(refused > fuzzCases / 4, "seed \(seed): only \(refused) of \(fuzzCases) were refused; the mutations no longer bite")
        #expect(refused < fuzzCases, "seed \(seed): nothing got past the header; the mutations are too coarse")
    }

    /// A header may speak of 2^31 elements; reading it takes no memory, and a receiver who expects fewer refuses.
    @Test func headersHoldTwoToThe31() throws {
        var message = try encoded([1, 2, 3])
        message.replaceSubrange(4..<8, with: [0, 0, 0, 0x80])
        #expect(try elementCount(ofMessage: message) == 1 << 31)
        for test in CodecCase.all {
            #expect(throws: CodecError.self) { try test.codec.decode(message, count: 3) }
            #expect(test.codec.encodedSize(count: 1 << 31).most > 0)
        }
    }

    private func encoded(_ values: [Float]) throws -> [UInt8] {
        var codec = IdentityCodec()
        return try codec.encode(values)
    }

    private func poisoned(_ codec: any GradientCodec, _ values: [Float]) -> Bool {
        let byBlock = if case .poisonsBlock = codec.nonFinite { true } else { false }
        let sparse = if case .selectedFirst = codec.nonFinite { true } else { false }
        return (byBlock || sparse) && !values.allSatisfy { $0.isFinite }
    }

    private func mutate(_ message: [UInt8], _ draws: inout TestDraws) -> [UInt8] {
        var bytes = message
        switch draws.next() % 8 {
        case 0: bytes = (0..<Int(draws.next() % 64)).map { _ in UInt8(truncatingIfNeeded: draws.next()) }
        case 1: bytes = Array(bytes.prefix(Int(draws.next() % UInt64(bytes.count + 1))))
        case 2: bytes += (0..<Int(draws.next() % 9)).map { _ in UInt8(truncatingIfNeeded: draws.next()) }
        default:
            for _ in 0...(draws.next() % 4) where !bytes.isEmpty {
                // Half of the damage goes to the structure at the front.
                let reach = draws.next() % 2 == 0 ? min(24, bytes.count) : bytes.count
                let at = Int(draws.next() % UInt64(reach))
                bytes[at] = draws.next() % 2 == 0 ? UInt8(truncatingIfNeeded: draws.next()) : bytes[at] ^ (1 << UInt8(draws.next() % 8))
            }
        }
        return bytes
    }
}
