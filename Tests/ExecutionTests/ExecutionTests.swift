import Calibration
import Foundation
import Kernels
import Plan
import Scenario
import Testing
import Training

@testable import Execution

private func spec(_ text: String) throws -> ExecutionSpec {
    try #require(try ExecutionSpec.load(yaml: "execute: \(text)", file: "test.yaml").first)
}

private let perceptron = "{kind: mlp, sizes: [12, 20, 16, 14, 5]}"
private let transformer = "{kind: gpt, layers: 4, hidden: 16, heads: 2, vocab: 11, sequence: 6}"
private let images = "{kind: cnn, side: 8, input_channels: 2, channels: [3, 4], classes: 4}"

/// Workers as threads, nothing timed.
private func run(_ text: String) throws -> ExecutionReport {
    var settings = ExecutionSettings()
    settings.trialSeconds = 0
    settings.rounds = 1
    settings.pins = false
    settings.patience = 60
    return try ExecutionReport.run(try spec(text), settings)
}

private func losses(_ text: String) throws -> [Double] { try run(text).losses }

@Suite("A run gives the losses of serial training", .serialized) struct CorrectnessTests {
    private func agree(_ a: [Double], _ b: [Double], within bound: Double) -> Bool {
        a.count == b.count && !a.isEmpty && zip(a, b).allSatisfy { abs($0 - $1) <= bound * abs($1) }
    }

    /// One worker and one micro-batch is the ordinary training loop, to the bit.
    @Test func oneWorkerIsTheTrainingLoop() throws {
        let spec = try spec("{model: \(perceptron), batch: 12, steps: 3}")
        let found = try losses("{model: \(perceptron), batch: 12, steps: 3}")
        let model = try MLP(sizes: [12, 20, 16, 14, 5])
        let cpu = try CPUBackend(threads: 1)
        var parameters = model.initialParameters(seed: spec.seed, on: cpu)
        var optimizer = Optimizer(Adam<Float>.adamW(), shapes: model.shapes)
        let data = try StagedModel(spec).data(replica: 0, microBatch: 0)
        var expected: [Double] = []
        for _ in 0..<5 {
            let batch = MLP.Batch(inputs: data.floats.map { Double($0) }, labels: data.labels)
            let (loss, gradients) = try model.lossAndGradients(parameters, batch, on: cpu)
            try optimizer.step(&parameters, gradients: gradients, rate: 1e-3)
            expected.append(loss)
        }
        #expect(found == expected)
        #expect(found[4] < found[0], "nothing was learnt")
    }

    /// The same micro-batches in the same order: a pipeline only says where they are computed.
    @Test(arguments: [
        "pipeline: 2, schedule: 1f1b", "pipeline: 2, schedule: gpipe", "pipeline: 4, schedule: 1f1b",
        "pipeline: 2, virtual: 2, schedule: interleaved", "pipeline: 2, schedule: zb-h1", "pipeline: 4, schedule: zb-h1",
        "pipeline: 2, schedule: zb-h2", "pipeline: 2, schedule: zb-1p", "pipeline: 2, schedule: zb-2p", "pipeline: 2, schedule: zb-v",
        "pipeline: 2, schedule: v-half", "pipeline: 2, schedule: v-min", "pipeline: 2, schedule: dualpipe",
        "pipeline: 2, schedule: dualpipev",
    ])
    func pipelinesAreSerialTraining(_ cut: String) throws {
        for model in [perceptron, transformer] {
            let rest = "model: \(model), batch: 8, micro_batches: 4, steps: 4"
            let serial = try losses("{\(rest)}")
            let cutUp = try losses("{\(rest), \(cut)}")
            #expect(agree(cutUp, serial, within: 1e-6), "\(model) \(cut): \(cutUp) and \(serial)")
        }
    }

    /// W apart from B on one worker: the same sums, later.
    @Test(arguments: [perceptron, transformer, images])
    func aSplitBackwardPassIsAWholeOne(_ model: String) throws {
        let rest = "model: \(model), batch: 8, micro_batches: 4, steps: 4"
        #expect(try losses("{\(rest), schedule: zb-h1}") == losses("{\(rest), schedule: 1f1b}"))
    }

    /// Every schedule, over two replicas, with no codec and with one that keeps everything.
    @Test(arguments: ScheduleKind.allCases.filter { $0 != .auto })
    func everyScheduleWithReplicas(_ kind: ScheduleKind) throws {
        let rest = "model: \(transformer), batch: 16, steps: 3"
        let serial = try losses("{\(rest)}")
        let cut = "data: 2, pipeline: 2, micro_batches: 4, schedule: \(kind.rawValue)" + (kind == .interleaved ? ", virtual: 2" : "")
        let plain = try losses("{\(rest), \(cut)}")
        #expect(agree(plain, serial, within: 2e-5), "\(kind): \(plain) and \(serial)")
        #expect(try losses("{\(rest), \(cut), codec: fp32}") == plain)
        // Around a ring sums are taken in another order, messages of a codec are not.
        #expect(agree(try losses("{\(rest), \(cut), transport: socket}"), plain, within: 2e-6), "\(kind) over sockets")
        let lossy = try losses("{\(rest), \(cut), codec: e4m3}")
        #expect(try losses("{\(rest), \(cut), codec: e4m3, transport: socket}") == lossy)
        #expect(lossy != plain && lossy[4] < lossy[0], "\(kind): \(lossy)")
    }

    /// Sums over replicas and micro-batches differ in their order only: rounding of single precision.
    @Test func replicasAreTheWholeBatch() throws {
        for model in [perceptron, transformer, images] {
            let whole = try losses("{model: \(model), batch: 8, steps: 4}")
            for cut in ["data: 2", "data: 4", "micro_batches: 4", "data: 2, micro_batches: 2"] {
                let parts = try losses("{model: \(model), batch: 8, steps: 4, \(cut)}")
                #expect(agree(parts, whole, within: 2e-5), "\(model) \(cut): \(parts) and \(whole)")
            }
        }
        let whole = try losses("{model: \(transformer), batch: 8, steps: 4}")
        let both = try losses("{model: \(transformer), batch: 8, steps: 4, data: 2, pipeline: 2, micro_batches: 2}")
        #expect(agree(both, whole, within: 2e-5))
    }

    /// A codec that keeps everything is the identity, to the bit; one that does not changes the losses, and training still goes down.
    @Test func codecsAtRatioOne() throws {
        let rest = "model: \(perceptron), batch: 8, data: 2, steps: 6"
        let plain = try losses("{\(rest)}")
        #expect(try losses("{\(rest), codec: none}") == plain)
        #expect(try losses("{\(rest), codec: fp32}") == plain)
        #expect(try losses("{\(rest), codec: {topk: 1, values: fp32, error_feedback: false}}") == plain)
        for codec in ["e4m3", "[topk: 10%, values: int8, indices: varint]", "bf16"] {
            let lossy = try losses("{\(rest), codec: \(codec)}")
            #expect(lossy != plain, "\(codec) lost nothing")
            #expect(lossy[7] < lossy[0], "\(codec) does not learn")
        }
    }

    /// Three replicas whose gradients do not divide by three, and messages longer than the system's buffers (4 M numbers are 16 MB).
    @Test func socketsCarryAnything() throws {
        let odd = "model: \(perceptron), batch: 6, data: 3, steps: 3"
        #expect(agree(try losses("{\(odd), transport: socket}"), try losses("{\(odd)}"), within: 2e-6))
        let wide = "model: {kind: mlp, sizes: [8, 2048, 2048, 4]}, batch: 8, steps: 1"
        #expect(try losses("{\(wide), data: 2, transport: socket}") == losses("{\(wide), data: 2}"))
        let long = "model: {kind: mlp, sizes: [4, 4096, 4]}, batch: 2048, pipeline: 2, micro_batches: 2, steps: 1"
        #expect(try losses("{\(long), transport: socket}") == losses("{\(long)}"))
    }

    @Test func optimizersDiffer() throws {
        let found = try ["sgd", "momentum", "adam", "adamw"].map {
            try losses("{model: \(perceptron), batch: 8, steps: 4, optimizer: \($0)}")
        }
        for i in found.indices { for j in found.indices where j > i { #expect(found[i].last != found[j].last) } }
    }
}

@Suite("What a step is predicted from") struct PredictionTests {
    /// Two stages of 1 s forward and 2 s backward, 4 micro-batches in 1F1B: (4 + 2 - 1) x 3 = 15 s, then 1 s of optimizer.
    @Test func aPipelineByHand() throws {
        let play = try StepPlay(try RunPlan(try spec("{model: \(perceptron), batch: 8, micro_batches: 4, pipeline: 2}")))
        var cost = WorkerCosts()
        (cost.forward, cost.backward, cost.forwardCopy, cost.backwardCopy) = ([1], [2], [0], [0])
        cost.optimizer = 1
        let outcome = try play.play([cost, cost])
        #expect(outcome.times.step == 16)
        #expect(outcome.times.forward == 4 && outcome.times.backward == 8 && outcome.times.bubble == 3)
        // The first rank works 12 s, 9 of them beside the second: it starts 1 s earlier and ends 2 s later.
        #expect(abs(outcome.overlap[0] - 9.0 / 12) < 1e-12)
    }

    /// Two replicas of 3 s; one slowed by 2: 6 s, then 0.5 shared, 0.25 summed, 0.5 fetched.
    @Test func replicasWaitForTheStraggler() throws {
        let play = try StepPlay(
            try RunPlan(try spec("{model: \(perceptron), batch: 8, data: 2, straggler: {worker: 1, slowdown: 2}}")))
        var cost = WorkerCosts()
        (cost.forward, cost.backward, cost.forwardCopy, cost.backwardCopy) = ([1], [2], [0], [0])
        (cost.share, cost.reduce, cost.fetch) = (0.5, 0.25, 0.5)
        var slow = cost
        slow.slowdown = 2
        #expect(try play.play([cost, slow]).times.step == 7.25)
    }

    /// What is listed for prediction is what the models do: the same calls as a recorded pass on the CPU.
    @Test(arguments: [perceptron, transformer, images])
    func listedCallsAreThoseMade(_ model: String) throws {
        let plan = try RunPlan(try spec("{model: \(model), batch: 4}"))
        let recorder = RecordingBackend(try CPUBackend(threads: 1))
        let runner = StageRunner(model: plan.model, backend: recorder)
        let parameters = try plan.model.initialParameters
        var gradients = parameters.map { [Float](repeating: 0, count: $0.values.count) }
        let pass = try runner.forward(0, parameters, plan.model.data(replica: 0, microBatch: 0), input: [])
        _ = try runner.backward(pass, pass.flow, parameters, &gradients)
        let made = recorder.drain().map(\.call)
        #expect(!made.isEmpty)
        let listed = (plan.pieces[0].forward[0] + plan.pieces[0].backward[0]).compactMap { piece -> KernelCall? in
            if case .kernel(let call, _) = piece { call } else { nil }
        }
        #expect(listed == made)
    }

    /// Every kind of piece gets a time, and the lines of the account sum to the step.
    @Test func aRunIsPredicted() throws {
        var settings = ExecutionSettings()
        settings.trialSeconds = 0.001
        settings.rounds = 1
        settings.pins = false
        let text = "{model: \(transformer), batch: 8, data: 2, pipeline: 2, micro_batches: 2, codec: e4m3, steps: 4}"
        let report = try ExecutionReport.run(try spec(text), settings)
        let predicted = try #require(report.predicted)
        #expect(predicted.step > 0 && predicted.encode > 0 && predicted.decode > 0 && predicted.pipelineComm > 0 && predicted.optimizer > 0)
        for times in [predicted, report.measured] { #expect(abs(times.spent + times.bubble - times.step) < 1e-6 + 0.01 * times.step) }
        #expect(report.steps.count == 4 && report.undisturbed > 0)
        #expect(RunComparison([report]).markdown(date: "today").contains("today"))
        #expect(report.calibrated == nil && report.prediction?.evidence == [.measured: 1])
        // Without steps: the same pieces, timed again.
        let alone = try StepPrediction.make(try spec(text), settings)
        #expect(alone.times.step > 0 && alone.source == report.own?.source)
        // A calibration comes first, and the run does not enter it: with and without one, it says the same to the bit.
        settings.calibration = try calibration()
        let both = try ExecutionReport.run(try spec(text), settings)
        let before = try StepPrediction.make(try spec(text), settings)
        #expect(both.prediction?.times == before.times && both.predicted != both.own?.times)
        #expect(before.error > 0 && before.error < 1)
        #expect(abs(before.evidence.values.reduce(0, +) - 1) < 1e-9)
        #expect(RunComparison([both]).score(.calibration, undisturbed: true) != nil)
    }

    /// The project's own file.
    private func calibration() throws -> KernelTimes {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = try MeasurementFile.read(path: root.appendingPathComponent("reports/calibration/cpu-amd-epyc.csv").path)
        // A few shapes of each kernel: fits of all take seconds without optimisation.
        var counts: [[String]: Int] = [:]
        return try KernelTimes(
            file.measurements.filter { row in
                let key: [String] = ["\(row.key.kernel)", row.key.variant, "\(row.key.pass)", "\(row.key.layout)"]
                counts[key, default: 0] += 1
                return counts[key, default: 0] <= 8
            })
    }

    /// One layer of 4 inputs and 3 outputs: product, bias and loss forward, product and column sums backward, two tensors updated and cleared: 9
    /// pieces of 1 s. Errors of 10 % go together within a kind and not between: sqrt(5 x 0.1^2 + 2 x 0.2^2) s = 0.3606 s of 9 s.
    @Test func piecesAddUp() throws {
        struct Stub: PieceTimes {
            let source = "a test"
            func time(_ piece: Piece) -> PieceTime {
                PieceTime(alone: Estimate(seconds: 1, error: 0.1, evidence: .interpolated), busy: 2)
            }
        }
        let one = try StepPrediction(try RunPlan(try spec("{model: {kind: mlp, sizes: [4, 3]}, batch: 2}")), Stub())
        #expect(
            one.times.step == 9 && one.times.forward == 3 && one.times.backward == 2 && one.times.optimizer == 2 && one.times.other == 2)
        #expect(abs(one.error - 0.13.squareRoot() / 9) < 1e-12)
        // Two replicas are always busy together: 2 s a piece; scaling of 2 tensors, a copy, a sum and a copy come between.
        let two = try StepPrediction(try RunPlan(try spec("{model: {kind: mlp, sizes: [4, 3]}, batch: 2, data: 2}")), Stub())
        #expect(two.times.step == 28 && two.times.dataComm == 6)
    }

    /// ZB-H1 of two stages with F = B = W = 1 s and 4 micro-batches: 4 x 3 s and a bubble of (p - 1)(F + B - W) = 1 s, against 15 s of 1F1B.
    @Test func aZeroBubblePipelineByHand() throws {
        let play = try StepPlay(
            try RunPlan(try spec("{model: \(perceptron), batch: 8, micro_batches: 4, pipeline: 2, schedule: zb-h1}")))
        var cost = WorkerCosts()
        (cost.forward, cost.backward, cost.weight, cost.forwardCopy, cost.backwardCopy) = ([1], [1], [1], [0], [0])
        let times = try play.play([cost, cost]).times
        #expect(times.step == 13 && times.forward == 4 && times.backward == 8 && times.bubble == 1)
    }

    /// Buffers of 4 MiB between caches of 1 and 32 MiB: one used again at once lies 4 MiB back, behind another 8 MiB, and what was never used lies
    /// beyond twice the last cache.
    @Test func operandsLieAsFarAwayAsWhatIsBetween() throws {
        let reuse = ReuseDistances(Machine(processor: "", root: "/nonexistent"))
        let (a, b) = (reuse.marked(1 << 20), reuse.marked(1 << 20))
        for buffers in [[a], [a], [b], [a], [a, b]] { reuse.call(buffers) }
        // In the last, a lies 4 and b 8 MiB back: the mean of 22 and 23.
        #expect(reuse.drain() == [26, 22, 26, 23, 22.5])
        // A small one is near at most, and a copy is the same buffer.
        let small = reuse.marked(64)
        let copy = Array(small)
        reuse.call([small])
        reuse.call([copy])
        #expect(reuse.drain() == [26, 20])
        reuse.forget()
        reuse.call([a])
        #expect(reuse.drain() == [26] && reuse.farthest == 26)
    }

    /// What a micro-batch has just written is near, weights are not: the copy that the bias is added to lies at its own size.
    @Test func aChainIsNear() throws {
        let plan = try RunPlan(try spec("{model: {kind: mlp, sizes: [2048, 2048, 2048]}, batch: 2048}"))
        let bias = plan.pieces[0].forward[0].compactMap { piece -> Int? in
            if case .kernel(let call, let reuse) = piece, call.kernel == .addBias { reuse } else { nil }
        }
        let update = plan.pieces[0].optimizer.compactMap { if case .kernel(_, let reuse) = $0 { reuse } else { nil } }
        // 2048 x 2048 numbers are 16 MiB.
        #expect(bias.first == 24)
        #expect(update.allSatisfy { $0 > 24 })
    }

    /// 1, 2, 3 s predicted as 1, 3, 2.4: errors 0, 50 and 20 %, one pair of three the wrong way round.
    @Test func scoresByHand() throws {
        let base = try run("{model: \(perceptron), batch: 2, steps: 1}")
        let own = StepPrediction(source: "a test", times: StepTimes(), error: 0, evidence: [:], stepFLOPs: 1)
        let reports = [(1.0, 1.0), (3, 2), (2.4, 3)].map { predicted, real in
            var report = base
            report.own = own
            report.own?.times.step = predicted
            report.measured.step = real
            return report
        }
        let score = try #require(RunComparison(reports).score(.ownKernels, undisturbed: false))
        #expect(abs(score.medianError - 0.2) < 1e-12 && abs(score.worstError - 0.5) < 1e-12)
        #expect(abs(score.orderedPairs - 2.0 / 3) < 1e-12)
        #expect(RunComparison([base]).score(.ownKernels, undisturbed: false) == nil)
    }
}

@Suite("What cannot be run is refused at its place") struct BadSpecTests {
    private func fault(_ yaml: String) -> ScenarioError? {
        do throws(ScenarioErrors) {
            _ = try ExecutionSpec.load(yaml: yaml, file: "bad.yaml")
            return nil
        } catch { return error.errors.first }
    }

    @Test(arguments: [
        ("name: x", "execute", "execute"),
        ("execute: {batch: 4}", "execute", "execute"),
        ("execute:\n  model: {sizes: [2, 3]}\n  batch: 4", "execute.model.kind", "mlp"),
        ("execute:\n  model: {kind: rnn}\n  batch: 4", "execute.model.kind", "mlp"),
        ("execute:\n  model: {kind: mlp}\n  batch: 4", "execute.model.sizes", "sizes"),
        ("execute:\n  model: {kind: mlp, sizes: [3]}\n  batch: 4", "execute.model.sizes", "784"),
        ("execute:\n  model: {kind: mlp, sizes: [3, 2], heads: 2}\n  batch: 4", "execute.model.heads", "sizes"),
        ("execute:\n  model: {kind: gpt, layers: 2}\n  batch: 4", "execute.model.hidden", "hidden"),
        (
            "execute:\n  model: {kind: gpt, layers: 2, hidden: 6, heads: 4, vocab: 5, sequence: 4}\n  batch: 4", "execute.model.heads",
            "divisor"
        ),
        ("execute:\n  model: {kind: cnn, side: 6}\n  batch: 4", "execute.model.side", "28"),
        ("execute:\n  model: {kind: cnn, channels: [1, 2, 3]}\n  batch: 4", "execute.model.channels", "[8, 16]"),
        ("execute:\n  model: \(perceptron)", "execute.batch", "batch"),
        ("execute:\n  model: \(perceptron)\n  batch: 5\n  data: 2", "execute.batch", "2"),
        ("execute:\n  model: \(perceptron)\n  batch: 0", "execute.batch", "16"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  pipeline: 5", "execute.pipeline", "pipeline"),
        ("execute:\n  model: \(images)\n  batch: 8\n  pipeline: 2", "execute.pipeline", "pipeline: 1"),
        ("execute:\n  model: \(perceptron)\n  batch: 64\n  data: 64\n  pipeline: 2", "execute.data", "lower"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  schedule: auto", "execute.schedule", "zb-h1"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  schedule: zb-q", "execute.schedule", "1f1b"),
        (
            "execute:\n  model: \(perceptron)\n  batch: 9\n  pipeline: 3\n  micro_batches: 9\n  schedule: dualpipe", "execute.schedule",
            "even"
        ),
        (
            "execute:\n  model: \(perceptron)\n  batch: 8\n  pipeline: 4\n  micro_batches: 8\n  schedule: zb-v", "execute.pipeline",
            "8 stages"
        ),
        (
            "execute:\n  model: \(perceptron)\n  batch: 8\n  pipeline: 2\n  micro_batches: 4\n  schedule: dualpipe\n"
                + "  straggler: {worker: 0, slowdown: 2}", "execute.straggler", "dualpipev"
        ),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  pipeline: 2\n  virtual: 2\n  schedule: 1f1b", "execute.schedule", "virtual"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  codec: fp7", "execute.codec", "e4m3"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  codec: {topk: 0}", "execute.codec.topk", "5%"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  codec: {top: 5%}", "execute.codec.top", "topk"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  transport: pigeon", "execute.transport", "socket"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  optimizer: muon", "execute.optimizer", "adamw"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  straggler: {worker: 1, slowdown: 2}", "execute.straggler", "0 to 0"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  straggler: {worker: 0}", "execute.straggler", "slowdown"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  straggler: {worker: 0, slowdown: 0.5}", "execute.straggler.slowdown", "1.5"),
        ("execute:\n  model: {kind: mlp, sizes: [100000, 100000]}\n  batch: 8", "execute.model", "shrink"),
        ("execute:\n  model: {kind: mlp, sizes: [100000, 10]}\n  batch: 100000", "execute.batch", "lower"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\n  seed: -1", "execute.seed", "1"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\nlayout: {tensor: 2}", "layout.tensor", "tensor: 1"),
        ("model: {preset: llama3-8b}\ntraining: {global_batch: 4, sequence: 8}", "model.ffn", "ffn: 16384"),
        ("execute:\n  model: \(perceptron)\n  batch: 8\ntrainig: {}", "trainig", "training"),
    ])
    func faultsSayWhereAndWhatIsRight(_ yaml: String, _ path: String, _ advice: String) throws {
        let found = try #require(fault(yaml), "accepted: \(yaml)")
        #expect(found.keyPath == path, "\(found)")
        #expect(found.line >= 1 && found.file == "bad.yaml")
        #expect("\(found)".contains(advice), "\(found) does not say \(advice)")
    }

    /// The ordinary sections say it all.
    @Test func ordinarySectionsAreEnough() throws {
        let yaml = """
            model: {layers: 2, hidden: 16, heads: 2, vocab: 32, ffn: 64}
            training: {global_batch: 8, micro_batch: 2, sequence: 12, optimizer: sgd}
            layout: {data: 2, pipeline: 2, schedule: gpipe}
            """
        let spec = try #require(try ExecutionSpec.load(yaml: yaml, file: "x").first)
        #expect(spec.model == .gpt(layers: 2, hidden: 16, heads: 2, vocabulary: 32, length: 12))
        #expect(spec.workers == 4 && spec.microBatches == 2 && spec.samples == 2 && spec.schedule == .gpipe && spec.optimizer == .sgd)
    }

    /// What is written for the workers reads back as it was.
    @Test(arguments: [
        "{model: \(perceptron), batch: 8, data: 2, codec: {topk: 5%, values: int8, indices: bitmap, error_feedback: false}}",
        "{model: \(transformer), batch: 8, pipeline: 2, virtual: 2, micro_batches: 4, straggler: {worker: 1, slowdown: 1.25}, seed: 7}",
        "{model: \(images), batch: 8, optimizer: momentum, steps: 3}",
        "{model: \(transformer), batch: 8, data: 2, pipeline: 2, micro_batches: 4, schedule: dualpipev, transport: socket}",
    ])
    func specsReadBack(_ text: String) throws {
        let spec = try spec(text)
        var back = try #require(try ExecutionSpec.load(yaml: spec.yaml, file: "x").first)
        back.name = spec.name
        #expect(back == spec)
    }

    @Test func variedKeysGiveSeveralRuns() throws {
        let yaml = "execute: {model: \(perceptron), batch: 8}\nvary: {execute.data: [1, 2], execute.codec: [none, e4m3]}"
        let specs = try ExecutionSpec.load(yaml: yaml, file: "x.yaml")
        #expect(specs.map(\.name) == ["x data=1 codec=none", "x data=1 codec=e4m3", "x data=2 codec=none", "x data=2 codec=e4m3"])
    }
}
