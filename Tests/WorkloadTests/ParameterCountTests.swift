import Testing

@testable import Workload

@Suite struct ParameterCountTests {
    /// Llama 2 7B by hand: 2 x 32000 x 4096 + 32 (4 x 4096^2 + 3 x 4096 x 11008 + 2 x 4096) + 4096 = 6,738,415,616.
    @Test func llama() {
        let count = Shapes.llama7b.parameters
        #expect(count.total == 6_738_415_616)
        #expect(count.active == count.total)
        #expect(count.embedding == 131_072_000 && count.head == 131_072_000 && count.finalNorm == 4096)
        #expect(count.perDenseLayer.attention == 67_108_864 && count.perDenseLayer.mlp == 135_266_304 && count.perDenseLayer.norms == 8192)
        #expect(count.multiplying == 32 * (67_108_864 + 135_266_304) + 131_072_000)
    }

    /// GPT by arXiv:2104.04473 eq. 2: P = 12 L h^2 (1 + 13/(12h) + (V + s)/(12 L h)), plus the final norm's 2h that it leaves out.
    @Test(arguments: [(24, 2304, 24), (96, 12288, 96), (128, 25600, 160)])
    func gptFormula(layers: Int, hidden: Int, heads: Int) {
        let gpt = Shapes.gpt(layers: layers, hidden: hidden, heads: heads)
        let formula = 12 * layers * hidden * hidden + 13 * layers * hidden + (51200 + 2048) * hidden
        #expect(gpt.parameters.total == formula + 2 * hidden)
    }

    /// Llama 7B whose layers share by pairs has 16 copies; its weights still multiply 32 times.
    @Test func sharing() {
        var model = Shapes.llama7b
        let plain = model.parameters
        model.sharedBlocks = 2
        #expect(model.parameters.total == plain.total - 16 * plain.perDenseLayer.total)
        #expect(model.parameters.multiplying == plain.multiplying)
        model.sharedBlocks = 1
        model.sharedAttention = 4
        #expect(model.parameters.total == plain.total - 24 * plain.perDenseLayer.attention)
    }

    /// ALiBi has no table, learned positions have one.
    @Test func positions() {
        var model = Shapes.gpt(layers: 2, hidden: 64, heads: 4)
        #expect(model.parameters.positions == 2048 * 64)
        let learned = model.parameters.total
        model.positions = .alibi
        #expect(model.parameters.positions == 0 && model.parameters.total == learned - 2048 * 64)
    }

    /// A tiny MLA model, matrix by matrix: h 8, 2 heads, q rank 4, kv rank 3, rope 2, nope 5, value 6.
    /// q down 32, norm 4, q up 4 x 14 = 56, kv down 8 x 5 = 40, norm 3, kv up 3 x 22 = 66, out 12 x 8 = 96: 297, 290 of them linear.
    @Test func latentAttention() {
        var model = Architecture(name: "mla")
        model.layers = 1
        model.hidden = 8
        model.heads = 2
        model.kvHeads = 2
        model.ffn = 16
        model.vocab = 10
        model.biases = false
        model.norm = .rms
        model.attention = .mla(queryRank: 4, kvRank: 3, ropeDim: 2, nopeDim: 5, valueDim: 6)
        #expect(model.parameters.perDenseLayer.attention == 297)
        #expect(model.parameters.multiplying == 290 + 2 * 8 * 16 + 80)
        // Without query compression: 8 x 14 = 112 instead of 32 + 4 + 56.
        model.attention = .mla(queryRank: nil, kvRank: 3, ropeDim: 2, nopeDim: 5, valueDim: 6)
        #expect(model.parameters.perDenseLayer.attention == 317)
    }

    /// One expert layer: h 8, 4 experts of 3 x 8 x 5 = 120, 2 active, one shared, router 32. A prediction module repeats the layer and adds 2 x 64 and 3 norms.
    @Test func experts() {
        var model = Shapes.llama7b
        model.layers = 3
        model.hidden = 8
        model.heads = 2
        model.kvHeads = 1
        model.headDim = 4
        model.ffn = 7
        model.vocab = 10
        model.moe = Architecture.MoE(experts: 4, active: 2, shared: 1, ffn: 5, denseLayers: 1)
        model.mtpLayers = 1
        let count = model.parameters
        #expect(count.perMoELayer.router == 32 && count.perMoELayer.experts == 480 && count.perMoELayer.sharedExperts == 120)
        let attention = 8 * 16 + 64
        #expect(count.total == 160 + 8 + 3 * (attention + 16) + 3 * 8 * 7 + 2 * (32 + 480 + 120))
        #expect(count.total - count.active == 2 * 2 * 120)
        #expect(count.mtp == attention + 16 + 632 + 128 + 24)
        #expect(count.trained == count.total + count.mtp)
        #expect(count.multiplying - count.activeMultiplying == 3 * 2 * 120)
    }

    @Test func absurdShapesDoNotTrap() {
        var model = Shapes.llama7b
        model.layers = .max
        model.hidden = .max
        model.ffn = .max
        #expect(model.parameters.total == .max)
        #expect(throws: WorkloadError.self) { try model.validate() }
        #expect(model.problems.contains { $0.keyPath == "model.hidden" })
    }
}

/// Shapes that several tests use.
enum Shapes {
    static var llama7b: Architecture {
        var model = Architecture(name: "llama2-7b")
        model.layers = 32
        model.hidden = 4096
        model.heads = 32
        model.kvHeads = 32
        model.headDim = 128
        model.ffn = 11008
        model.activation = .swiglu
        model.norm = .rms
        model.positions = .rotary
        model.vocab = 32000
        model.tiedEmbeddings = false
        model.biases = false
        return model
    }

    static func gpt(layers: Int, hidden: Int, heads: Int) -> Architecture {
        var model = Architecture(name: "gpt")
        model.layers = layers
        model.hidden = hidden
        model.heads = heads
        model.kvHeads = heads
        model.headDim = hidden / heads
        model.ffn = 4 * hidden
        model.positions = .learned(length: 2048)
        model.vocab = 51200
        return model
    }

    static func sharding(_ change: (inout Sharding) -> Void) -> Sharding {
        var sharding = Sharding()
        sharding.sequence = 2048
        change(&sharding)
        return sharding
    }
}
