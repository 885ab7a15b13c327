import Calibration
import Cluster
import Quantities
import TestSupport
import Testing
import Workload

@testable import Plan

/// Counts, deals and volumes behind the layouts, against closed forms and brute force.
@Suite struct LayoutMethodTests {
    /// The schedule itself and the closed forms used before it is built say the same.
    @Test(arguments: [ScheduleKind.gpipe, .oneForwardOneBackward, .interleaved, .zbH1])
    func countsComeFromTheSchedule(kind: ScheduleKind) throws {
        for (ranks, chunks) in [(1, 1), (2, 2), (4, 2), (4, 3), (8, 4)] {
            for rounds in [1, 2, 5] {
                var job = try MemoryStateTests.job(layers: 96, gpus: ranks)
                job.layout.pipeline = ranks
                job.layout.schedule = kind
                job.layout.virtual = kind == .interleaved ? chunks : 1
                job.training.globalBatch = ranks * rounds
                let shape = PipelineShape(job: job)
                let schedule = try PipelineSchedule.make(
                    shape.kind, ranks: ranks, microBatches: shape.microBatches, chunks: shape.chunks)
                let closed = StagePlacement.inFlight(shape)
                for rank in 0..<ranks {
                    let held = schedule.held(rank: rank, weights: Array(repeating: 1, count: shape.chunks))
                    // Chunks of a rank weigh the same here, so only their sum is determined.
                    let (a, b) = (held.reduce(0, +), closed[rank].reduce(0, +))
                    // W of ZB-H1 may have caught up where there are few micro-batches.
                    let slack = kind == .zbH1 ? 0.5 * Double(rank) : 0
                    #expect(a <= b + 1e-9 && a >= b - slack - 1e-9, "\(kind) p \(ranks) m \(shape.microBatches) rank \(rank): \(a), \(b)")
                }
            }
        }
    }

    /// arXiv:2412.19437 table 2: DualPipe holds p + 1 micro-batches and the parameters twice; ZB-V holds p of two half-stages each.
    @Test func countsOfFoldedSchedules() throws {
        var job = try MemoryStateTests.job(layers: 32, gpus: 8)
        job.layout.pipeline = 8
        job.training.globalBatch = 64
        job.layout.schedule = .dualpipe
        let both = StagePlacement(job: job)
        #expect(both.virtualStage[2] == [2, 5])
        for rank in 0..<8 { #expect(both.inFlight[rank].reduce(0, +) <= 9 + 1e-9, "rank \(rank): \(both.inFlight[rank])") }
        #expect(both.layers == Array(repeating: [4, 4], count: 8))
        job.layout.schedule = .zbV
        let folded = StagePlacement(job: job)
        #expect(folded.layers == Array(repeating: [2, 2], count: 8))
        for rank in 0..<8 { #expect(folded.inFlight[rank].reduce(0, +) <= 16 + 1e-9, "rank \(rank): \(folded.inFlight[rank])") }
        // V-Half and V-Min hold less, in this order.
        func most(_ kind: ScheduleKind) -> Double {
            var own = job
            own.layout.schedule = kind
            return StagePlacement(job: own).inFlight.map { $0.reduce(0, +) }.max() ?? 0
        }
        #expect(most(.vMin) < most(.vHalf) && most(.vHalf) < most(.zbV))
    }

    /// Every way of dealing up to 24 micro-batches over two or three pools, tried out.
    @Test func batchSharesAreTheBest() {
        let seed: UInt64 = 11
        print("seed of the pools: \(seed)")
        var random = TestDraws(seed: seed)
        for _ in 0..<200 {
            let pools = 2 + random.below(2)
            let replicas = (0..<pools).map { _ in 1 + random.below(3) }
            let seconds = (0..<pools).map { _ in Double(1 + random.below(9)) }
            let total = 1 + random.below(24)
            var best = Double.infinity
            func go(_ pool: Int, _ left: Int, _ most: Double) {
                if pool == pools {
                    if left == 0 { best = min(best, most) }
                } else {
                    for count in 1...max(1, total) where count * replicas[pool] <= left {
                        go(pool + 1, left - count * replicas[pool], max(most, Double(count) * seconds[pool]))
                    }
                }
            }
            go(0, total, 0)
            let found = BatchShares.best(replicas: replicas, seconds: seconds, total: total)
            let value = found.map { shares in shares.indices.map { Double(shares[$0]) * seconds[$0] }.max() ?? 0 } ?? .infinity
            #expect(value == best, "\(replicas), \(seconds), \(total): \(found ?? []) takes \(value), best \(best)")
            if let found { #expect(zip(found, replicas).reduce(0) { $0 + $1.0 * $1.1 } == total) }
        }
        #expect(BatchShares.best(replicas: [2, 4], seconds: [1, 1], total: 7) == nil)
    }

    /// Stages of different speed: every cut of up to 9 layers over up to 4 stages, tried out.
    @Test func dealsOverPoolsAreTheBest() throws {
        let seed: UInt64 = 12
        print("seed of the stages: \(seed)")
        var random = TestDraws(seed: seed)
        for _ in 0..<200 {
            let count = 1 + random.below(4)
            let layers = count + random.below(6)
            let stages = (0..<count).map { _ in
                StageBalance.StageTimes(
                    layers: (0..<layers).map { _ in Double(1 + random.below(5)) }, extra: Double(random.below(3)))
            }
            var best = Double.infinity
            func go(_ stage: Int, _ start: Int, _ most: Double) {
                if stage == count {
                    if start == layers { best = min(best, most) }
                } else if start < layers {
                    for end in (start + 1)...layers {
                        go(stage + 1, end, max(most, stages[stage].layers[start..<end].reduce(0, +) + stages[stage].extra))
                    }
                }
            }
            go(0, 0, 0)
            let dealt = try StageBalance.balanced(stages: stages)
            #expect(dealt.reduce(0, +) == layers)
            var start = 0
            var most = 0.0
            for (stage, size) in dealt.enumerated() {
                most = max(most, stages[stage].layers[start..<(start + size)].reduce(0, +) + stages[stage].extra)
                start += size
            }
            #expect(most == best, "\(dealt)")
        }
    }

    /// SUMMA on a grid of q x q (arXiv:2104.05343): each product moves m k / (q d) along rows and k n / q along columns, and FLOPs a GPU are
    /// 1 / t of the whole.
    @Test(arguments: [(2, 1), (4, 1), (2, 2), (2, 4)])
    func volumesOfGrids(edge: Int, depth: Int) throws {
        let model = try Architecture.preset("llama2-7b")
        var whole = Sharding()
        (whole.microBatch, whole.sequence) = (16, 1024)
        var cut = whole
        (cut.tensor, cut.grid, cut.gridDepth) = (edge * edge * depth, edge, depth)
        let alone = model.layer(kind: .dense, sharding: whole)
        let own = model.layer(kind: .dense, sharding: cut)
        for pass in Pass.allCases {
            #expect(abs(own.flops(in: pass) * Double(edge * edge * depth) / alone.flops(in: pass) - 1) < 1e-9, "\(pass)")
        }
        func moved(_ group: GroupKind) -> Double {
            own.ops.reduce(0) { sum, op in
                guard op.pass == .forward, case .communication(let c) = op.work, c.group == group, c.kind == .allGather else { return sum }
                return sum + c.bytes
            }
        }
        // Four products a layer: k = h, h, h, f and n = 3h, h, 2f, h.
        let (tokens, h, f) = (16.0 * 1024, Double(model.hidden), Double(model.ffn))
        #expect(abs(moved(.tensorRow) / (2 * tokens / Double(edge * depth) * (3 * h + f)) - 1) < 1e-9)
        #expect(abs(moved(.tensorColumn) / (2 * (4 * h * h + 3 * h * f) / Double(edge)) - 1) < 1e-9)
    }

    /// Ulysses (arXiv:2309.14509): a rank sends q, k, v of its tokens and gets its output back, 4 h elements a token with as many key heads;
    /// attention itself does the same FLOPs as the ring's.
    @Test func volumesOfHeadExchange() throws {
        let model = try Architecture.preset("llama2-7b")
        var ring = Sharding()
        (ring.sequence, ring.context) = (8192, 4)
        var heads = ring
        heads.contextByHeads = true
        let profile = model.layer(kind: .dense, sharding: heads)
        let sent = profile.ops.reduce(0.0) { sum, op in
            guard op.pass == .forward, case .communication(let c) = op.work, c.kind == .allToAll else { return sum }
            return sum + c.bytes
        }
        #expect(sent == 2 * 2048 * 4 * 4096)
        for pass in Pass.allCases {
            #expect(abs(profile.flops(in: pass) / model.layer(kind: .dense, sharding: ring).flops(in: pass) - 1) < 1e-9)
        }
        var run = ring
        run.contextBalanced = false
        let core = { (sharding: Sharding) -> Double in
            model.layer(kind: .dense, sharding: sharding).ops.reduce(0) { sum, op in
                if case .attention(let core) = op.work, op.pass == .forward { sum + core.visible } else { sum }
            }
        }
        #expect(abs(core(run) / core(ring) - 1.75) < 1e-12)
    }

    /// Random routing of 20,000 tokens over the nodes, against the formula for what crosses the network.
    @Test func deduplicatedTokensCrossOnceANode() throws {
        let seed: UInt64 = 13
        print("seed of the routing: \(seed)")
        var random = TestDraws(seed: seed)
        var job = try MemoryStateTests.job(layers: 8, hidden: 2048, gpus: 64, framework: "megatron-lm")
        job.model.moe = Architecture.MoE(experts: 64, active: 8, ffn: 1024)
        job.layout.expert = 64
        job.layout.expertDispatch.deduplicated = true
        job.precision = PrecisionPolicy(compute: .bf16)
        for limit in [nil, 4, 2] as [Int?] {
            job.model.moe?.nodeLimit = limit
            let model = try job.plan(CalibrationData.shipped()).model
            let found = try #require(model.dispatch(bytes: 8)).network
            var crossings = 0
            let tokens = 20_000
            for _ in 0..<tokens {
                var nodes = Array(0..<8)
                for i in 0..<8 { nodes.swapAt(i, i + random.below(8 - i)) }
                let allowed = nodes.prefix(limit ?? 8)
                // Node 0 is the token's own; each copy goes to one of the allowed nodes.
                let reached = Set((0..<8).map { _ in allowed[random.below(allowed.count)] })
                crossings += reached.filter { $0 != 0 }.count
            }
            let simulated = Double(crossings) / Double(tokens)
            #expect(abs(found / simulated - 1) < 0.02, "\(limit ?? 8): \(found), simulated \(simulated)")
        }
        // Copies of their own: 7/8 of 8 cross.
        job.layout.expertDispatch.deduplicated = false
        #expect(try job.plan(CalibrationData.shipped()).model.dispatch(bytes: 8) == nil)
    }

    /// 32 G parameters, mixed precision: 16 bytes each is 512 GB; with the optimizer on the host the device keeps the 2 of the parameters.
    @Test func offloadedBytes() throws {
        var job = try MemoryStateTests.job(layers: 64, hidden: 6144, gpus: 1)
        job.training.globalBatch = 4
        job.training.recompute = .full
        let all = try #require(MemoryEstimate(job: job).stages.first)
        let parameters = all.parameters / 2
        #expect(abs((all.parameters + all.gradients + all.optimizer) / parameters - 16) < 1e-9)
        job.layout.offload = .optimizer
        let without = try #require(MemoryEstimate(job: job).stages.first)
        #expect(without.parameters == all.parameters && without.gradients == 0 && without.optimizer == 0)
        // Master, two moments and the gradient on the host.
        #expect(abs(without.host / parameters - 14) < 1e-9)
        job.layout.offload = .parameters
        let bare = try #require(MemoryEstimate(job: job).stages.first)
        #expect(bare.parameters == 0 && abs(bare.host / parameters - 16) < 1e-9)
        #expect(bare.total < 0.5 * without.total)
    }

    /// Inputs kept in eight bits take half of what they took in sixteen, but for the residual stream and the attention's tensors.
    @Test func eightBitActivations() throws {
        var job = try MemoryStateTests.job(gpus: 1, framework: "megatron-lm")
        job.precision = PrecisionPolicy(compute: .bf16)
        let wide = LayerActivations(job: job, isExpert: false)
        job.precision.activations = .fp8
        let low = LayerActivations(job: job, isExpert: false)
        for (a, b) in zip(wide.tensors, low.tensors) {
            let isCut = ["projection input (q, k, v)", "MLP input", "activation input", "down-projection input", "attention output"]
                .contains(a.name)
            #expect(abs(b.bytes / a.bytes - (isCut ? (1 + 4.0 / 128) / 2 : 1)) < 1e-12, "\(a.name)")
        }
    }
}
