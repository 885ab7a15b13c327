import Calibration
import Foundation
import Plan
import TestSupport
import Testing
import Workload

@testable import Planner

/// Generated spaces, each simulated in full and searched: the planner's ten best are those of all, at a twentieth of the work.
///
/// `ORRERY_FULL=1` (and a release build) goes through fifty of 1,000 to 5,000 layouts; otherwise a few small ones stand for them.
@Suite("Exhaustive spaces")
struct ExhaustiveTests {
    static let isFull = ProcessInfo.processInfo.environment["ORRERY_FULL"] == "1"

    private struct Sample {
        var space: SearchSpace
        var name: String
    }

    /// A space of `sizes` layouts; models, machines, batch and lists of choices vary with the seed.
    private func sample(_ seed: UInt64, sizes: ClosedRange<Int>) throws -> Sample {
        var generator = TestDraws(seed: seed)
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

    private struct Answer {
        var name: String
        var layouts: Int
        var fit: Int
        /// Simulations in search of ten, and of one.
        var simulated: Int
        var simulatedForOne: Int
        /// Step times of the ten best that the search found, and of all.
        var found: [Double]
        var best: [Double]
        var one: Double?
        var seconds: Double
        /// Layouts whose bound is above what the simulation says.
        var above: Int
        var share: Double { Double(simulated) / Double(layouts) }
        var shareForOne: Double { Double(simulatedForOne) / Double(layouts) }
        var isEqual: Bool { found == best && one == best.first }
    }

    /// Searches a space, and simulates all of it.
    private func answer(_ sample: Sample) throws -> Answer {
        let data = try CalibrationData.shipped()
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
        let bounds = Bounds(space: space, objective: .time, data: data, jobs: 2).figures
        var above = 0
        for (index, outcome) in evaluator.outcomes(Array(space.choices.indices), jobs: 2).enumerated() {
            guard case .figures(let figures) = outcome else { continue }
            if let bound = bounds[index], bound.seconds > figures.seconds { above += 1 }
            var plain = space.choices[index]
            plain.recompute = .none
            values[Key(choice: plain, value: figures.seconds)] = figures.seconds
        }
        return Answer(
            name: sample.name, layouts: space.choices.count, fit: values.count, simulated: result.simulated, simulatedForOne: one.simulated,
            found: result.ranked.map(\.value), best: Array(values.values.sorted().prefix(10)), one: one.ranked.first?.value,
            seconds: result.seconds, above: above)
    }

    @Test("the ten best of all, at a fraction of the simulations", arguments: 1...3)
    func optimum(seed: UInt64) throws {
        let answer = try answer(sample(seed, sizes: 300...900))
        #expect(answer.found == answer.best, "seed \(seed): \(answer.name)")
        #expect(answer.one == answer.best.first, "seed \(seed): \(answer.name)")
        #expect(answer.above == 0, "seed \(seed): \(answer.name)")
        // Ten are looked for sixteen at a time, which weighs in a space as small as these.
        #expect(answer.share <= 0.15, "seed \(seed): \(answer.name)")
    }

    /// Ten spaces of 2,000 to 5,000 layouts and forty of 1,000 to 2,000. With `ORRERY_RECORD=1` the table goes to reports/planner.
    @Test("fifty spaces, at a twentieth of the simulations", .enabled(if: isFull, "takes minutes: ORRERY_FULL=1 and a release build"))
    func fifty() throws {
        var rows: [String] = []
        var answers: [Answer] = []
        var seed: UInt64 = 0
        while answers.count < 50 {
            seed += 1
            let answer = try answer(sample(seed, sizes: seed % 5 == 0 ? 2000...5000 : 1000...2000))
            // Where nothing fits there is nothing to find; such a space does not count.
            guard answer.fit > 0 else {
                #expect(answer.found.isEmpty && answer.one == nil, "seed \(seed): \(answer.name)")
                continue
            }
            #expect(answer.isEqual, "seed \(seed): \(answer.name)")
            #expect(answer.above == 0, "seed \(seed): \(answer.name)")
            // Sixteen are simulated at a time, so a space of 1,000 layouts takes 1.6 % at least.
            #expect(answer.shareForOne <= 0.03, "seed \(seed): \(answer.name)")
            #expect(answer.share <= 0.05, "seed \(seed): \(answer.name)")
            answers.append(answer)
            rows.append(
                "| \(seed) | \(answer.layouts) | \(answer.fit) | \(answer.simulated) | \(percent(answer.share)) | \(answer.simulatedForOne) | \(percent(answer.shareForOne)) | \(answer.isEqual ? "equal" : "DIFFERENT") | \(answer.name) |"
            )
            print(rows[rows.count - 1])
            if Self.isRecorded { try write(rows, answers) }
        }
    }

    static let isRecorded = ProcessInfo.processInfo.environment["ORRERY_RECORD"] == "1"

    private func write(_ rows: [String], _ answers: [Answer]) throws {
        let equal = answers.count(where: \.isEqual)
        let most = answers.map(\.share).max() ?? 0
        let whole = answers.reduce(0) { $0 + $1.layouts }
        let simulated = answers.reduce(0) { $0 + $1.simulated }
        let text = """
            # Planner against exhaustion

            Made by `make planner-check`: \(answers.count) generated spaces, each searched for its ten best layouts (and again for the best one), and then
            simulated in full. The best, and the ten best, of the search are those of all: \(equal) of \(answers.count). Simulated to find the best:
            \(percent(answers.map(\.shareForOne).max() ?? 0)) of a space at most; to find ten: \(percent(most)) at most, above 5 % in
            \(answers.count { $0.share > 0.05 }) spaces, and \(simulated) of \(whole) layouts (\(percent(Double(simulated) / Double(max(1, whole))))) in all.
            Bounds above the simulated step of their layout: \(answers.reduce(0) { $0 + $1.above }).

            | seed | layouts | fit | simulated for ten | share | for one | share | ten best | space |
            |---|---|---|---|---|---|---|---|---|

            """
        let file = URL(fileURLWithPath: #filePath).appending(path: "../../../reports/planner/exhaustive-spaces.md").standardized
        try (text + rows.joined(separator: "\n") + "\n").write(to: file, atomically: true, encoding: .utf8)
    }

    private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
