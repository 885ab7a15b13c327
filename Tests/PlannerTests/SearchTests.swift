import Calibration
import Cluster
import Cost
import Plan
import Quantities
import Simulation
import Testing
import Workload

@testable import Planner

private var allSchedules: SearchConstraints {
    var constraints = SearchConstraints()
    constraints.schedules = SearchSpace.schedules
    return constraints
}

/// All schedules, and every kind of recomputation.
private var everything: SearchConstraints {
    var constraints = allSchedules
    constraints.recompute += [.modules(.norms), .modules([.norms, .activation])]
    return constraints
}

/// Small spaces of different kinds.
private let spaces: [@Sendable () throws -> SearchSpace] = [
    { SearchSpace(job: try smallJob()) },
    { SearchSpace(job: try smallJob(framework: "megatron-deepspeed")) },
    { SearchSpace(job: try smallJob(framework: "megatron-lm-zero-bubble"), constraints: allSchedules) },
    { SearchSpace(job: try smallJob(framework: "torchtitan", sequence: 8192)) },
    { SearchSpace(job: try smallJob("gpt3-175b", gpus: 24, batch: 48, layers: 12, hardware: "a100-sxm-80gb", network: "ib-hdr-200g-x8")) },
    { SearchSpace(job: try smallJob(gpus: 8, batch: 24, layers: 12), constraints: allSchedules) },
    { SearchSpace(job: try smallJob("mixtral-8x7b", gpus: 16, batch: 16, layers: 4)) },
    { SearchSpace(job: try smallJob("mixtral-8x7b", gpus: 8, batch: 64, layers: 8), constraints: everything) },
    { SearchSpace(job: try smallJob("gpt3-175b", gpus: 16, batch: 64, layers: 16), constraints: everything) },
]

@Suite("Search space")
struct SpaceTests {
    /// Optimizer states on the host are sharded where there are replicas, or each would update the whole model: ZeRO 0 is illegal then, 1 to 3 are not.
    @Test("offloaded states are searched where they are sharded")
    func offloaded() throws {
        var own = try smallJob(gpus: 8)
        own.cluster.host = try Catalogue.usualHost(for: "h100-sxm-80gb")
        (own.layout.offload, own.layout.zero) = (.optimizer, 1)
        let space = SearchSpace(job: own)
        #expect(space.choices.count > 100)
        for choice in space.choices {
            #expect(space.job(choice).problems().isEmpty, "\(choice)")
            #expect(choice.zero > 0 || space.job(choice).replicas == 1, "\(choice)")
        }
    }

    @Test("every layout of a space is legal and none stands twice", arguments: spaces.indices)
    func legal(index: Int) throws {
        let space = try spaces[index]()
        #expect(space.choices.count > 50)
        for choice in space.choices {
            let problems = space.job(choice).problems()
            #expect(problems.isEmpty, "\(choice): \(problems)")
        }
        #expect(Set(space.choices).count == space.choices.count)
    }

    /// 4 layers over 4 GPUs, batch 4, 1F1B, no recomputation, ZeRO 0: tensor, pipeline, data of (1,1,4) m 1; (1,2,2) m 1, 2; (1,4,1) m 1, 2, 4;
    /// (2,1,2) m 1, 2; (2,2,1) m 1, 2, 4; (4,1,1) m 1, 2, 4. Tensor above 1 with and without sequence parallelism:
    /// 1 + 2 + 3 + 2 x (2 + 3 + 3) = 22.
    @Test("a space that can be counted by hand")
    func counted() throws {
        var constraints = SearchConstraints()
        constraints.recompute = [.none]
        constraints.zero = [0]
        constraints.schedules = [.oneForwardOneBackward]
        #expect(SearchSpace(job: try smallJob(gpus: 4, batch: 4, layers: 4), constraints: constraints).choices.count == 22)
    }

    /// All grid points that the legality check lets through, without any of the enumeration's shortcuts.
    @Test("equals brute force over the grid")
    func bruteForce() throws {
        let job = try smallJob(gpus: 8, batch: 8, layers: 8)
        var found: Set<LayoutChoice> = []
        var choice = LayoutChoice()
        for tensor in 1...8 where tensor.nonzeroBitCount == 1 {
            for pipeline in 1...8 where 8 % (tensor * pipeline) == 0 {
                for virtual in 1...8 where 8 % (pipeline * virtual) == 0 || 10 % (pipeline * virtual) == 0 {
                    for micro in [1, 2, 4, 8] {
                        for shares in [false, true] where tensor > 1 || !shares {
                            for schedule in job.offeredSchedules {
                                guard pipeline > 1 || schedule == .oneForwardOneBackward else { continue }
                                guard pipeline * virtual <= 8 else { continue }
                                (choice.tensor, choice.pipeline, choice.virtual) = (tensor, pipeline, virtual)
                                (choice.microBatch, choice.sequenceParallel, choice.schedule) = (micro, shares, schedule)
                                choice.zero = 0
                                guard job.laidOut(choice).problems().isEmpty else { continue }
                                for zero in 0...(tensor * pipeline < 8 ? 3 : 0) {
                                    choice.zero = zero
                                    guard job.laidOut(choice).problems().isEmpty else { continue }
                                    for recompute in [Recompute.none, .selective, .full, .auto] {
                                        choice.recompute = recompute
                                        found.insert(choice)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        let space = SearchSpace(job: job)
        #expect(Set(space.choices) == found)
    }
}

@Suite("Bounds")
struct BoundTests {
    /// A stride through each space; the bound must not exceed what the simulation says, and should not be far below it.
    @Test("never above the simulated step", arguments: spaces.indices)
    func steps(index: Int) throws { try admissible(index, .time, count: 60) }

    @Test("never above dollars and joules", arguments: [2, 6], [Objective.Kind.cost, .energy])
    func money(index: Int, kind: Objective.Kind) throws { try admissible(index, kind, count: 20) }

    private func admissible(_ index: Int, _ kind: Objective.Kind, count: Int) throws {
        let whole = try spaces[index]()
        let step = max(1, whole.choices.count / count) | 1
        let space = SearchSpace(whole, choices: stride(from: index, to: whole.choices.count, by: step).map { whole.choices[$0] })
        let data = try CalibrationData.shipped()
        var prices = PriceBook()
        prices.gpuHour = try HourlyPrice(parsing: "2.00 USD/h")
        prices.electricity = try EnergyPrice(parsing: "0.10 USD/kWh")
        prices.chargesEnergy = true
        let objective = try Objective(kind, job: space.job, prices: prices)
        let bounds = Bounds(space: space, objective: objective, data: data, jobs: 1).figures
        let evaluator = Evaluator(space: space, objective: objective, data: data)
        var ratios: [Double] = []
        for choice in space.choices.indices {
            guard let plan = try? space.job(space.choices[choice]).plan(data) else { continue }
            let value = objective.value(try evaluator.figures(of: plan))
            let bound = try objective.value(#require(bounds[choice]))
            #expect(bound <= value, "\(space.choices[choice])")
            ratios.append(bound / value)
        }
        #expect(ratios.count >= 10)
        #expect(ratios.sorted()[ratios.count / 2] > (kind == .energy ? 0.5 : 0.8), "the bound says little")
    }

    /// Equal work for the bound's memory test and the plan's own estimate.
    @Test("memory is that of the plan", arguments: spaces.indices)
    func memory(index: Int) throws {
        let space = try spaces[index]()
        let data = try CalibrationData.shipped()
        let evaluator = Evaluator(space: space, objective: .time, data: data)
        for choice in stride(from: 0, to: space.choices.count, by: max(1, space.choices.count / 30)) {
            guard let plan = try? space.job(space.choices[choice]).plan(data) else { continue }
            let isUnfit = if case .unfit = evaluator.outcome(space.choices[choice]) { true } else { false }
            #expect(isUnfit == !plan.memory.keepsMargin, "\(space.choices[choice])")
        }
    }
}

@Suite("Search")
struct SearchTests {
    /// All values by simulating everything; a layout that differs from another in recomputation only and takes as long counts once.
    private func exhaustive(_ space: SearchSpace, _ data: CalibrationData) -> [Double] {
        struct Key: Hashable {
            var choice: LayoutChoice
            var value: Double
        }
        let evaluator = Evaluator(space: space, objective: .time, data: data)
        var found: Set<Key> = []
        for choice in space.choices {
            guard case .figures(let figures) = evaluator.outcome(choice) else { continue }
            let value = figures.seconds
            var plain = choice
            plain.recompute = .none
            found.insert(Key(choice: plain, value: value))
        }
        return found.map(\.value).sorted()
    }

    @Test("finds the ten best of all", arguments: [0, 4, 5, 6])
    func optimum(index: Int) throws {
        var space = try spaces[index]()
        // A slice of the degrees keeps the exhaustive side quick.
        var constraints = space.constraints
        constraints.zero = [1, 3]
        constraints.recompute = [.none, .selective]
        (constraints.maxMicroBatch, constraints.maxTensor, constraints.maxPipeline) = (1, 4, 4)
        space = SearchSpace(job: space.job, constraints: constraints)
        let data = try CalibrationData.shipped()
        let result = try search(space, objective: .time, data: data)
        #expect(result.isProven)
        #expect(result.ranked.map(\.value) == Array(exhaustive(space, data).prefix(10)))
        #expect(result.simulated < space.choices.count / 2)
    }

    @Test("memory limits are kept, and too tight ones leave nothing")
    func memoryLimit() throws {
        var constraints = SearchConstraints()
        constraints.memory = 20e9
        let data = try CalibrationData.shipped()
        let space = SearchSpace(job: try smallJob(), constraints: constraints)
        let result = try search(space, objective: .time, data: data)
        #expect(!result.ranked.isEmpty)
        for layout in result.ranked { #expect(try space.job(layout.choice).plan(data).memory.peak <= 20e9) }
        constraints.memory = 1
        #expect(try search(SearchSpace(job: try smallJob(), constraints: constraints), objective: .time, data: data).ranked.isEmpty)
    }

    @Test("the answer and the counts do not depend on the threads")
    func threads() throws {
        let data = try CalibrationData.shipped()
        let space = try spaces[0]()
        var settings = SearchSettings()
        let one = try search(space, objective: .time, data: data, settings: settings)
        settings.jobs = 3
        let three = try search(space, objective: .time, data: data, settings: settings)
        #expect(one.ranked.map(\.index) == three.ranked.map(\.index))
        #expect(one.ranked.map(\.value) == three.ranked.map(\.value))
        #expect([one.simulated, one.tested, one.unfit] == [three.simulated, three.tested, three.unfit])
    }

    @Test("the gap to the optimum is reported, and is none")
    func gap() throws {
        var constraints = SearchConstraints()
        (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1], [.none], 1)
        var settings = SearchSettings()
        settings.exhaustiveLimit = 1000
        let space = SearchSpace(job: try smallJob(), constraints: constraints)
        #expect(try search(space, objective: .time, data: try CalibrationData.shipped(), settings: settings).exhaustiveGap == 0)
    }

    @Test("a time budget cuts the search short and says so")
    func budget() throws {
        var settings = SearchSettings()
        (settings.seconds, settings.keep) = (0, 60)
        let space = try spaces[0]()
        let result = try search(space, objective: .time, data: try CalibrationData.shipped(), settings: settings)
        #expect(!result.isProven)
        #expect(result.unexplored != nil)
        #expect(!result.ranked.isEmpty)
        // The best layout of all, asked for by name, is the answer of a search without any time.
        settings.seconds = nil
        let best = try #require(try search(space, objective: .time, data: try CalibrationData.shipped(), settings: settings).ranked.first)
        settings.seconds = 0
        let told = SearchSpace(job: space.job, constraints: space.constraints, others: [best.choice])
        let answer = try search(told, objective: .time, data: try CalibrationData.shipped(), settings: settings)
        #expect(!answer.isProven)
        #expect(answer.ranked.first?.value == best.value)
    }

    @Test("an empty space and a missing price are told")
    func refusals() throws {
        var constraints = SearchConstraints()
        constraints.recompute = []
        // A layout of its own that is legal would be in the space.
        var outside = try smallJob()
        outside.layout.tensor = 3
        #expect(throws: Fault.self) {
            try search(
                SearchSpace(job: outside, constraints: constraints), objective: .time, data: try CalibrationData.shipped())
        }
        let error = #expect(throws: Fault.self) { try Objective(.cost, job: try smallJob(), prices: PriceBook()) }
        #expect(error?.keyPath == "prices.gpu_hour")
    }
}
