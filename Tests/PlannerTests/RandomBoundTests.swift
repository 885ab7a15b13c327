import Calibration
import Cluster
import Plan
import TestSupport
import Testing
import Workload

@testable import Planner

/// Layouts drawn at random from spaces of random models, machines, stacks and lists of choices.
@Suite("Bounds of random layouts")
struct RandomBoundTests {
    /// Forty draws a seed: the bound must be at most what the simulation says, whatever the schedule, sharding, recomputation or offloading.
    @Test("never above the simulated step", arguments: 1...6)
    func admissible(seed: UInt64) throws {
        var generator = TestDraws(seed: seed)
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &generator)] }
        let data = try CalibrationData.shipped()
        var compared = 0
        var schedules: Set<ScheduleKind> = []
        for _ in 0..<8 {
            var job = try smallJob(
                pick(["llama2-7b", "gpt3-175b", "mixtral-8x7b"]), gpus: pick([8, 16, 32]), batch: pick([32, 64, 96]),
                framework: pick(["megatron-lm", "megatron-deepspeed", "megatron-lm-zero-bubble", "torchtitan", "nemo"]),
                layers: pick([8, 10, 16]), sequence: pick([1024, 4096]))
            job.layout.bucketing = pick([.fixed, .fixed, .groups])
            job.cluster.host = try Catalogue.usualHost(for: "h100-sxm-80gb")
            job.layout.offload = pick([.none, .none, .none, .optimizer, .parameters])
            var constraints = SearchConstraints()
            constraints.schedules = SearchSpace.schedules
            constraints.recompute = [.none, .selective, .full, .auto, .modules(.norms), .modules([.norms, .activation])]
            var whole = SearchSpace(job: job, constraints: constraints)
            // Parameters on the host need ZeRO 3, and some stacks and sizes have none.
            if whole.choices.isEmpty {
                job.layout.offload = .none
                whole = SearchSpace(job: job, constraints: constraints)
            }
            guard !whole.choices.isEmpty else { continue }
            var choices: [LayoutChoice] = []
            // A fair share of deep pipelines, where schedules differ.
            let deep = whole.choices.filter { $0.pipeline > 1 }
            for _ in 0..<5 { choices.append(pick(deep.isEmpty || Bool.random(using: &generator) ? whole.choices : deep)) }
            // And one whose layers are dealt by time.
            if var choice = choices.first(where: { $0.pipeline > 1 }) {
                choice.stageDeal = .time
                choices.append(choice)
            }
            let space = SearchSpace(whole, choices: choices)
            let bounds = Bounds(space: space, objective: .time, data: data, jobs: 1).figures
            for (index, choice) in choices.enumerated() {
                guard let plan = try? space.job(choice).plan(data) else { continue }
                let seconds = try Evaluator(space: space, objective: .time, data: data).figures(of: plan).seconds
                let bound = try #require(bounds[index]).seconds
                #expect(bound <= seconds, "seed \(seed): \(job.model.name), \(job.software.framework), \(choice)")
                #expect(bound > 0)
                // With the layers that `auto` takes, which a search asks for when the layout's turn comes.
                var shared = try #require(SharedCosts(space: space, first: choice, data: data))
                let raised = shared.bound(choice, .time, findsLayers: true).seconds
                #expect(raised <= seconds, "seed \(seed): \(job.model.name), \(job.software.framework), \(choice)")
                #expect(raised >= bound * (1 - 1e-12))
                compared += 1
                if choice.pipeline > 1 { schedules.insert(choice.schedule) }
            }
        }
        #expect(compared >= 20, "seed \(seed)")
        #expect(schedules.count >= 5, "seed \(seed): \(schedules)")
    }
}

@Suite("Refinement")
struct RefinementTests {
    /// 10 layers over 4 ranks are dealt 2, 3, 3, 2 by the rule of the ends; a head of 32,000 words and an embedding weigh differently.
    @Test("layers dealt by time are never worse, and are what the plan says")
    func refined() throws {
        let data = try CalibrationData.shipped()
        var constraints = SearchConstraints()
        (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1], [.none], 1)
        (constraints.maxTensor, constraints.contextTokens) = (2, 1 << 20)
        let space = SearchSpace(job: try smallJob("llama3-405b", gpus: 32, batch: 32, layers: 9, sequence: 1024), constraints: constraints)
        var settings = SearchSettings()
        let plain = try search(space, objective: .time, data: data, settings: settings)
        settings.refined = 10
        let refined = try search(space, objective: .time, data: data, settings: settings)
        #expect(plain.refined == 0)
        #expect(refined.refined == refined.ranked.count { $0.choice.stageDeal == .time })
        #expect(refined.refined > 0, "no deal by time is faster: the test shows nothing")
        #expect(refined.ranked.map(\.value) == refined.ranked.map(\.value).sorted())
        for (a, b) in zip(refined.ranked, plain.ranked) { #expect(a.value <= b.value) }
        for layout in refined.ranked where layout.choice.stageDeal == .time {
            let plan = try space.job(layout.choice).plan(data)
            #expect(plan.memory.fits)
            #expect(try Evaluator(space: space, objective: .time, data: data).figures(of: plan).seconds == layout.value)
        }
        // Threads change nothing.
        settings.jobs = 3
        #expect(try search(space, objective: .time, data: data, settings: settings).ranked.map(\.value) == refined.ranked.map(\.value))
    }
}

@Suite("Recomputation that is chosen")
struct AutomaticRecomputationTests {
    /// Where nothing fits without recomputation and full recomputation is more than is needed, the fewest layers win.
    @Test("auto is in the list, and never slower than none or full")
    func auto() throws {
        let data = try CalibrationData.shipped()
        var constraints = SearchConstraints()
        (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1], [.none, .full, .auto], 4)
        constraints.schedules = [.oneForwardOneBackward]
        let job = try smallJob("llama2-7b", gpus: 8, batch: 32, layers: 32, sequence: 8192)
        let space = SearchSpace(job: job, constraints: constraints)
        let evaluator = Evaluator(space: space, objective: .time, data: data)
        var (partial, gains) = (0, 0)
        for (index, choice) in space.choices.enumerated() where choice.recompute == .auto && choice.zero == 1 {
            guard case .figures(let auto) = evaluator.outcome(choice) else { continue }
            for other in [Recompute.none, .full] {
                var twin = choice
                twin.recompute = other
                guard case .figures(let figures) = evaluator.outcome(twin) else { continue }
                #expect(auto.seconds <= figures.seconds * (1 + 1e-9), "\(choice) against \(other)")
                if auto.seconds < figures.seconds { gains += 1 }
            }
            if !evaluator.isRenamed(index) { partial += 1 }
        }
        #expect(partial > 0 && gains > 0, "no layout recomputes some layers: the test shows nothing")
    }
}
