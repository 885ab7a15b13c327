import Calibration
import Cluster
import Foundation
import Plan
import Simulation
import TestSupport
import Testing
import Workload

@testable import Planner

/// Searches where communication is played as flows: on an oversubscribed tree, and on a torus with thin cables.
@Suite struct FlowSearchTests {
    private static func space(_ seed: UInt64) throws -> SearchSpace {
        var generator = TestDraws(seed: seed)
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &generator)] }
        var job = try smallJob(
            pick(["llama2-7b", "mixtral-8x7b", "gpt3-175b"]), gpus: pick([16, 32]), batch: pick([16, 32]),
            framework: pick(["megatron-lm", "torchtitan", "megatron-lm-zero-bubble"]), layers: pick([4, 8]))
        var form = NetworkForm()
        if Bool.random(using: &generator) {
            (form.oversubscription, form.radix) = (pick([2, 4, 8]), 12)
        } else {
            form.between = .torus(dims: job.cluster.nodes == 2 ? [2] : [2, 2])
            form.cable = LinkProperties(bandwidth: pick([25e9, 100e9]), latency: 500e-9)
        }
        job.cluster.interNode?.form = form
        var constraints = SearchConstraints()
        (constraints.recompute, constraints.maxMicroBatch, constraints.maxPipeline) = ([.none, .full], 2, 4)
        (constraints.maxTensor, constraints.maxVirtual) = (4, 2)
        return SearchSpace(job: job, constraints: constraints)
    }

    /// Every layout of a space is simulated: the search finds the ten best by the very time that is printed, no bound is above it, and the answer is proven.
    @Test("the ten best of all, and bounds below the time that is printed", arguments: 1...5)
    func theBestAreFound(seed: UInt64) throws { _ = try Self.check(seed) }

    /// With `ORRERY_RECORD=1` the table goes to reports/planner.
    @Test("twenty spaces", .enabled(if: ExhaustiveTests.isFull, "takes minutes: ORRERY_FULL=1 and a release build"))
    func twenty() throws {
        let rows = try (1...20).map(Self.check)
        guard ProcessInfo.processInfo.environment["ORRERY_RECORD"] == "1" else { return }
        let text =
            "# Search where communication is played as flows\n\nMade by `make planner-check`: 20 generated spaces on oversubscribed trees and thin tori, "
            + "each searched for its ten best layouts\nand then simulated in full as flows. A row: whether the best is the best of all by the time that "
            + "is printed, and whether the answer says that\nno layout is better.\n\n| seed | layouts | simulated | best of all | proven | space |\n"
            + "|---|---|---|---|---|---|\n" + rows.joined(separator: "\n") + "\n"
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        try text.write(to: folder.appendingPathComponent("reports/planner/flow-spaces.md"), atomically: true, encoding: .utf8)
    }

    /// A row of the report.
    private static func check(_ seed: UInt64) throws -> String {
        let data = try CalibrationData.shipped()
        let space = try Self.space(seed)
        var settings = SearchSettings()
        (settings.network, settings.jobs) = (.flow, 2)
        let result = try search(space, objective: .time, data: data, settings: settings)
        let evaluator = Evaluator(space: space, objective: .time, data: data, network: .flow)
        var values: Set<Double> = []
        for outcome in evaluator.outcomes(Array(space.choices.indices), jobs: 2) {
            if case .figures(let figures) = outcome { values.insert(figures.seconds) }
        }
        let best = Array(values.sorted().prefix(result.ranked.count))
        #expect(result.isProven)
        #expect(result.ranked.first?.value == best.first, "seed \(seed)")
        #expect(Set(result.ranked.map(\.value)).isSubset(of: values))
        #expect((result.ranked.last?.value ?? 0) <= (values.sorted().dropFirst(9).first ?? .infinity), "seed \(seed)")
        var played = SimulationSettings()
        (played.network, played.timeline) = (.flow, false)
        for layout in result.ranked {
            let printed = try simulate(try space.job(layout.choice).plan(data), settings: played).step.timeS.mean
            #expect(layout.value == printed, "seed \(seed): \(layout.choice)")
            #expect(layout.bound <= layout.value * (1 + 1e-12), "seed \(seed): \(layout.choice)")
        }
        let job = space.job
        let isBest = result.ranked.first?.value == best.first
        return "| \(seed) | \(space.choices.count) | \(result.simulated) | \(isBest ? "yes" : "no") | \(result.isProven ? "yes" : "no") | "
            + "\(job.model.name), \(job.cluster.gpus) GPUs, batch \(job.training.globalBatch), \(job.software.framework) |"
    }
}
