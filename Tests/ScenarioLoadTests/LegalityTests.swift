import Plan
import TestSupport
import Testing
import Workload

@testable import Scenario

@Suite struct LegalityTests {
    private static let base = try? Fixture.load(Fixture.valid).job

    @Test func aLegalJobHasNoProblems() throws {
        #expect(try #require(Self.base).problems() == [])
    }

    @Test func allProblemsComeAtOnce() throws {
        var job = try #require(Self.base)
        job.layout.tensor = 3
        job.layout.expert = 2
        job.layout.virtual = 2
        job.layout.stageLayers = [1, 2, 3]
        job.precision.compute = .nvfp4
        // 3 divides neither 16 GPUs, 8 heads nor 2048; no experts; 1f1b with 2 chunks; 3 numbers for 4 stages that sum to 6; no nvfp4 on Hopper.
        let keys = job.problems().map(\.keyPath)
        let expected = ["layout.tensor", "layout.expert", "layout.schedule", "layout.stage_layers", "training.precision"]
        for key in expected { #expect(keys.contains(key), "\(key) is not among \(keys)") }
    }

    /// Random jobs against the definition: what is called legal has whole groups, whole batches and whole shards; and no number stops the check.
    @Test func legalMeansThatEverythingDivides() throws {
        let seed: UInt64 = 7
        print("seed of the layouts: \(seed)")
        var random = TestDraws(seed: seed)
        let base = try #require(Self.base)
        let degrees = [1, 1, 1, 2, 2, 4, 8, 3, 6, 16]
        let strange = [0, -1, Int.max, Int.min, 1 << 62, 1 << 30]
        var legal = 0
        for trial in 0..<4000 {
            var job = base
            func degree() -> Int { degrees[random.below(degrees.count)] }
            job.cluster.gpus = [8, 16, 32, 48][random.below(4)]
            (job.layout.tensor, job.layout.pipeline, job.layout.context) = (degree(), degree(), degree())
            job.layout.virtual = random.below(3) == 0 ? 2 : 1
            job.layout.schedule = job.layout.virtual > 1 ? .interleaved : .oneForwardOneBackward
            job.layout.data = random.below(2) == 0 ? degree() : nil
            job.layout.sequenceParallel = random.below(2) == 0
            job.training.globalBatch = [12, 24, 64, 96][random.below(4)]
            job.training.microBatch = degree()
            if trial % 5 == 0 {
                let value = strange[random.below(strange.count)]
                let paths: [WritableKeyPath<Job, Int>] = [
                    \.layout.tensor, \.layout.pipeline, \.layout.virtual, \.layout.context, \.layout.expert, \.layout.expertTensor,
                    \.cluster.gpus,
                    \.cluster.gpusPerNode, \.training.globalBatch, \.training.microBatch, \.training.sequence, \.model.layers,
                    \.model.heads,
                    \.model.kvHeads, \.model.hidden, \.model.ffn, \.model.vocab,
                ]
                job[keyPath: paths[random.below(paths.count)]] = value
            }
            let problems = job.problems()
            #expect(problems.allSatisfy { !$0.keyPath.isEmpty && !$0.reason.isEmpty && !$0.suggestion.isEmpty })
            guard problems.isEmpty else { continue }
            legal += 1
            let layout = job.layout
            #expect(job.data * layout.tensor * layout.pipeline * layout.context == job.cluster.gpus)
            #expect(job.microBatches * job.data * job.training.microBatch == job.training.globalBatch)
            #expect(job.model.heads % layout.tensor == 0 && job.training.sequence % layout.context == 0)
            #expect(layout.virtual == 1 || job.microBatches % layout.pipeline == 0)
            #expect(layout.pipeline * layout.virtual <= job.model.layers + 2)
        }
        #expect(legal > 100, "\(legal) legal jobs are too few to mean anything")
    }
}
