import Compression
import Foundation
import Training

/// The claims that need no cluster, each over five seeds: id, what is measured, the claim, mean with 95% interval, verdict. Markdown.
@main struct NumericsClaims {
    static let seeds: [UInt64] = [1, 2, 3, 4, 5]
    static let tuningSeeds: [UInt64] = [101, 102]

    static func main() throws {
        var findings = Findings()
        try volumes(&findings)
        try adaptiveRates(&findings)
        try warmupAndCosine(&findings)
        try clipping(&findings)
        memory(&findings)
        try pruningAndSharing(&findings)
        gates(&findings)
        try progressiveSparsity(&findings)
        print(
            """
            # Claims that need no cluster

            Made by `make claims`: the algorithms of Training and Compression really run, on five seeds that tuning did not see. "Steps over steps" is
            how soon a method is at 97% of the fall of the baseline's held-out loss, rates of both tuned; a verdict is given only where the whole
            interval (Student's t) lies on one side of what is claimed.

            \(findings.table)
            """)
    }

    /// Gradients of the transformer after 30 steps of training, flat.
    static func gradient(_ seed: UInt64) throws -> [Float] {
        let proxy = try markov(seed: seed, steps: 30)
        let run = try train(proxy, Adam<Double>(), Settings(rate: 0.01), seed: seed)
        var draws = SeededDraws(seed: seed)
        return try proxy.model.lossAndGradients(run.parameters, try proxy.batch(&draws)).gradients.joined().map { Float($0) }
    }

    static func ratio(_ codec: any GradientCodec, _ gradient: [Float]) throws -> Double {
        var codec = codec
        return Double(try codec.encode(gradient).count) / Double(4 * gradient.count)
    }

    static func error(_ codec: any GradientCodec, _ gradient: [Float]) throws -> Double {
        var codec = codec
        let decoded = try codec.decode(codec.encode(gradient), count: gradient.count)
        var difference = 0.0
        var size = 0.0
        for (a, b) in zip(gradient, decoded) {
            difference += Double(a - b) * Double(a - b)
            size += Double(a) * Double(a)
        }
        return 100 * (difference / size).squareRoot()
    }

    static func volumes(_ findings: inout Findings) throws {
        let gradients = try seeds.map(gradient)
        for share in [0.05, 0.1] {
            let codec = try SparseCodec(.top(.share(share)), values: BlockQuantizer(.e4m3, block: 256), indices: .packed)
            findings.report(
                "C02", "bytes of top \(share) + E4M3 + packed positions, of fp32", .atMost(0.1), try gradients.map { try ratio(codec, $0) })
        }
        for (format, block) in [(NumberFormat.e4m3, nil), (.e4m3, 256), (.e5m2, nil), (.e5m2, 256), (.int8, 256)] as [(NumberFormat, Int?)]
        {
            let codec = try BlockQuantizer(format, block: block)
            findings.report("C03", "relative RMS error in per cent, \(codec.name)", .atMost(1), try gradients.map { try error(codec, $0) })
        }
        let delta = try SparseCodec(.top(.share(0.05)), indices: .packed)
        findings.report(
            "C21", "per cent of fp32 bytes, top 5% fp32 + packed deltas", .atMost(10), try gradients.map { 100 * (try ratio(delta, $0)) })
        let eight = try BlockQuantizer(.e4m3, block: 256)
        // A quarter and not a byte more cannot be: the scales and the header are bytes too.
        findings.report(
            "C35", "per cent of fp32 bytes, E4M3 with scales (25 to the nearest per cent)", .atMost(25.5),
            try gradients.map { 100 * (try ratio(eight, $0)) })
    }

    static func adaptiveRates(_ findings: inout Findings) throws {
        let grid = [0.02, 0.05, 0.1, 0.2, 0.5, 1]
        let tuning = try tuningSeeds.map { try teacherStudent(seed: $0) }
        let sgdRate = try tuned(tuning, SGD<Double>(), grid)
        let adaptiveRate = try tuned(tuning, VarianceAdaptive<Double>(), grid)
        let adamGrid = [0.001, 0.003, 0.01, 0.03]
        let adamRate = try tuned(tuning, Adam<Double>(), adamGrid)
        let dynamicRate = try tuned(tuning, DynamicBetas<Double>(), adamGrid)
        var againstSGD: [Double] = []
        var againstAdam: [Double] = []
        var betas: [Double] = []
        for seed in seeds {
            let proxy = try teacherStudent(seed: seed)
            let adaptive = try train(proxy, VarianceAdaptive<Double>(), Settings(rate: adaptiveRate), seed: seed)
            let adam = try train(proxy, Adam<Double>(), Settings(rate: adamRate), seed: seed)
            againstSGD.append(speedRatio(adaptive, try train(proxy, SGD<Double>(), Settings(rate: sgdRate), seed: seed)))
            againstAdam.append(speedRatio(adaptive, adam))
            betas.append(speedRatio(try train(proxy, DynamicBetas<Double>(), Settings(rate: dynamicRate), seed: seed), adam))
        }
        findings.report(
            "C08", "steps of the variance-adaptive rate (tuned \(adaptiveRate)) over tuned SGD's (\(sgdRate))", .atMost(0.6), againstSGD)
        findings.report("C08", "steps of the variance-adaptive rate over tuned Adam's (\(adamRate))", .atMost(0.6), againstAdam)
        findings.report("C27", "steps of dynamic betas (tuned \(dynamicRate)) over tuned Adam's", .atMost(0.7), betas)
    }

    static func warmupAndCosine(_ findings: inout Findings) throws {
        let steps = 300
        let schedule = try WarmupDecay(.cosine, peak: 1, warmup: steps / 20, total: steps + 1)
        let grid = [0.001, 0.003, 0.01, 0.03]
        let tuning = try tuningSeeds.map { try teacherStudent(seed: $0, steps: steps) }
        let constant = try tuned(tuning, Adam<Double>(), grid)
        let scheduled = try tuned(tuning, Adam<Double>(), grid) { Settings(rate: $0, schedule: schedule) }
        var speed: [Double] = []
        var loss: [Double] = []
        for seed in seeds {
            let proxy = try teacherStudent(seed: seed, steps: steps)
            let base = try train(proxy, Adam<Double>(), Settings(rate: constant), seed: seed)
            let run = try train(proxy, Adam<Double>(), Settings(rate: scheduled, schedule: schedule), seed: seed)
            speed.append(speedRatio(run, base))
            loss.append(run.final / base.final)
        }
        findings.report(
            "C10", "steps of warm-up + cosine (tuned \(scheduled)) over a tuned constant rate's (\(constant))", .atMost(0.7), speed)
        findings.report("C10", "final held-out loss over the constant rate's", .atMost(0.85), loss)
    }

    /// Stability: over rates from harmless to hopeless, the share of runs that do not diverge. Overfitting: the gap between held-out and training
    /// loss on 256 fixed samples.
    static func clipping(_ findings: inout Findings) throws {
        var stability: [Double] = []
        var gaps: [Double] = []
        for seed in seeds {
            let proxy = try markov(seed: seed, steps: 100)
            var stable = [0.0, 0]
            for rate in (-6...6).map({ exp2(Double($0) / 2) }) {
                for (index, clip) in [nil, 0.25].enumerated() {
                    let run = try train(proxy, SGD<Double>(momentum: 0.9), Settings(rate: rate, clip: clip), seed: seed)
                    if !run.diverged { stable[index] += 1 }
                }
            }
            stability.append(stable[1] / max(1, stable[0]))
            var fixed = try teacherStudent(seed: seed, steps: 600)
            var draws = SeededDraws(seed: seed &+ 31)
            let samples = try TeacherStudent(sizes: [16, 32, 8], labelNoise: 0.1, seed: seed).batch(256, draws: &draws)
            fixed.batch = { _ in samples }
            let gap = try [nil, 0.25].map { clip in
                let run = try train(fixed, SGD<Double>(momentum: 0.9), Settings(rate: 0.05, clip: clip), seed: seed)
                return try run.final - fixed.model.loss(run.parameters, samples)
            }
            gaps.append(gap[1] / gap[0])
        }
        findings.report("C11", "runs that stay stable with clipping over those without, rates 1/8 to 8", .atLeast(1.4), stability)
        findings.report("C11", "gap of held-out and training loss, clipped over not clipped", .atMost(0.75), gaps)
    }

    static func memory(_ findings: inout Findings) {
        for d in [256, 1024, 4096] {
            let bytes = Double(Adafactor<Float>().stateBytes(for: [d, d]))
            findings.report("C26", "state bytes of Adafactor over 8 d, d = \(d)", .atMost(1), [bytes / Double(8 * d)])
        }
        findings.report(
            "C26", "state of Adafactor over AdamW's, d = 1024", .atMost(0.001),
            [
                Double(Adafactor<Float>().stateBytes(for: [1024, 1024])) / Double(Adam<Float>.adamW().stateBytes(for: [1024, 1024]))
            ])
    }

    static func pruningAndSharing(_ findings: inout Findings) throws {
        var lost: [Double] = []
        for seed in seeds {
            let proxy = try teacherStudent(seed: seed, steps: 400)
            let run = try train(proxy, Adam<Double>(), Settings(rate: 0.01), seed: seed)
            let kept = StructuredPruning.kept(run.parameters[0], leavingOut: 0.3)
            var small = run.parameters
            small[0] = try StructuredPruning.rows(kept, of: small[0])
            small[1] = Tensor(kept.map { run.parameters[1].values[$0] })
            small[2] = try StructuredPruning.columns(kept, of: small[2])
            // 100 more steps for both, the pruned one with really smaller products.
            let model = try MLP(sizes: [16, kept.count, 8], activation: .relu)
            let full = try finish(proxy.model, run.parameters, proxy, seed)
            let pruned = try finish(model, small, proxy, seed)
            lost.append(100 * (try proxy.model.accuracy(full, proxy.held) - model.accuracy(pruned, proxy.held)))
        }
        findings.report("C28", "points of accuracy lost with 30% of the channels removed", .atMost(1), lost)
        let h2 = 768 * 768
        for size in [2, 12] {
            let left = try ParameterSharing.consecutive(layers: 12, size: size).parameterCount(shared: 4 * h2, own: 8 * h2)
            findings.report(
                "C28", "parameters left, attention shared over \(size) of 12 layers", .atMost(0.6), [Double(left) / Double(12 * 12 * h2)])
        }
        let blocks = try ParameterSharing.consecutive(layers: 12, size: 2).parameterCount(shared: 12 * h2, own: 0)
        findings.report(
            "C28", "parameters left, whole blocks shared over 2 of 12 layers", .atMost(0.6), [Double(blocks) / Double(12 * 12 * h2)])
    }

    static func finish(_ model: MLP, _ start: [Tensor<Double>], _ proxy: Proxy<MLP>, _ seed: UInt64) throws -> [Tensor<Double>] {
        var parameters = start
        var optimizer = Optimizer(Adam<Double>(), shapes: model.shapes)
        var draws = SeededDraws(seed: seed &+ 5000)
        for _ in 0..<100 {
            let (_, gradients) = try model.lossAndGradients(parameters, try proxy.batch(&draws))
            try optimizer.step(&parameters, gradients: gradients, rate: 0.005)
        }
        return parameters
    }

    static func gates(_ findings: inout Findings) {
        for group in [1, 16, 64] {
            let block = GatedBlock(width: 768, hidden: 3072, group: group)
            let left = 100 * block.flops(activation: 0.3) / block.denseFLOPs
            findings.report(
                "C32", "per cent of a feed-forward block's FLOPs at 30% activation, gate by \(group) units", .atMost(42), [left])
            // A BERT-base layer at 128 tokens: projections 8 h^2 and attention 4 s h a token stay dense.
            let rest = 8.0 * 768 * 768 + 4 * 128 * 768
            let layer = 100 * (block.flops(activation: 0.3) + rest) / (block.denseFLOPs + rest)
            findings.report("C32", "per cent of a whole BERT-base layer's FLOPs, gate by \(group) units", .atMost(42), [layer])
        }
    }

    static func progressiveSparsity(_ findings: inout Findings) throws {
        let schedule = try SparseAttentionSchedule(warmup: 0.1, ramp: 0.3, steady: 0.25)
        var speed: [Double] = []
        var loss: [Double] = []
        var flops: [Double] = []
        for seed in seeds {
            let proxy = try markov(seed: seed)
            let dense = try train(proxy, Adam<Double>(), Settings(rate: 0.01), seed: seed)
            var spent = 0.0
            let sparse = try train(proxy, Adam<Double>(), Settings(rate: 0.01), seed: seed) { model, step in
                model.keptKeys = schedule.keys(of: model.length, at: step, of: proxy.steps)
                spent += model.forwardFLOPsPerSample / Double(proxy.steps)
            }
            speed.append(speedRatio(sparse, dense))
            loss.append(100 * (sparse.final - dense.final) / dense.final)
            flops.append(spent / proxy.model.forwardFLOPsPerSample)
        }
        findings.report("C45", "steps of 10/30/60 progressive sparse attention over dense", .atMost(0.78), speed)
        findings.report("C45", "per cent of held-out loss lost", .atMost(0.8), loss)
        findings.report("C45", "model FLOPs over dense, scoring counted, 12 tokens", .atMost(0.78), flops)
        // Attention alone, averaged over the phases, where every pair is scored in full: at least half of it stays.
        let cost = SparseAttentionCost(sequence: 4096, headDimension: 128, scoringDimension: 128)
        let mean = (0..<1000).reduce(0.0) { $0 + cost.sparse(share: schedule.share(at: $1, of: 1000)) / cost.dense } / 1000
        findings.report("C45", "attention FLOPs over dense, 4096 tokens, scored in full", .atMost(0.78), [mean])
    }
}
