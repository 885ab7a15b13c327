import Kernels

/// What `calibrate cuda` times, in the order of what removes most error of predictions: FP8 products and their quantisation, bf16 products at
/// sustained clocks, attention, chains of memory-bound kernels, products beside a copy, grouped products, the optimizer, and the rest.
public enum CUDAShapes {
    /// A call with the rule that it needs.
    public struct Item: Sendable, Hashable {
        public var call: CUDACall
        public var rule: CUDARule
    }

    /// Every call once.
    public static func plan() -> [Item] {
        var seen: Set<CUDACall> = []
        let stages = [
            float8Products, quantisation, halfProducts, attention, memoryBound, beside, grouped, optimizer, otherProducts, transfers, tails,
        ]
        return stages.flatMap { $0() }.filter { seen.insert($0.call).inserted || $0.rule.least >= 1000 }
    }

    private static func item(
        _ kind: CUDACall.Kind, _ sizes: [Int], _ format: CUDACall.Format, _ change: (inout CUDACall, inout CUDARule) -> Void = { _, _ in }
    ) -> Item? {
        guard var call = try? CUDACall(kind, sizes, format: format) else { return nil }
        var rule = CUDARule()
        change(&call, &rule)
        return Item(call: call, rule: rule)
    }

    // MARK: Products

    /// Widths of linear layers of published models (hidden sizes, their thirds, quarters and eighths under tensor parallelism, MLP widths), and
    /// powers of two.
    static let widths = [
        256, 512, 768, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384, 20480, 28672,
    ]
    /// Tokens of a micro-batch.
    static let tokens = [512, 1024, 2048, 4096, 8192, 16384, 32768]

    /// m, n, k of products whose work lies between 0.5 GFLOP and 20 TFLOP, so spread over all combinations that `count` remain.
    static func products(_ count: Int) -> [[Int]] {
        var all: [[Int]] = []
        for m in tokens {
            for n in widths {
                for k in widths where (5e8...2e13).contains(2 * Double(m) * Double(n) * Double(k)) { all.append([m, n, k]) }
            }
        }
        // Steps of a golden section visit the combinations evenly and in no pattern.
        var chosen: [[Int]] = []
        var isTaken = [Bool](repeating: false, count: all.count)
        var place = 0.0
        while chosen.count < min(count, all.count) {
            place = (place + 0.618_033_988_749_895).truncatingRemainder(dividingBy: 1)
            var index = Int(place * Double(all.count))
            while isTaken[index] { index = (index + 1) % all.count }
            isTaken[index] = true
            chosen.append(all[index])
        }
        return chosen
    }

    /// The three passes of a linear layer of [m, n, k]: forward TN, input gradient NN of [m, k, n], weight gradient NT of [n, k, m].
    private static func passes(_ shapes: [[Int]], _ format: CUDACall.Format, result: CUDACall.Format) -> [Item] {
        shapes.enumerated().flatMap { index, s -> [Item?] in
            let (m, n, k) = (s[0], s[1], s[2])
            // The first of each hundred runs hot for a while, and every shape after it finds settled clocks.
            let sustain = index % 100 == 0 ? (index == 0 ? 30.0 : 3) : 0.05
            func product(_ sizes: [Int], _ layout: CUDACall.Layout, adds: Bool) -> Item? {
                item(.gemm, sizes + [1], format) { call, rule in
                    call.layout = layout
                    call.result = adds ? .fp32 : result
                    call.mode = adds ? 1 : format == .e4m3 && layout == .tn ? 2 : 0
                    rule.sustain = sustain
                }
            }
            guard format == .e4m3 else {
                return [product([m, n, k], .tn, adds: false), product([m, k, n], .nn, adds: false), product([n, k, m], .nt, adds: true)]
            }
            // FP8 kernels of Hopper read K-major operands only: the other passes run as TN on transposed copies.
            return [product([m, n, k], .tn, adds: false), product([m, k, n], .tn, adds: false), product([n, k, m], .tn, adds: true)]
        }.compactMap { $0 }
    }

    private static func float8Products() -> [Item] { passes(products(400), .e4m3, result: .bf16) }
    private static func halfProducts() -> [Item] { passes(products(400), .bf16, result: .bf16) }

    private static func otherProducts() -> [Item] {
        passes(products(334), .fp16, result: .fp16) + passes(products(120), .tf32, result: .fp32)
            + passes(products(60), .fp32, result: .fp32)
            // Heads as batches of products, also of sizes that no kernel likes.
            + [56, 64, 80, 96, 112, 120, 128, 256, 450].flatMap { dim in
                [512, 2048].flatMap { length in
                    [
                        item(.gemm, [length, length, dim, 32], .fp16),
                        item(.gemm, [length, dim, length, 32], .fp16) { call, _ in call.layout = .nn },
                    ]
                }
            }.compactMap { $0 }
    }

    private static func grouped() -> [Item] {
        var items: [Item?] = []
        for format in [CUDACall.Format.bf16, .e4m3] {
            for experts in [4, 8, 32] {
                for rows in [64, 128, 256, 512, 1024, 2048, 4096] {
                    for (n, k) in [(1408, 2048), (2048, 1408), (14336, 4096), (4096, 14336), (2048, 7168), (7168, 2048)] {
                        items.append(item(.gemm, [rows, n, k, experts], format) { call, _ in call.result = .bf16 })
                    }
                }
            }
        }
        return items.compactMap { $0 }
    }

    private static func beside() -> [Item] {
        [4, 8, 16, 32].flatMap { blocks in
            [[2048, 2048, 8192], [4096, 4096, 4096], [8192, 4096, 4096], [8192, 8192, 8192], [8192, 28672, 8192], [4096, 1024, 8192]]
                .compactMap { shape in
                    item(.gemm, shape + [1], .bf16) { call, _ in call.beside = blocks }
                }
        }
    }

    // MARK: The rest of a layer

    private static func quantisation() -> [Item] {
        var items: [Item?] = []
        for mode in 0...4 {
            for rows in [1024, 4096, 8192, 16384] {
                for width in [1024, 2048, 4096, 8192, 14336, 28672] {
                    items.append(
                        item(.quantise, [rows, width], .bf16) { call, _ in
                            (call.mode, call.result) = (mode, .e4m3)
                        })
                }
            }
        }
        for rows in [1024, 8192] {
            for width in [2048, 8192] {
                for mode in 0...2 {
                    items.append(
                        item(.quantise, [rows, width], .bf16) { call, _ in
                            (call.mode, call.result) = (mode, .int8)
                        })
                }
            }
        }
        return items.compactMap { $0 }
    }

    private static func attention() -> [Item] {
        var items: [Item?] = []
        for mode in [1, 0] {
            for dim in [64, 128] {
                for length in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
                    for (heads, kv) in [(8, 8), (32, 32), (32, 8), (64, 8)] {
                        for batch in [1, 4] where batch * heads * length <= 1 << 21 {
                            for causal in [1, 0] where causal == 1 || length <= 8192 {
                                // The plain kernel without tensor cores would take minutes for the largest.
                                let work = 4 * Double(batch * heads * dim) * Double(length) * Double(length)
                                guard mode == 1 || work < 2e12 else { continue }
                                for kind in [CUDACall.Kind.attention, .attentionBackward] {
                                    items.append(
                                        item(kind, [batch, heads, kv, length, length, dim, causal], .bf16) { call, _ in call.mode = mode })
                                }
                            }
                        }
                    }
                }
            }
        }
        return items.compactMap { $0 }
    }

    private static func memoryBound() -> [Item] {
        var items: [Item?] = []
        for kind in [CUDACall.Kind.layerNorm, .layerNormBackward, .rmsNorm, .rmsNormBackward, .softmax] {
            for rows in [512, 2048, 8192, 32768] {
                for width in [768, 1024, 2048, 4096, 8192, 16384] { items.append(item(kind, [rows, width], .bf16)) }
            }
        }
        for mode in 0...6 {
            for power in stride(from: 14, through: 28, by: 2) {
                items.append(item(.elementwise, [1 << power], .bf16) { call, _ in call.mode = mode })
            }
        }
        for power in stride(from: 12, through: 26, by: 2) {
            items.append(item(.gather, [1 << (power - 10), 1024, 65536], .bf16))
            items.append(item(.scatterAdd, [1 << (power - 10), 1024, 65536], .bf16))
        }
        return items.compactMap { $0 }
    }

    private static func optimizer() -> [Item] {
        var items: [Item?] = []
        for power in stride(from: 14, through: 30, by: 2) {
            items.append(item(.adamW, [1 << power], .bf16))
            items.append(item(.sumSquares, [1 << power], .fp32))
            items.append(item(.topK, [1 << power, max(1, (1 << power) / 100)], .fp32))
        }
        for rows in [512, 2048, 8192] {
            for classes in [32000, 50304, 128_256, 256_000] {
                for format in [CUDACall.Format.fp32, .bf16] { items.append(item(.crossEntropy, [rows, classes], format)) }
            }
        }
        return items.compactMap { $0 }
    }

    private static func transfers() -> [Item] {
        var items: [Item?] = []
        for mode in 0...4 {
            for power in stride(from: 10, through: 30, by: 2) {
                items.append(item(.copy, [1 << power], .fp32) { call, _ in call.mode = mode })
            }
        }
        for mode in 0...1 {
            for kernels in [1, 3, 10, 30, 100, 300, 1000] {
                items.append(item(.launch, [kernels], .fp32) { call, _ in call.mode = mode })
            }
        }
        return items.compactMap { $0 }
    }

    /// A thousand repeats of ten kernels, for the tails of their distributions.
    private static func tails() -> [Item] {
        func long(_ call: inout CUDACall, _ rule: inout CUDARule) { (rule.least, rule.most, rule.seconds) = (1000, 1000, 20) }
        return [
            item(.gemm, [4096, 4096, 4096, 1], .bf16, long), item(.gemm, [8192, 8192, 8192, 1], .bf16, long),
            item(.gemm, [512, 1024, 1024, 1], .bf16, long),
            item(.attention, [1, 32, 8, 4096, 4096, 128, 1], .bf16) {
                $0.mode = 1; long(&$0, &$1)
            },
            item(.rmsNorm, [8192, 4096], .bf16, long), item(.elementwise, [1 << 26], .bf16, long), item(.adamW, [1 << 26], .bf16, long),
            item(.crossEntropy, [2048, 128_256], .bf16, long), item(.copy, [1 << 28], .fp32, long), item(.launch, [100], .fp32, long),
        ].compactMap { $0 }
    }
}
