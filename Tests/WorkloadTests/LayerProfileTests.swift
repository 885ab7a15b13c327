import Testing

@testable import Workload

@Suite struct LayerProfileTests {
    /// GPT-3 175B, micro-batch 1, tensor 8: qkv (2048, 4608, 12288), projection (2048, 12288, 1536), in (2048, 6144, 12288), out (2048, 12288, 6144).
    @Test func gemmShapes() {
        let gpt = Shapes.gpt(layers: 96, hidden: 12288, heads: 96)
        let layer = gpt.layer(kind: .dense, sharding: Shapes.sharding { $0.tensor = 8 })
        #expect(
            gemms(layer, .forward) == [
                GEMM(m: 2048, n: 4608, k: 12288), GEMM(m: 2048, n: 12288, k: 1536), GEMM(m: 2048, n: 6144, k: 12288),
                GEMM(m: 2048, n: 12288, k: 6144),
            ])
        // Backward from the last product to the first: (m, k, n) and (n, k, m).
        #expect(gemms(layer, .inputGradient).first == GEMM(m: 2048, n: 6144, k: 12288))
        #expect(gemms(layer, .weightGradient).first == GEMM(m: 12288, n: 6144, k: 2048))
        #expect(gemms(layer, .weightGradient).last == GEMM(m: 4608, n: 12288, k: 2048))
    }

    /// Over all ranks, the products of a layer and the head do 2 x multiplying weights x tokens forward and as much for each gradient.
    @Test(arguments: [1, 2, 8])
    func flopsAreThoseOfTheWeights(tensor: Int) {
        var model = Shapes.llama7b
        model.kvHeads = 8
        let sharding = Shapes.sharding {
            $0.microBatch = 2
            $0.tensor = tensor
        }
        let layer = model.layer(at: 3, sharding: sharding)
        let head = model.head(sharding: sharding)
        let expected = 2 * Double(model.parameters.multiplying) * 4096
        for pass in Pass.allCases {
            let sum = gemms(layer, pass).reduce(0) { $0 + $1.flops } * 32 + gemms(head, pass).reduce(0) { $0 + $1.flops }
            #expect(abs(sum * Double(tensor) / expected - 1) < 1e-12)
        }
    }

    /// Dense layer without tensor parallelism: 22 h + (4 or 6) f + 6 (a + 2 kv) d bytes a token forward within 6%, backward 1.7 times within 6%.
    @Test func memoryTraffic() {
        let gpt = Shapes.gpt(layers: 96, hidden: 12288, heads: 96)
        var llama = Shapes.llama7b
        llama.kvHeads = 8
        for model in [gpt, llama] {
            let layer = model.layer(kind: .dense, sharding: Shapes.sharding { _ in })
            let activation = (model.activation.isGated ? 6 : 4) * model.ffn
            let perToken = 22 * model.hidden + activation + 6 * (model.heads + 2 * model.kvHeads) * model.headDim
            let forward = layer.memoryBytes(in: .forward)
            let backward = layer.memoryBytes(in: .inputGradient) + layer.memoryBytes(in: .weightGradient)
            #expect(abs(forward / (2048 * Double(perToken)) - 1) < 0.06)
            #expect(abs(backward / forward / 1.7 - 1) < 0.06)
        }
    }

    /// Elementwise launches of an eager framework: about 10 forward and 16 backward; flash attention 2 and 4.
    @Test func kernelCounts() {
        let gpt = Shapes.gpt(layers: 96, hidden: 12288, heads: 96)
        let ops = gpt.layer(kind: .dense, sharding: Shapes.sharding { _ in }).ops
        let elementwise = ops.filter { $0.part == .elementwise }
        #expect(elementwise.filter { $0.pass == .forward }.reduce(0) { $0 + $1.kernels } == 10)
        #expect(elementwise.filter { $0.pass != .forward }.reduce(0) { $0 + $1.kernels } == 16)
        #expect(ops.filter { $0.part == .attention }.map(\.kernels) == [2, 4])
    }

    /// Without sequence parallelism 2 all-reduces of 2 b s h bytes each way; with it 2 pairs each way and 2 more gathers, for the weight gradients.
    @Test func tensorCommunication() {
        let gpt = Shapes.gpt(layers: 96, hidden: 12288, heads: 96)
        let hidden = 2.0 * 2048 * 12288
        let plain = gpt.layer(kind: .dense, sharding: Shapes.sharding { $0.tensor = 8 })
        #expect(collectives(plain, .forward) == [.allReduce, .allReduce])
        #expect(collectives(plain, .inputGradient) == [.allReduce, .allReduce])
        let sequenceParallel = gpt.layer(
            kind: .dense,
            sharding: Shapes.sharding {
                $0.tensor = 8
                $0.sequenceParallel = true
            })
        #expect(collectives(sequenceParallel, .forward) == [.allGather, .reduceScatter, .allGather, .reduceScatter])
        #expect(collectives(sequenceParallel, .inputGradient) == [.allGather, .reduceScatter, .allGather, .reduceScatter])
        #expect(collectives(sequenceParallel, .weightGradient) == [.allGather, .allGather])
        #expect(sequenceParallel.ops.filter { $0.name == "weight-gradient all-gather" }.count == 2)
        for op in plain.ops + sequenceParallel.ops { if case .communication(let c) = op.work { #expect(c.bytes == hidden) } }
        // One rank alone says nothing.
        #expect(
            gpt.layer(kind: .dense, sharding: Shapes.sharding { $0.sequenceParallel = true }).ops.allSatisfy { communication($0) == nil })
    }

    /// A row-parallel layer's gradient is gathered before its products, a column-parallel one's reduced between them.
    @Test func backwardOrder() {
        let gpt = Shapes.gpt(layers: 2, hidden: 512, heads: 8)
        let ops = gpt.layer(
            kind: .dense,
            sharding: Shapes.sharding {
                $0.tensor = 2; $0.sequenceParallel = true
            }
        ).ops
        let backward = ops.filter { $0.pass != .forward && ($0.part == .mlp) }.map { "\($0.name) \($0.pass == .inputGradient ? "B" : "W")" }
        #expect(
            backward == [
                "tensor all-gather B", "mlp out B", "mlp out W", "weight-gradient all-gather W", "mlp in B", "tensor reduce-scatter B",
                "mlp in W",
            ])
    }

    /// Sequence 8192 over 4 context ranks, 8 key-value heads of 128 over tensor 2: 2 tensors x 2048 x 4 x 128 x 2 bytes x 3 peers forward, twice that back.
    @Test func contextRing() throws {
        var model = Shapes.llama7b
        model.kvHeads = 8
        let layer = model.layer(
            kind: .dense,
            sharding: Shapes.sharding {
                $0.sequence = 8192
                $0.context = 4
                $0.tensor = 2
            })
        let ring = layer.ops.filter { $0.name == "context ring" }
        let bytes = ring.compactMap { communication($0)?.bytes }
        #expect(bytes == [12_582_912, 25_165_824])
        let core = try #require(
            layer.ops.compactMap { op -> AttentionCore? in if case .attention(let c) = op.work { c } else { nil } }.first)
        #expect(core.queries == 2048 && core.keys == 8192 && core.heads == 16 && core.kvHeads == 4 && core.visible == 0.5)
    }

    /// Mixtral 8x7B over 4 expert ranks, 4096 tokens: 4 x 4096 x 2 / 8 = 4096 rows in each of 2 local experts.
    @Test func experts() {
        var model = Shapes.llama7b
        model.kvHeads = 8
        model.moe = Architecture.MoE(experts: 8, active: 2, ffn: 14336)
        let sharding = Shapes.sharding {
            $0.microBatch = 2
            $0.expert = 4
        }
        let layer = model.layer(at: 0, sharding: sharding)
        let grouped = gemms(layer, .forward).filter(\.grouped)
        #expect(
            grouped == [
                GEMM(m: 4096, n: 28672, k: 4096, count: 2, grouped: true), GEMM(m: 4096, n: 4096, k: 14336, count: 2, grouped: true),
            ])
        let exchanges = layer.ops.compactMap(communication)
        #expect(exchanges.map(\.kind) == [.allToAll, .allToAll, .allToAll, .allToAll])
        let routed = 4096.0 * 2 * 4096 * 2
        #expect(exchanges.allSatisfy { $0.bytes == routed && $0.group == .expert })
        // All ranks together do the work of the active weights: per rank 2 x tokens x active experts.
        let expertFLOPs = grouped.reduce(0) { $0 + $1.flops }
        let expertWork = 2.0 * 4096 * 2 * 3 * 4096 * 14336
        #expect(expertFLOPs == expertWork)
        // Permutation and activation: 8 h + 6 f bytes a routed token.
        let traffic = layer.ops.filter { $0.pass == .forward && ["permute", "unpermute", "activation"].contains($0.name) }
        let bytes = traffic.reduce(0.0) { sum, op in if case .memory(let m) = op.work { sum + m.bytes } else { sum } }
        let expected = 8192.0 * (8 * 4096 + 6 * 14336)
        #expect(bytes == expected)
        // A capacity factor and an imbalance both scale the rows.
        model.moe?.imbalance = 1.5
        #expect(gemms(model.layer(at: 0, sharding: sharding), .forward).filter(\.grouped).allSatisfy { $0.m == 6144 })
    }

    /// Expert work of a rank does not depend on how the tensor group is used: tokens x active x expert weights / tensor.
    @Test(arguments: [1, 2, 4])
    func expertTensor(width: Int) {
        var model = Shapes.llama7b
        model.moe = Architecture.MoE(experts: 8, active: 2, ffn: 14336)
        let layer = model.layer(
            kind: .moe,
            sharding: Shapes.sharding {
                $0.tensor = 4
                $0.sequenceParallel = true
                $0.expert = 2
                $0.expertTensor = width
            })
        let flops = gemms(layer, .forward).filter(\.grouped).reduce(0) { $0 + $1.flops }
        let expected = 2.0 * 2048 * 2 * 3 * 4096 * 14336 / 4
        #expect(flops == expected)
    }

    /// Top-256 of 1,024 keys, 8 key-value heads: scores of 1,024 x 512 (the causal half) per head, then attention over 256 keys of which
    /// 1 - 256/2048 = 7/8 are visible.
    @Test func topKAttention() throws {
        var model = Shapes.llama7b
        model.kvHeads = 8
        model.attention = .sparse(topK: 256)
        let layer = model.layer(kind: .dense, sharding: Shapes.sharding { $0.sequence = 1024 })
        #expect(gemms(layer, .forward).contains(GEMM(m: 1024, n: 512, k: 128, count: 8, grouped: true, lowPrecision: false)))
        let core = try #require(
            layer.ops.compactMap { op -> AttentionCore? in if case .attention(let c) = op.work { c } else { nil } }.first)
        #expect(core.keys == 256 && core.visible == 0.875)
        // An indexer's own heads; a sort of 2,048 hashes of 8 heads, 11 passes of 16 bytes; a fixed pattern.
        func chosen(_ scoring: Architecture.KeyScoring) -> [Op] {
            model.attention = .sparse(topK: 256, scoring: scoring)
            return model.layer(kind: .dense, sharding: Shapes.sharding { $0.sequence = 1024 }).ops.filter { $0.name.hasPrefix("key ") }
        }
        let scores = Op.Work.gemm(GEMM(m: 1024, n: 512, k: 32, count: 4, grouped: true, lowPrecision: false))
        let selection = Op.Work.memory(MemoryPass(bytes: 4_194_304, rowLength: 512))
        let sort = Op.Work.memory(MemoryPass(bytes: 2_883_584, rowLength: 512))
        #expect(chosen(.indexer(heads: 4, width: 32)).map(\.work) == [scores, selection])
        #expect(chosen(.sorted).map(\.work) == [sort])
        #expect(chosen(.none).isEmpty)
        // As many keys as tokens: full attention.
        model.attention = .sparse(topK: 1024)
        let full = model.layer(kind: .dense, sharding: Shapes.sharding { $0.sequence = 1024 })
        let all = try #require(full.ops.compactMap { op -> AttentionCore? in if case .attention(let c) = op.work { c } else { nil } }.first)
        #expect(all.keys == 1024 && all.visible == 0.5)
    }

    /// Windowed layers alternate: GPT-OSS and Gemma 2 begin with a windowed one.
    @Test func windows() {
        var model = Shapes.llama7b
        model.attention = .sliding(window: 128, period: 2)
        #expect((0..<4).map(model.isWindowed) == [true, false, true, false])
        model.attention = .sliding(window: 128, period: 1)
        #expect((0..<3).allSatisfy(model.isWindowed))
    }

    /// MLA under a tensor group of 4, DeepSeek-V3's widths: down 1536 + 576, up 32 heads x 192 and x 256, attention 192 and 128 wide.
    @Test func latentAttention() {
        var model = Shapes.llama7b
        model.hidden = 7168
        model.heads = 128
        model.attention = .mla(queryRank: 1536, kvRank: 512, ropeDim: 64, nopeDim: 128, valueDim: 128)
        let layer = model.layer(kind: .dense, sharding: Shapes.sharding { $0.tensor = 4 })
        #expect(
            gemms(layer, .forward).prefix(4) == [
                GEMM(m: 2048, n: 2112, k: 7168), GEMM(m: 2048, n: 6144, k: 1536), GEMM(m: 2048, n: 8192, k: 512),
                GEMM(m: 2048, n: 7168, k: 4096),
            ])
        let core = layer.ops.compactMap { op -> AttentionCore? in if case .attention(let c) = op.work { c } else { nil } }
        #expect(core.allSatisfy { $0.headDim == 192 && $0.valueDim == 128 && $0.heads == 32 && $0.kvHeads == 32 })
    }

    /// Cross-entropy in fp32: 14 and 8 bytes a logit, vocabulary divided by the tensor group.
    @Test func head() {
        let head = Shapes.llama7b.head(sharding: Shapes.sharding { $0.tensor = 2 })
        #expect(gemms(head, .forward) == [GEMM(m: 2048, n: 16000, k: 4096, lowPrecision: false)])
        let loss = head.ops.filter { $0.name == "cross-entropy" }.compactMap { op -> Double? in
            if case .memory(let m) = op.work { m.bytes } else { nil }
        }
        let logits = 2048.0 * 16000
        #expect(loss == [14 * logits, 8 * logits])
        #expect(collectives(head, .forward) == [.allReduce, .allReduce, .allReduce])
    }

    @Test func absurdShardingDoesNotTrap() {
        var model = Shapes.llama7b
        model.moe = Architecture.MoE(experts: 8, active: 2, ffn: 14336, imbalance: .nan)
        let sharding = Shapes.sharding {
            $0.sequence = .max
            $0.microBatch = .max
            $0.context = 0
            $0.tensor = 0
            $0.expert = 0
            $0.expertTensor = -3
        }
        #expect(!model.layer(kind: .moe, sharding: sharding).ops.isEmpty)
        #expect(!model.head(sharding: sharding).ops.isEmpty)
    }
}

func gemms(_ profile: LayerProfile, _ pass: Pass) -> [GEMM] {
    profile.ops.compactMap { op in if op.pass == pass, case .gemm(let gemm) = op.work { gemm } else { nil } }
}

func communication(_ op: Op) -> Communication? { if case .communication(let c) = op.work { c } else { nil } }

func collectives(_ profile: LayerProfile, _ pass: Pass) -> [CollectiveKind] {
    profile.ops.filter { $0.pass == pass }.compactMap { communication($0)?.kind }
}
