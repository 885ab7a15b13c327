import Calibration
import Plan
import Quantities
import Simulation

/// Simulates layouts.
struct Evaluator {
    enum Outcome: Sendable, Hashable {
        case figures(LayoutFigures)
        /// Needs more memory than a GPU has.
        case unfit
        /// Fits a GPU, but not the limit that was asked for.
        case overLimit
        /// No schedule or no step time exists.
        case impossible
    }
    let space: SearchSpace
    let objective: Objective
    let data: CalibrationData
    private let behaviour: StackBehaviour

    init(space: SearchSpace, objective: Objective, data: CalibrationData) {
        let job = space.job
        (self.space, self.objective, self.data) = (space, objective, data)
        behaviour = data.stacks.behaviour(
            of: job.software, on: job.cluster.accelerator, isMoE: job.model.moe != nil, precision: job.precision.compute)
    }

    /// Layouts whose turn comes together, whatever the number of threads.
    static let batch = 16

    /// - Parameters:
    ///   - isOver: asked before each; where true the rest stays nil.
    ///   - finished: called with each outcome as soon as there is one, from any thread.
    /// - Returns: [indices]
    func outcomes(
        _ indices: [Int], jobs: Int, isOver: @escaping @Sendable () -> Bool = { false },
        finished: @escaping @Sendable (Int, Outcome) -> Void = { _, _ in }
    ) -> [Outcome?] {
        parallelMap(indices, jobs: jobs, until: isOver) { index in
            let outcome = outcome(space.choices[index])
            finished(index, outcome)
            return outcome
        }
    }

    func outcome(_ choice: LayoutChoice) -> Outcome {
        let job = space.job(choice)
        // Where an order is searched, only the plan knows what it holds; what is far beyond needs none.
        let slack = choice.pipeline > 1 && choice.schedule.searchesOrder ? 1.25 : 1
        let memory = memory(of: job)
        guard memory.peak <= memory.capacity * slack else { return .unfit }
        guard memory.peak <= (space.constraints.memory ?? .infinity) * slack else { return .overLimit }
        guard let plan = try? job.plan(data) else { return .impossible }
        // The order itself may hold more than the rule that the schedule goes by.
        guard plan.memory.fits else { return .unfit }
        guard plan.memory.peak <= space.constraints.memory ?? .infinity else { return .overLimit }
        guard let figures = try? figures(of: plan) else { return .impossible }
        return .figures(figures)
    }

    /// Whether a layout is another one of the space by another name: it recomputes what fused attention repeats as it is, or `auto` chooses no
    /// layer, or all.
    func isRenamed(_ index: Int) -> Bool {
        guard index < space.enumerated else { return false }
        let (choice, listed) = (space.choices[index], space.constraints.recompute)
        switch choice.recompute {
        case .selective: return listed.contains(.none) && behaviour.flashAttention && behaviour.selective != .half
        case .auto:
            let found = space.job(choice).filled(with: behaviour).fewestRecomputed
            return found.isNone && listed.contains(.none) || found.isFull && listed.contains(.full)
        default: return false
        }
    }

    func memory(of job: Job) -> MemoryEstimate { MemoryEstimate(job: job.filled(with: behaviour)) }

    /// The objective's figures of the undisturbed step.
    func figures(of plan: Plan) throws(Fault) -> LayoutFigures {
        var figures: LayoutFigures
        if objective.needsTimeOnly, plan.job.training.dataLoading == nil {
            let seconds = try StepReplay(plan: plan).seconds(costs: plan.costs)
            figures = objective.figures(seconds: seconds, breakdown: [:], hfu: 0, job: plan.job)
        } else {
            var settings = SimulationSettings()
            settings.timeline = false
            let result = try simulate(plan, settings: settings)
            figures = objective.figures(
                seconds: result.step.timeS.mean, breakdown: result.breakdownS, hfu: result.step.hfu, job: plan.job)
        }
        if objective.weighsMemory { figures.bytes = plan.memory.peak }
        return figures
    }
}

extension ScheduleKind {
    /// Whether what is in flight depends on the job's times, and not on ranks and micro-batches alone.
    fileprivate var searchesOrder: Bool {
        switch self {
        case .zb1p, .zb2p, .zbV, .vHalf, .vMin, .auto: true
        default: false
        }
    }
}

extension Evaluator.Outcome {
    /// One line for a journal: a letter, and the bit patterns of the figures.
    var line: String {
        switch self {
        case .figures(let figures):
            "f "
                + [figures.seconds, figures.dollars, figures.joules, figures.bytes].map { String($0.bitPattern, radix: 16) }.joined(
                    separator: " ")
        case .unfit: "u"
        case .overLimit: "o"
        case .impossible: "i"
        }
    }

    /// nil for a line that says nothing of this kind.
    init?(line: String) {
        let words = line.split(separator: " ")
        switch words.first {
        case "f":
            let values = words.dropFirst().compactMap { UInt64($0, radix: 16).map(Double.init(bitPattern:)) }
            guard words.count == 5, values.count == 4 else { return nil }
            self = .figures(LayoutFigures(seconds: values[0], dollars: values[1], joules: values[2], bytes: values[3]))
        case "u": self = .unfit
        case "o": self = .overLimit
        case "i": self = .impossible
        default: return nil
        }
    }
}

/// Outcomes of a search: those that a journal holds are not computed again, and new ones are entered into it.
struct Outcomes {
    private(set) var evaluator: Evaluator
    let journal: Journal?
    private var known: [Int: Evaluator.Outcome] = [:]

    init(evaluator: Evaluator, journal: Journal?) {
        self.evaluator = evaluator
        self.journal = journal
    }

    /// Goes on with layouts that stand behind those of the space.
    mutating func extend(_ space: SearchSpace) {
        evaluator = Evaluator(space: space, objective: evaluator.objective, data: evaluator.data)
    }

    /// - Returns: [indices]; nil where `isOver` said so first.
    mutating func of(_ indices: [Int], jobs: Int, isOver: @escaping @Sendable () -> Bool = { false }) -> [Evaluator.Outcome?] {
        for index in indices where known[index] == nil {
            if let line = journal?[index] { known[index] = Evaluator.Outcome(line: line) }
        }
        let missing = indices.filter { known[$0] == nil }
        let journal = journal
        let computed = evaluator.outcomes(missing, jobs: jobs, isOver: isOver) { journal?.append($0, $1.line) }
        for (index, outcome) in zip(missing, computed) { known[index] = outcome }
        return indices.map { known[$0] }
    }
}
