import Calibration
import Foundation
import Plan
import Testing

@testable import Planner

/// How fast one core bounds and simulates, in processor time, so that what else runs on the machine weighs little.
@Suite("Speed")
struct SpeedTests {
    /// Llama-2 70B on 64 H100, batch 256 x 4,096: at least 20,000 lower bounds and 500 simulations a second of one core. With `ORRERY_RECORD=1`
    /// the figures go to reports/planner.
    @Test("a space of 64 GPUs", .enabled(if: ExhaustiveTests.isFull, "needs a release build: ORRERY_FULL=1"))
    func rates() throws {
        let data = try CalibrationData.shipped()
        let space = SearchSpace(job: try smallJob("llama2-70b", gpus: 64, batch: 256, layers: nil, sequence: 4096))
        var bounds: [LayoutFigures?] = []
        let bounding = best { bounds = Bounds(space: space, objective: .time, data: data, jobs: 1).figures }
        let evaluator = Evaluator(space: space, objective: .time, data: data)
        let order = space.choices.indices.sorted { (bounds[$0]?.seconds ?? .infinity) < (bounds[$1]?.seconds ?? .infinity) }
        // The layouts whose turn comes first in a search, of those that fit.
        let chosen = Array(order.filter { evaluator.memory(of: space.job(space.choices[$0])).fits }.prefix(500))
        var simulated = 0
        let simulating = best { simulated = evaluator.outcomes(chosen, jobs: 1).count { $0 != nil } }
        let rates = (bounds: Double(bounds.count) / bounding, simulations: Double(simulated) / simulating)
        #expect(simulated == 500)
        #expect(rates.bounds >= 20_000)
        #expect(rates.simulations >= 500)
        let text = """
            # Speed of the planner

            Made by `make planner-check`, in processor time of one core (best of three): Llama-2 70B on 64 H100, batch 256 x 4,096 tokens,
            \(space.choices.count) layouts.

            - lower bounds: \(Int(rates.bounds.rounded())) a second
            - full simulations (memory, plan, schedule, step) of the 500 layouts with the best bounds that fit: \(Int(rates.simulations.rounded())) a second

            """
        print(text)
        guard ExhaustiveTests.isRecorded else { return }
        let file = URL(fileURLWithPath: #filePath).appending(path: "../../../reports/planner/speed.md").standardized
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    /// Least seconds of processor time of three runs; other tests run on other threads.
    private func best(_ work: () -> Void) -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        return (0..<3).map { _ in
            let start = now()
            work()
            return now() - start
        }.min() ?? .infinity
    }
}
