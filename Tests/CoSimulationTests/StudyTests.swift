import Compression
import Kernels
import Training
import Testing

@testable import CoSimulation

@Suite struct StudyTests {
    private let quadratic = ProxySpec(task: .noisyQuadratic(curvature: [1, 0.5], deviation: [1, 1], start: 2))

    /// The rate is searched for within the stability limit, deterministically, and better than a poor one.
    @Test func tuningFindsARate() throws {
        var spec = CosimSpec(proxy: quadratic, workers: 2)
        spec.precision = .fp64
        spec.stop = StopRule(steps: 200)
        spec.rate = .init(nil)
        spec.tuning.trials = 12
        spec.seeds = 8
        let result = try CosimStudy(spec, clock: WorkerClock()).run()
        #expect(result.rate.trials == 12)
        #expect(result.rate.steps > 0)
        #expect(result.rate.rate < 2)
        spec.rate = .init(1.5)
        #expect(try CosimStudy(spec, clock: WorkerClock()).run().finalLoss > result.finalLoss)
    }

    /// With common random numbers synchronous training needs exactly as many samples as itself.
    @Test func stepsFactorOfTheSameIsOne() throws {
        var spec = CosimSpec(proxy: quadratic, workers: 4)
        spec.precision = .fp64
        spec.stop = StopRule(steps: 100)
        spec.rate = .init(nil)
        spec.tuning.trials = 4
        spec.comparesWithSynchronous = true
        let factor = try unwrapped(CosimStudy(spec, clock: WorkerClock()).run().stepsFactor)
        #expect(factor.p5 == 1)
        #expect(factor.p95 == 1)
        spec.method = .asynchronous()
        spec.stop = StopRule(steps: 400)
        #expect(try CosimStudy(spec, clock: WorkerClock()).run().stepsFactor != nil)
        // At a target loss: from a loss of 10,000 to 10 a rate of 0.005 takes 690 updates of 8 samples, a tuned one a few steps of 128.
        let (ones, tens) = ([Double](repeating: 1, count: 200), 10.0)
        spec.proxy = ProxySpec(task: .noisyQuadratic(curvature: ones, deviation: ones, start: tens))
        spec.stop = StopRule(steps: 4000, targetLoss: 10)
        spec.workers = 16
        spec.rate = .init(0.005)
        spec.tuning.trials = 16
        let result = try CosimStudy(spec, clock: WorkerClock()).run()
        #expect(result.factorLoss == 10)
        let stale = try unwrapped(result.stepsFactor)
        #expect(stale.mean > 1.5 && stale.p5 <= stale.mean && stale.mean <= stale.p95)
    }

    /// Ended early by the caller a study has what was trained until then, and says so.
    @Test func anInterruptedStudyKeepsWhatItHas() throws {
        var spec = CosimSpec(proxy: quadratic, workers: 2)
        spec.stop = StopRule(steps: 1000)
        var study = CosimStudy(spec, clock: WorkerClock())
        study.progress = { done, _ in done < 200 }
        let result = try study.run()
        #expect(result.isInterrupted)
        #expect(result.points.count > 1 && result.points.count < 100)
        spec.rate = .init(nil)
        study.spec = spec
        study.progress = { _, _ in false }
        #expect(throws: CoSimulationError.self) { _ = try study.run() }
        study.progress = { _, _ in true }
        #expect(try !study.run().isInterrupted)
    }

    @Test func targetLossEndsARun() throws {
        var spec = CosimSpec(proxy: quadratic, workers: 8)
        spec.precision = .fp64
        spec.stop = StopRule(steps: 10_000, targetLoss: 0.5)
        spec.evaluate = 1
        var clock = WorkerClock(service: Service(mean: 2))
        clock.usdPerSecond = 3
        let result = try CosimStudy(spec, clock: clock).run()
        #expect(result.reached == result.seeds)
        #expect(result.updates < 100)
        #expect(try abs(unwrapped(result.secondsToTarget).mean - (2 * (try unwrapped(result.stepsToTarget)).mean)) <= 2)
    }

    /// A meeting every hundred steps in four bits: bytes as in table 1 of Streaming DiLoCo (arXiv:2501.18512), 400 times fewer.
    @Test func bytesOfLocalSteps() throws {
        var spec = CosimSpec(proxy: quadratic, workers: 4)
        spec.method = .local(period: .steps(100), outer: OuterStep())
        spec.codec = ErrorFeedback(try BlockQuantizer(.int4, block: 256))
        spec.stop = StopRule(steps: 400)
        let wire = WireScale(elements: 1_000_000_000, bytesPerElement: 2)
        let result = try CosimStudy(spec, clock: WorkerClock(), wire: wire).run()
        #expect(try abs(unwrapped(result.bytesRatio) - (400)) <= 60)
        spec.codec = nil
        #expect(try abs(unwrapped(CosimStudy(spec, clock: WorkerClock(), wire: wire).run().bytesRatio) - (100)) <= 1e-9)
    }

    /// A chain is learnt towards its entropy from above; a text below what pairs of bytes tell.
    @Test func languageModelsLearn() throws {
        var spec = CosimSpec(proxy: ProxySpec(task: .markov(vocabulary: 8, sharpness: 2)), workers: 2)
        spec.proxy.model = .gpt(layers: 1, hidden: 16, heads: 2, sequence: 16, experts: nil, keptKeys: nil)
        spec.optimizer = .adamW()
        spec.rate = .init(0.01)
        spec.stop = StopRule(steps: 250)
        spec.seeds = 1
        let markov = try CosimStudy(spec, clock: WorkerClock()).run()
        let excess = try unwrapped(markov.excessLoss)
        #expect(excess > -0.05)
        #expect(excess < 0.12)
        #expect(markov.points[0].loss.mean > markov.finalLoss + 0.3)
    }

    @Test func everyTaskHasAGradient() throws {
        var images = MLP.Batch(inputs: [], labels: [])
        var draws = SeededDraws(seed: 1)
        for label in 0..<24 {
            images.inputs += draws.normals(64)
            images.labels.append(label % 3)
        }
        let specs: [ProxySpec] = [
            ProxySpec(task: .teacherStudent(inputs: 8, hidden: [8], classes: 4, labelNoise: 0.1), model: .mlp(hidden: [16])),
            ProxySpec(task: .images(images), model: .mlp(hidden: [8])), ProxySpec(task: .images(images), model: .cnn(channels: [2, 4])),
            ProxySpec(
                task: .markov(vocabulary: 6, sharpness: 1),
                model: .gpt(layers: 1, hidden: 8, heads: 2, sequence: 8, experts: .init(count: 4, active: 2), keptKeys: 3)),
            ProxySpec(task: .text(bytes: nil), model: .gpt(layers: 1, hidden: 8, heads: 1, sequence: 8, experts: nil, keptKeys: nil)),
        ]
        for spec in specs {
            let task = try spec.singlePrecision()
            let parameters = task.initialParameters(seed: 1)
            var gradient: [[Float]] = []
            let loss = try task.gradient(parameters, Samples(seed: 1, first: 0, count: 4), into: &gradient)
            #expect(gradient.map(\.count) == task.shapes.map { $0.reduce(1, *) })
            #expect(loss.isFinite && gradient.joined().contains { $0 != 0 })
            #expect(try task.loss(parameters).isFinite)
        }
        #expect(throws: (any Error).self) {
            _ = try ProxySpec(task: .markov(vocabulary: 6, sharpness: 1), model: .mlp(hidden: [2])).singlePrecision()
        }
        let text = try TextSource(SampleText.make())
        #expect(text.bigramLoss < 2.5)
        #expect(text.bigramLoss > 1)
    }

    @Test func statesAreKept() throws {
        let store = MemoryStore()
        var spec = CosimSpec(proxy: quadratic, workers: 2)
        spec.stop = StopRule(steps: 50)
        spec.rate = .init(nil)
        spec.tuning.trials = 3
        var study = CosimStudy(spec, clock: WorkerClock())
        let whole = try study.run()
        study.store = store
        #expect(try study.run().points == whole.points)
        let saves = store.saves
        #expect(saves > 5)
        // Everything is there: nothing is trained again.
        #expect(try study.run().points == whole.points)
        #expect(store.saves == saves)
    }
}

private final class MemoryStore: StateStore, @unchecked Sendable {
    private var states: [String: [UInt8]] = [:]
    private(set) var saves = 0
    func load(_ name: String) -> [UInt8]? { states[name] }
    func save(_ state: [UInt8], as name: String) {
        states[name] = state
        saves += 1
    }
}

extension StudyTests {
    /// A phase with half the tokens takes less than half the time (attention is quadratic), and positions it does not have stay where they are.
    @Test func shorterSequencesMakeShorterSteps() throws {
        let model = ProxySpec.Model.gpt(layers: 1, hidden: 16, heads: 2, sequence: 32, experts: nil, keptKeys: nil)
        var spec = CosimSpec(proxy: ProxySpec(task: .markov(vocabulary: 8, sharpness: 2), model: model), workers: 2)
        spec.rate = .init(0.01)
        spec.optimizer = .adamW()
        spec.stop = StopRule(steps: 40)
        spec.seeds = 1
        let whole = try CosimStudy(spec, clock: WorkerClock()).run()
        spec.proxy.phases = [.init(end: 0.5, sequence: 16), .init(end: 1)]
        let phased = try CosimStudy(spec, clock: WorkerClock()).run()
        #expect(abs(whole.seconds - (40)) <= 1e-9)
        #expect(phased.seconds < 30)
        #expect(phased.seconds > 28)
        #expect(try abs(unwrapped(phased.points.last).tokens - (0.75 * (try unwrapped(whole.points.last)).tokens)) <= 1e-6)
        spec.proxy.phases = [.init(end: 1)]
        #expect(try CosimStudy(spec, clock: WorkerClock()).run().points == whole.points)
        spec.proxy.phases = [.init(end: 0.5, sequence: 64), .init(end: 1)]
        #expect(throws: (any Error).self) { _ = try CosimStudy(spec, clock: WorkerClock()).run() }
    }
}
