import Foundation
import Lifetime
import Plan
import Planner
import Quantities
import Scenario
import Simulation
import Workload

/// Which model, trained on how many tokens in which layout, reaches the lowest loss for so much money or time?
public struct LossQuestion: Sendable {
    public var scenario: Scenario
    public var constraints: SearchConstraints
    /// Longest time for the whole run; nil: any.
    public var deadline: Quantities.Duration?
    /// Most that the whole run may cost, storage apart; nil: any.
    public var budget: Money?

    public init(
        _ scenario: Scenario, budget: Money?, deadline: Quantities.Duration?, constraints: SearchConstraints = SearchConstraints()
    ) {
        (self.scenario, self.budget, self.deadline, self.constraints) = (scenario, budget, deadline, constraints)
    }

    /// The scenario's law, else Chinchilla's as fitted anew.
    public var law: LossLaw { scenario.lossLaw ?? .chinchilla }

    /// The law, where one applies.
    func checkedLaw() throws(Fault) -> LossLaw {
        guard budget != nil || deadline != nil else {
            throw Fault(
                keyPath: "training.loss_law", reason: "without a limit the lowest loss is that of endless training",
                suggestion: "give --budget \"2M USD\" or --deadline \"30 days\"")
        }
        let model = scenario.job.model
        guard model.kind == .transformer, model.causal, model.moe == nil else {
            throw Fault(
                keyPath: "training.loss_law", reason: "laws of loss are for dense decoders, and \(model.name) is none",
                suggestion: "take a dense decoder, or search for time, cost or energy")
        }
        return law
    }
}

/// A model with the run that the limits allow.
public struct LossCandidate: Sendable {
    public var answer: RunAnswer
    public var parameters: Double
    public var tokens: Double
    public var loss: Double
    /// With E one standard error lower and higher; nil where none is published.
    public var interval: (low: Double, high: Double)?
    public var seconds: Double
    public var dollars: Double
    /// The limit that ends the run: budget or deadline.
    public var limit: String
}

public struct LossAnswer: Sendable {
    public var law: LossLaw
    /// Lowest loss first, one for each size of the model.
    public var ranked: [LossCandidate]
    public var warnings: [String]
    /// Why nothing is left; nil where something is.
    public var refusal: String? {
        ranked.isEmpty ? "no size of the model fits on the cluster and takes a step within the limits; take more GPUs, or more money" : nil
    }
}

extension Study {
    /// Goes through sizes of the scenario's model round the optimum of the law for the money, searches a layout for each, spends the limits on tokens, and
    /// narrows the sizes down round the best.
    /// - Throws: `ScenarioErrors` where no law applies, no limit is given, or there is no price for a budget.
    public func searchLoss(_ question: LossQuestion, settings given: SearchSettings = SearchSettings()) throws(ScenarioErrors) -> LossAnswer
    {
        let scenario = question.scenario
        let law = try scenario.locatingFaults { try question.checkedLaw() }
        var settings = given
        (settings.keep, settings.exhaustiveLimit, settings.refined) = (1, 0, 0)
        settings.seconds = given.seconds ?? 5
        var found: [Int: LossCandidate] = [:]
        var tried: Set<Int> = []
        // Sizes are counted in steps of the square root of two from the first guess.
        let first = guess(question)
        func attempt(_ place: Int) throws(ScenarioErrors) {
            guard tried.insert(place).inserted else { return }
            let wanted = first * pow(2, Double(place) / 2)
            guard wanted > 1e6, wanted < 1e14 else { return }
            found[place] = try candidate(scenario.job.model.scaled(to: wanted), question, settings)
        }
        for place in [-4, -2, 0, 2, 4] { try attempt(place) }
        var rounds = 0
        while rounds < 8, !settings.isInterrupted(), let best = found.min(by: { ($0.value.loss, $0.key) < ($1.value.loss, $1.key) })?.key {
            let next = [best - 1, best + 1, best - 2, best + 2].filter { !tried.contains($0) }
            guard !next.isEmpty else { break }
            for place in next.prefix(2) { try attempt(place) }
            rounds += 1
        }
        var warnings = ["loss by \(law.source): dense decoders on data that are seen once; its exponents carry their own errors"]
        if scenario.lossLaw == nil { warnings.append("training.loss_law is not given: chinchilla") }
        return LossAnswer(
            law: law, ranked: found.sorted { ($0.value.loss, $0.key) < ($1.value.loss, $1.key) }.map(\.value), warnings: warnings)
    }

    /// Compute-optimal parameters for what the limits buy at 40 % of the dense peak.
    private func guess(_ question: LossQuestion) -> Double {
        let (job, prices) = (question.scenario.job, question.scenario.prices)
        var seconds = question.deadline?.seconds ?? .infinity
        if let budget = question.budget, let rate = (try? prices.rates(gpus: job.cluster.gpus))?.dollarsPerSecond, rate > 0 {
            seconds = min(seconds, budget.dollars / rate)
        }
        guard seconds.isFinite else { return Double(job.model.parameters.total) }
        let peak = job.cluster.accelerator.peak(job.precision.compute) * Double(job.cluster.gpus)
        return question.law.optimum(flops: 0.4 * peak * seconds).parameters
    }

    private func candidate(
        _ model: Architecture, _ question: LossQuestion, _ settings: SearchSettings
    ) throws(ScenarioErrors) -> LossCandidate? {
        var scenario = question.scenario
        scenario.job.model = model
        scenario.job.training.length = .oneStep
        scenario.job.training.duration = nil
        scenario.weeks.duration = nil
        let layouts = SearchQuestion(scenario, objective: question.budget == nil ? .time : .cost, constraints: question.constraints)
        guard let best = try search(layouts, settings: settings).ranked.first else { return nil }
        let step = best.result.step.timeS.mean
        let dollars = best.bill.totalUSD / Double(max(1, best.run.steps))
        let byMoney = question.budget.map { dollars > 0 ? $0.dollars / dollars : .infinity } ?? .infinity
        let byTime = question.deadline.map { $0.seconds / step } ?? .infinity
        let steps = min(byMoney, byTime).rounded(.down)
        guard steps >= 1, steps.isFinite else { return nil }
        let (parameters, tokens) = (Double(model.parameters.total), steps * best.job.tokensPerStep)
        let loss = question.law.loss(parameters: parameters, tokens: tokens)
        return LossCandidate(
            answer: best, parameters: parameters, tokens: tokens, loss: loss,
            interval: question.law.irreducibleError.map { (loss - $0, loss + $0) }, seconds: steps * step, dollars: steps * dollars,
            limit: byMoney <= byTime ? "budget" : "deadline")
    }
}

extension Architecture {
    /// The same family at another size: hidden size and depth grow by the cube root, heads keep their width and grouping, the vocabulary stays.
    func scaled(to parameters: Double) -> Architecture {
        var model = self
        let ratio = pow(parameters / Double(max(1, self.parameters.total)), 1.0 / 3)
        let width = max(1, headDim > 0 ? headDim : hidden / max(1, heads))
        // Whole groups of heads that a tensor-parallel group of eight can share.
        let grouped = kvHeads < heads ? max(kvHeads, 8) : 8
        let wanted = Double(heads) * ratio
        let unit = wanted >= Double(grouped) ? grouped : 1
        model.heads = max(1, Int((wanted / Double(unit)).rounded()) * unit)
        model.kvHeads = kvHeads < heads && model.heads % kvHeads == 0 ? kvHeads : model.heads
        model.hidden = max(width, Int((Double(hidden) * Double(model.heads) / Double(max(1, heads)) / Double(width)).rounded()) * width)
        model.ffn = max(256, Int((Double(ffn) * Double(model.hidden) / Double(max(1, hidden)) / 256).rounded()) * 256)
        (model.publishedParameters, model.publishedActive) = (nil, nil)
        // Parameters grow evenly with the layers: as many as come nearest.
        model.layers = 1
        let one = Double(model.parameters.total)
        model.layers = 2
        let each = max(1, Double(model.parameters.total) - one)
        let layers = max(2, (parameters - one) / each + 1)
        let even = layers >= 16 ? 4.0 : 2
        model.layers = max(2, Int((layers / even).rounded() * even))
        let billions = Double(model.parameters.total) / 1e9
        model.name = "\(name), scaled to \(significant(billions, digits: 3)) B"
        return model
    }
}

extension LossAnswer {
    public var json: JSONValue {
        let entries = ranked.map { $0.json }
        return .object([
            ("objective", .string("loss")),
            (
                "law",
                .object([
                    ("name", .string(law.name)), ("E", .number(law.irreducible)), ("A", .number(law.a)), ("B", .number(law.b)),
                    ("alpha", .number(law.alpha)), ("beta", .number(law.beta)), ("source", .string(law.source)),
                ])
            ),
            ("warnings", .array(warnings.map { .string($0) })), ("best", entries.first ?? .null), ("ranked", .array(entries)),
        ])
    }
}

extension LossCandidate {
    var json: JSONValue {
        let model = answer.job.model
        let shape: [(key: String, value: JSONValue)] = [
            ("layers", .integer(model.layers)), ("hidden", .integer(model.hidden)), ("heads", .integer(model.heads)),
            ("kv_heads", .integer(model.kvHeads)), ("head_dim", .integer(model.headDim)), ("ffn", .integer(model.ffn)),
            ("vocab", .integer(model.vocab)), ("parameters", .number(parameters)),
        ]
        return .object(
            [
                ("model", .object(shape)), ("tokens", .number(tokens)), ("tokens_per_parameter", .number(tokens / parameters)),
                ("steps", .number(tokens / answer.job.tokensPerStep)), ("loss", .number(loss)),
                ("loss_interval", interval.map { .array([.number($0.low), .number($0.high)]) } ?? .null),
                ("wall_clock_s", .number(seconds)), ("cost_usd", .number(dollars)), ("limit", .string(limit)),
            ] + SearchAnswer.members(answer))
    }
}
