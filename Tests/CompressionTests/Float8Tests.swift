import Compression
import Foundation
import TestSupport
import Testing

/// 8-bit floats against their definition, computed here from sign, exponent and fraction.
@Suite struct Float8Tests {
    struct Layout: Sendable {
        let format: NumberFormat
        let exponentBits: Int
        let fractionBits: Int
        let bias: Int

        /// Nil for codes that are not finite.
        func value(_ code: Int) -> Double? {
            let magnitude = code & 127
            if format == .e4m3, magnitude == 127 { return nil }
            if format == .e5m2, magnitude >= 124 { return nil }
            let exponent = magnitude >> fractionBits
            let fraction = Double(magnitude & (1 << fractionBits - 1)) / Double(1 << fractionBits)
            let absolute = exponent == 0 ? fraction * pow(2, Double(1 - bias)) : (1 + fraction) * pow(2, Double(exponent - bias))
            return code < 128 ? absolute : -absolute
        }
    }
    static let layouts = [
        Layout(format: .e4m3, exponentBits: 4, fractionBits: 3, bias: 7), Layout(format: .e5m2, exponentBits: 5, fractionBits: 2, bias: 15),
    ]

    /// A message whose largest element is the format's largest gets scale 1, so that codes can be read off.
    private func codes(_ values: [Float], _ layout: Layout) throws -> [UInt8] {
        let top = Float(layout.format == .e4m3 ? 448 : 57344)
        var codec = try BlockQuantizer(layout.format)
        let message = try codec.encode(values + [top])
        #expect(message[12] == 127, "the scale must be 2^0")
        return Array(message[13..<(13 + values.count)])
    }

    @Test(arguments: layouts) func everyCodeComesBack(_ layout: Layout) throws {
        let finite = (0..<256).filter { layout.value($0) != nil }
        let values = finite.map { Float(layout.value($0) ?? 0) }
        #expect(try codes(values, layout).map { Int($0) } == finite)
        var codec = try BlockQuantizer(layout.format)
        #expect(try codec.decode(codec.encode(values), count: values.count) == values)
    }

    @Test(arguments: layouts) func roundsToTheNearestCodeAndTiesToEven(_ layout: Layout) throws {
        let table = (0..<128).compactMap { code in layout.value(code).map { (code, $0) } }
        var draws = TestDraws(seed: 1)
        let largest = table[table.count - 1].1
        var values: [Float] = []
        for i in 1..<table.count { values.append(Float((table[i - 1].1 + table[i].1) / 2)) }  // the ties
        for _ in 0..<4000 { values.append(Float(min(largest, exp(-12 + 20 * draws.unit())))) }
        let found = try codes(values, layout)
        for (value, code) in zip(values, found) {
            let nearest = table.min { a, b in
                let (da, db) = (abs(a.1 - Double(value)), abs(b.1 - Double(value)))
                return da != db ? da < db : a.0 % 2 < b.0 % 2
            }
            #expect(Int(code) == nearest?.0, "\(value)")
        }
    }

    /// The mean over many draws tends to the value itself: within five standard errors.
    @Test(arguments: [NumberFormat.e4m3, .e5m2, .int8, .int4]) func stochasticRoundingIsUnbiased(_ format: NumberFormat) throws {
        let values: [Float] = [1, 0.3217, -0.0713, 0.0009, 0.71]
        var codec = try BlockQuantizer(format, rounding: .stochastic(seed: 3))
        var sums = [Double](repeating: 0, count: values.count)
        var squares = sums
        let draws = 20_000
        for _ in 0..<draws {
            for (i, value) in try codec.decode(codec.encode(values), count: values.count).enumerated() {
                sums[i] += Double(value)
                squares[i] += Double(value) * Double(value)
            }
        }
        for i in values.indices {
            let mean = sums[i] / Double(draws)
            let deviation = max(0, squares[i] / Double(draws) - mean * mean).squareRoot()
            #expect(abs(mean - Double(values[i])) <= 5 * deviation / Double(draws).squareRoot() + 1e-7, "\(values[i])")
        }
    }

    @Test func stochasticRoundingOfFormatsWithoutItIsRefused() {
        #expect(throws: CodecError.self) { try BlockQuantizer(.nf4, rounding: .stochastic(seed: 1)) }
        #expect(throws: CodecError.self) { try BlockQuantizer(.int8, block: 0) }
    }

    /// 1000 elements in blocks of 64 are 16 blocks: 8 + 4 + 16 + 1000 = 1028 bytes; int4: 8 + 4 + 64 + 500; signs: 8 + 4 + 64 + 125.
    @Test func sizesByHand() throws {
        #expect(try BlockQuantizer(.e4m3, block: 64).encodedSize(count: 1000) == .exactly(1028))
        #expect(try BlockQuantizer(.int4, block: 64).encodedSize(count: 1000) == .exactly(576))
        #expect(try BlockQuantizer(.sign, block: 64).encodedSize(count: 1000) == .exactly(201))
    }

    /// Block [1, -2, 3]: mean magnitude 2, so 2, -2, 2.
    @Test func signsTimesTheMeanMagnitude() throws {
        var codec = try BlockQuantizer(.sign)
        #expect(try codec.decode(codec.encode([1, -2, 3]), count: 3) == [2, -2, 2])
    }

    /// 1 + 2^-8 lies half way between 1 and 1 + 2^-7: to even; 1 + 3 x 2^-8 goes up to 1 + 2^-6. The largest float saturates.
    @Test func bfloat16ByHand() throws {
        var codec = Bfloat16Codec()
        let decoded = try codec.decode(codec.encode([1.00390625, -1.01171875, .greatestFiniteMagnitude, .infinity]), count: 4)
        #expect(decoded == [1, -1.015625, Float(bitPattern: 0x7f7f_0000), .infinity])
    }

    /// Largest 127: scale 1, so whole numbers are exact and 0.5 goes to the even 0.
    @Test func int8ByHand() throws {
        var codec = try BlockQuantizer(.int8)
        #expect(try codec.decode(codec.encode([127, -3, 0.5, 1.5, 2.4]), count: 5) == [127, -3, 0, 2, 2])
    }
}
