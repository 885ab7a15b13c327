import Cluster
import Cost
import Plan
import Planner
import Quantities
import Scenario
import Workload

/// A question in one line: this model on so many of those GPUs. It stands for a scenario, which can be had.
public struct QuickQuestion: Sendable {
    /// A name of the catalogue, or the path of a published config.json.
    public var model: String
    /// A name of the catalogue, or its beginning ("h100").
    public var gpu: String
    public var gpus: Int
    /// Length of the run, as a scenario has it ("1T"); nil: one step.
    public var tokens: String?
    /// Tokens of a sequence; nil: the model's, at most 8,192.
    public var sequence: Int?
    /// Sequences of a step; nil: those of about 4 million tokens, and at least one a GPU.
    public var batch: Int?

    public init(model: String, gpu: String, gpus: Int) { (self.model, self.gpu, self.gpus) = (model, gpu, gpus) }

    /// The scenario without a layout.
    /// - Throws: `Fault` where the GPU cannot be told.
    func scenario() throws(Fault) -> String {
        let device = try device()
        let isFile = !Architecture.presetNames.contains(model) && (model.contains("/") || model.hasSuffix(".json"))
        let known = isFile ? nil : try? Architecture.preset(model)
        let isCNN = known.map { $0.kind != .transformer } ?? false
        let length = sequence ?? min(8192, known.map { $0.sequence > 0 ? $0.sequence : 4096 } ?? 4096)
        var lines = [
            "orrery: 1", "name: quick", "model: {\(isFile ? "huggingface" : "preset"): \(JSONValue.string(model).text(.compact))}",
        ]
        lines += ["cluster: {gpu: \(device), gpus: \(gpus)}", "training:", "  global_batch: \(batch ?? usualBatch(length, isCNN: isCNN))"]
        if !isCNN { lines.append("  sequence: \(length)") }
        if let tokens { lines.append("  tokens: \(tokens)") }
        if let book = try PriceBook.presets().first(where: { $0.gpu == device }) { lines.append("prices: {preset: \(book.name)}") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// About 4 Mi tokens in a power of two of sequences, made a multiple of the GPUs.
    private func usualBatch(_ length: Int, isCNN: Bool) -> Int {
        if isCNN { return gpus * 32 }
        var sequences = 1
        while sequences * 2 * max(1, length) <= 4 << 20 { sequences *= 2 }
        return max(1, (sequences + gpus - 1) / gpus) * gpus
    }

    /// Of several devices whose names begin so, the one in its fastest form with most memory.
    private func device() throws(Fault) -> String {
        let names = (try? Catalogue.acceleratorNames()) ?? []
        if names.contains(gpu) { return gpu }
        let alike = names.filter { $0.hasPrefix(gpu.lowercased() + "-") }
        let forms = alike.filter { $0.contains("-sxm-") }
        let best = (forms.isEmpty ? alike : forms).max { memory($0) < memory($1) }
        guard let best else {
            let close = nearest(gpu, in: names).map { "did you mean \"\($0)\"?" }
            throw Fault(
                keyPath: "--gpu", reason: "there is no device \"\(gpu)\" in the catalogue",
                suggestion: close ?? "orrery catalogue gpus lists them")
        }
        return best
    }

    private func memory(_ name: String) -> Double { (try? Catalogue.accelerator(named: name))?.memory.baseValue ?? 0 }
}

/// How long a quick question may take.
public struct QuickSettings: Sendable {
    /// Of the search; nil: until it is proven.
    public var seconds: Double?
    public var isInterrupted: @Sendable () -> Bool = { false }
    public init(seconds: Double? = nil) { self.seconds = seconds }
}

/// What a quick question found.
public struct QuickAnswer: Sendable {
    /// The scenario with the layout that was found, as text.
    public let yaml: String
    public let run: RunAnswer
    /// Layouts that were looked at, one way or the other.
    public let layouts: Int
}

extension Study {
    /// The fastest layout of a quick question, and its step.
    /// - Throws: `ScenarioErrors` where the question has no sense, or nothing fits.
    public func quick(_ question: QuickQuestion, settings: QuickSettings = QuickSettings()) throws(ScenarioErrors) -> QuickAnswer {
        func located(_ fault: Fault) -> ScenarioErrors {
            ScenarioErrors([
                ScenarioError(file: "quick", line: 1, column: 1, keyPath: fault.keyPath, reason: fault.reason, suggestion: fault.suggestion)
            ])
        }
        let text: String
        do throws(Fault) { text = try question.scenario() } catch { throw located(error) }
        let start = try Scenario.loadAnyLayout(yaml: text, file: "quick.yaml")
        var search = SearchSettings()
        (search.seconds, search.exhaustiveLimit, search.isInterrupted) = (settings.seconds, 0, settings.isInterrupted)
        let found = try self.search(SearchQuestion(start), settings: search)
        guard let best = found.ranked.first else { throw located(Fault(reason: found.refusal ?? "no layout fits", suggestion: "")) }
        let yaml = laidOut(text, best.job)
        let scenario = try Scenario.load(yaml: yaml, file: "quick.yaml")
        return QuickAnswer(yaml: yaml, run: try run(scenario), layouts: found.result.space)
    }

    private func laidOut(_ text: String, _ job: Job) -> String {
        let layout = job.layout
        var keys = ["tensor: \(layout.tensor)", "pipeline: \(layout.pipeline)", "zero: \(layout.zero)"]
        if layout.pipeline > 1 { keys += ["virtual: \(layout.virtual)", "schedule: \(layout.schedule.rawValue)"] }
        if layout.context > 1 { keys.append("context: \(layout.context)") }
        if layout.expert > 1 || layout.expertTensor > 1 { keys += ["expert: \(layout.expert)", "expert_tensor: \(layout.expertTensor)"] }
        if layout.sequenceParallel { keys.append("sequence_parallel: true") }
        if let layers = layout.stageLayers {
            keys.append("stage_layers: \(layers)")
        } else if layout.stageDeal != .auto {
            keys.append("stage_layers: \(layout.stageDeal.rawValue)")
        }
        let recompute =
            switch job.training.recompute {
            case .layers(let count): "{layers: \(count)}"
            case .modules(let modules): "{modules: [\(modules.description)]}"
            case .perRank: "auto"
            default: job.training.recompute.name
            }
        let training = "  micro_batch: \(job.training.microBatch)\n  recompute: \(recompute)\n"
        return (text.replacing("training:\n", with: "training:\n\(training)") + "layout: {\(keys.joined(separator: ", "))}\n")
    }
}
