import Calibration
import Cluster
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
    func theBestAreFound(seed: UInt64) throws {
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
    }
}
