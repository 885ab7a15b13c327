import Compression
import Foundation
import TestSupport
import Testing

struct InputClass: Sendable, CustomTestStringConvertible {
    let name: String
    let values: [Float]
    var testDescription: String { name }

    static let all: [InputClass] = {
        var draws = TestDraws(seed: 20)
        let denormals: [Float] = (0..<200).map { (index: Int) -> Float in
            let value = Float(bitPattern: UInt32(index * 37 + 1))
            return index % 2 == 0 ? value : -value
        }
        var list: [InputClass] = [
            InputClass(name: "empty", values: []),
            InputClass(name: "one element", values: [-3.25]),
            InputClass(name: "one zero", values: [0]),
            InputClass(name: "one NaN", values: [.nan]),
            InputClass(name: "zeros of both signs", values: [0, -0.0, 0, -0.0, 0]),
            InputClass(name: "normals", values: draws.normals(1000)),
            InputClass(name: "odd length", values: draws.normals(257)),
            InputClass(name: "constant", values: [Float](repeating: 0.1, count: 300)),
            InputClass(name: "denormals", values: denormals),
            InputClass(name: "largest", values: [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1, 0, .leastNonzeroMagnitude]),
        ]
        let wide: [Float] = (0..<500).map { (_: Int) -> Float in
            let magnitude = Float(exp(15 * draws.normal()))
            return draws.unit() < 0.5 ? magnitude : -magnitude
        }
        list.append(InputClass(name: "wide range", values: wide))
        var broken = draws.normals(700)
        broken[3] = .nan
        broken[300] = .infinity
        broken[699] = -.infinity
        list.append(InputClass(name: "with NaN and infinities", values: broken))
        return list
    }()
}

struct CodecCase: Sendable, CustomTestStringConvertible {
    let codec: any GradientCodec
    var testDescription: String { codec.name }
    init(_ codec: any GradientCodec) { self.codec = codec }

    static let all: [CodecCase] = {
        do {
            var list: [any GradientCodec] = [IdentityCodec(), Bfloat16Codec()]
            for format in NumberFormat.allCases {
                list.append(try BlockQuantizer(format))
                list.append(try BlockQuantizer(format, block: 64))
                list.append(try BlockQuantizer(format, block: 7))
            }
            for format in [NumberFormat.e4m3, .e5m2, .int8, .int4] {
                list.append(try BlockQuantizer(format, block: 32, rounding: .stochastic(seed: 5)))
            }
            for coding in IndexCoding.allCases {
                list.append(try SparseCodec(.top(.share(0.05)), indices: coding))
                list.append(try SparseCodec(.top(.share(0.3)), values: BlockQuantizer(.e4m3, block: 32), indices: coding))
            }
            list.append(try SparseCodec(.random(.share(0.1), seed: 9)))
            list.append(try SparseCodec(.random(.count(10), seed: 9), values: BlockQuantizer(.int8)))
            list.append(try SparseCodec(.threshold(0.5), values: BlockQuantizer(.nf4, block: 16), indices: .varint))
            list.append(try SparseCodec(.top(.count(0))))
            list.append(try SparseCodec(.top(.share(1))))
            list.append(try SparseCodec(.top(.share(0.5)), values: PowerSGD(rank: 2)))
            list.append(ErrorFeedback(try SparseCodec(.top(.share(0.2)), values: Bfloat16Codec(), indices: .varint)))
            list.append(ErrorFeedback(try SparseCodec(.top(.share(0.05)), values: BlockQuantizer(.e4m3), indices: .eliasFano)))
            list.append(ErrorFeedback(try BlockQuantizer(.sign, block: 128)))
            list.append(try PowerSGD(rank: 1))
            list.append(try PowerSGD(rank: 4, columns: 10))
            return list.map(CodecCase.init)
        } catch {
            return []  // `CodecContractTests.everyCodecIsThere` notices
        }
    }()
}

/// Cases of a fuzz run: `ORRERY_FUZZ_CASES=1000000` for the long one.
let fuzzCases = ProcessInfo.processInfo.environment["ORRERY_FUZZ_CASES"].flatMap(Int.init) ?? 50_000
