import Calibration
import Foundation
import Plan
import Testing
import Workload

@testable import Planner

/// Generated spaces, each simulated in full and searched: the planner's ten best are those of all, at a twentieth of the work.
///
/// `ORRERY_FULL=1` (and a release build) goes through fifty of up to 5,000 layouts; otherwise a few small ones stand for them.
@Suite("Exhaustive spaces")
struct ExhaustiveTests {
    static let isFull = ProcessInfo.processInfo.environment["ORRERY_FULL"] == "1"

    private struct Sample {
        var space: SearchSpace
        var name: String
    }

    /// A space of `sizes` layouts; models, machines, batch and lists of choices vary with the seed.
    private func sample(_ seed: UInt64, sizes: ClosedRange<Int>) throws -> Sample {
        var generator = SplitMix(state: seed)
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &generator)] }
        while true {
            let model = pick(["llama2-7b", "llama2-70b", "gpt3-175b", "mixtral-8x7b", "llama3-405b"])
            let machines = pick([
                ("h100-sxm-80gb", "ib-ndr-400g-x8"), ("a100-sxm-80gb", "ib-hdr-200g-x8"), ("h100-sxm-80gb", "ib-ndr-400g-x8"),
            ])
            let framework = pick(["megatron-lm", "megatron-lm", "megatron-deepspeed", "torchtitan", "nemo"])
            let job = try smallJob(
                model, gpus: pick([8, 16, 24, 32, 48, 64]), batch: pick([32, 64, 96, 128, 256]), framework: framework,
                layers: pick([8, 12, 16, 24]),
                sequence: pick([1024, 2048, 4096, 8192]), hardware: machines.0, network: machines.1)
            var constraints = SearchConstraints()
            constraints.schedules = pick([constraints.schedules, SearchSpace.schedules, [.oneForwardOneBackward, .interleaved]])
            constraints.zero = pick([[0, 1, 2, 3], [0, 1], [1, 3]])
            constraints.maxMicroBatch = pick([nil, 4, 8])
            constraints.maxVirtual = pick([nil, 4])
            let space = SearchSpace(job: job, constraints: constraints)
            guard sizes.contains(space.choices.count) else { continue }
            return Sample(
                space: space,
                name:
                    "\(model) of \(job.model.layers) layers, \(job.cluster.gpus) x \(machines.0), batch \(job.training.globalBatch) x \(job.training.sequence), \(framework)"
            )
        }
    }

    @Test("the ten best of all, at a twentieth of the simulations", arguments: 1...(isFull ? 50 : 3))
    func optimum(seed: UInt64) throws {
        let data = try CalibrationData.shipped()
        let sample = try sample(seed, sizes: Self.isFull ? 1000...5000 : 300...900)
        let space = sample.space
        var settings = SearchSettings()
        settings.jobs = 2
        let result = try search(space, objective: .time, data: data, settings: settings)
        settings.keep = 1
        let one = try search(space, objective: .time, data: data, settings: settings)
        let evaluator = Evaluator(space: space, objective: .time, data: data)
        // Twins, equal but for recomputation that costs nothing, count once.
        struct Key: Hashable {
            var choice: LayoutChoice
            var value: Double
        }
        var values: [Key: Double] = [:]
        for (index, outcome) in evaluator.outcomes(Array(space.choices.indices), jobs: 2).enumerated() {
            guard case .figures(let figures) = outcome else { continue }
            var plain = space.choices[index]
            plain.recompute = .none
            values[Key(choice: plain, value: figures.seconds)] = figures.seconds
        }
        let best = Array(values.values.sorted().prefix(10))
        #expect(result.ranked.map(\.value) == best, "seed \(seed): \(sample.name)")
        #expect(one.ranked.first?.value == best.first, "seed \(seed): \(sample.name)")
        let share = Double(result.simulated) / Double(space.choices.count)
        if Self.isFull {
            #expect(share <= 0.05, "seed \(seed): \(sample.name)")
            let same = result.ranked.map(\.value) == best && one.ranked.first?.value == best.first
            print(
                "space \(seed): \(space.choices.count) layouts, \(values.count) fit, \(result.simulated) simulated for ten (\(percent(share))), \(one.simulated) for one (\(percent(Double(one.simulated) / Double(space.choices.count)))), \(same ? "equal" : "DIFFERENT"); \(sample.name)"
            )
        } else {
            #expect(share <= 0.25, "seed \(seed): \(sample.name)")
        }
    }

    private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
