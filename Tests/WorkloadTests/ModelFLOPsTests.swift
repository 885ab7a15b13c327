import Testing

@testable import Workload

@Suite struct ModelFLOPsTests {
    /// 72 B s L h^2 (1 + s/6h + V/12Lh): arXiv:2104.04473 eq. 3 without its recomputed forward pass (96 -> 72, 16 -> 12 under V).
    /// With 12 h^2 multiplying weights a layer and V h in the head: 6 (12 L h^2 + V h) B s + 12 L h s B s is the same sum.
    @Test func gpt3() {
        let gpt = Shapes.gpt(layers: 96, hidden: 12288, heads: 96)
        let (b, s, l, h, v) = (1536.0, 2048.0, 96.0, 12288.0, 51200.0)
        let formula = 72 * b * s * l * h * h * (1 + s / (6 * h) + v / (12 * l * h))
        let flops = gpt.modelFLOPs(sequence: 2048, globalBatch: 1536)
        #expect(abs(flops / formula - 1) < 1e-12)
        // The causal count lacks half of the attention term: 6 L h s per token.
        let causal = gpt.modelFLOPsCausal(sequence: 2048, globalBatch: 1536)
        #expect(abs((flops - causal) / (6 * l * h * s * b * s) - 1) < 1e-9)
    }

    /// A window as long as the sequence is full attention; one of w tokens leaves w s - w^2/2 pairs.
    @Test func windows() {
        var model = Shapes.llama7b
        let full = model.modelFLOPs(sequence: 4096, globalBatch: 1)
        model.attention = .sliding(window: 4096, period: 1)
        #expect(model.modelFLOPs(sequence: 4096, globalBatch: 1) == full)
        model.attention = .sliding(window: 1024, period: 2)
        // 16 of 32 layers see 1/4 - 1/32 of the square: 2 x 7/32 of the full count.
        let attention = 12.0 * 4096 * 4096 * 4096
        let expected = full - 16 * attention * (1 - 2 * 7.0 / 32)
        #expect(abs(model.modelFLOPs(sequence: 4096, globalBatch: 1) / expected - 1) < 1e-12)
    }

    /// A brute-force mask: the share of pairs (i, j) with j <= i and i - j < w, or among the first k.
    @Test(arguments: [1, 7, 64, 256])
    func visibleShare(width: Int) {
        let s = 256
        var pairs = 0
        for i in 0..<s { for j in 0..<s where j <= i && i - j < width { pairs += 1 } }
        var model = Shapes.llama7b
        model.attention = .sliding(window: width, period: 1)
        let share = model.visibleShare(windowed: true, sequence: s)
        // The formula counts the diagonal half.
        #expect(abs(share * Double(s * s) - Double(pairs)) <= Double(width) / 2 + 0.5)
        model.attention = .sparse(topK: width)
        #expect(abs(model.visibleShare(windowed: false, sequence: s) * Double(s * s) - Double(pairs)) <= Double(width) / 2 + 0.5)
    }

    /// MoE counts the active experts only: a model with twice the experts needs as much but for its router.
    @Test func activeExperts() {
        var model = Shapes.llama7b
        model.moe = Architecture.MoE(experts: 8, active: 2, ffn: 14336)
        let small = model.modelFLOPs(sequence: 1024, globalBatch: 4)
        model.moe = Architecture.MoE(experts: 16, active: 2, ffn: 14336)
        let large = model.modelFLOPs(sequence: 1024, globalBatch: 4)
        #expect(abs(large - small - 6 * 32 * 4096 * 8 * 4096.0) < 1e-6 * small)
    }

    /// Model FLOPs are thrice what the forward ops of all layers, prediction modules and the head compute, with attention over twice the visible
    /// pairs. 15,360 tokens give every expert of every preset a whole number of rows. The pooler sees one token a sequence and does not count.
    @Test func opsDoTheModelsFLOPs() throws {
        let sharding = Shapes.sharding { $0.sequence = 15360 }
        for name in Architecture.presetNames {
            let model = try Architecture.preset(name)
            guard model.kind == .transformer else { continue }
            var profiles = (0..<model.layers).map { model.layer(at: $0, sharding: sharding) } + [model.head(sharding: sharding)]
            for _ in 0..<model.mtpLayers { profiles.append(model.multiTokenPrediction(sharding: sharding)) }
            var forward = 0.0
            for op in profiles.flatMap(\.ops) where op.pass == .forward && op.name != "pooler" {
                switch op.work {
                case .gemm(let gemm): forward += gemm.flops
                case .attention(let core): forward += core.fullFLOPs * min(1, 2 * core.visible)
                default: break
                }
            }
            #expect(abs(3 * forward / model.modelFLOPs(sequence: 15360, globalBatch: 1) - 1) < 1e-12, "\(name)")
        }
    }
}
