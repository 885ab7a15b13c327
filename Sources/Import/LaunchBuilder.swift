import Quantities
import Scenario
import Workload

/// Whose launch files are read and written.
public enum LaunchFormat: String, Sendable, Hashable, CaseIterable {
    case megatron, deepspeed, torchtitan, nemo, huggingface, mlperf
}

/// What is to be imported, and what the file cannot say.
public struct ImportRequest: Sendable {
    public var format: LaunchFormat
    public var path: String
    /// Name of a GPU in the catalogue; nil: assumed.
    public var gpu: String?
    /// GPUs of the job; nil: as the launch says, else assumed.
    public var gpus: Int?
    /// A published config.json, or the name of a model of the catalogue.
    public var model: String?
    /// Tokens of a sequence, where the file does not say.
    public var sequence: Int?
    /// Sequences of a step, where the file does not say.
    public var batch: Int?
    /// Variables of a script that its environment gives.
    public var variables: [String: String] = [:]
    /// Where the scenario will stand: paths in it are relative to this folder.
    public var folder = "."

    public init(_ format: LaunchFormat, path: String) { (self.format, self.path) = (format, path) }
}

/// Puts a scenario together from the settings of a launch.
struct LaunchBuilder {
    var settings: LaunchSettings
    var draft = ScenarioDraft()
    let request: ImportRequest
    var launcher = LauncherOptions()
    var remarks: [String] = []
    /// What is known of a model that is named and not described.
    var model: Architecture?

    init(_ settings: [LaunchSetting], _ request: ImportRequest, key: (LaunchSetting) -> String = { $0.key }) {
        self.settings = LaunchSettings(settings, file: request.path, key: key)
        self.request = request
    }

    var start: LaunchPlace { LaunchPlace(file: request.path, line: 1) }

    // MARK: Settings that become one key

    @discardableResult
    mutating func integer(_ path: String, _ names: [String], least: Int = 1, _ note: String = "") throws(ScenarioErrors) -> Int? {
        guard let found = try settings.integer(names, for: path, least: least) else { return nil }
        draft.set(path, "\(found.value)", from: found.from, note)
        return found.value
    }

    /// A flag that is written as `given` where it is true, and as `otherwise` where it is false and that is not nil.
    @discardableResult
    mutating func flag(
        _ path: String, _ names: [String], as given: String = "true", otherwise: String? = nil, _ note: String = ""
    ) throws(ScenarioErrors) -> Bool? {
        guard let found = try settings.flag(names, for: path) else { return nil }
        if found.value {
            draft.set(path, given, from: found.from, note)
        } else if let otherwise {
            draft.set(path, otherwise, from: found.from, note)
        }
        return found.value
    }

    /// A word with its translation; one that has none is listed as refused.
    @discardableResult
    mutating func word(_ path: String, _ names: [String], _ values: [String: String]) throws(ScenarioErrors) -> String? {
        guard let found = try settings.word(names, for: path) else { return nil }
        guard let value = values[found.value.lowercased()] else {
            settings.judge(names, .refused, "\(path) has no counterpart of \"\(found.value)\"")
            return nil
        }
        draft.set(path, value, from: found.from)
        return value
    }

    /// - Throws: a fault at the later of two settings of which the program takes one.
    func excludes(_ a: String, _ b: String, _ advice: String) throws(ScenarioErrors) {
        guard let first = settings.find([a]), let second = settings.find([b]), isOn(first), isOn(second) else { return }
        throw launchFault(
            second.place, second.shownName, "\(first.shown) (\(first.place)) and \(second.shown) contradict each other", advice)
    }

    private func isOn(_ setting: LaunchSetting) -> Bool {
        !["false", "0", "none", "null", "no", "auto"].contains(setting.value.lowercased())
    }

    // MARK: The cluster

    /// GPUs by the call's options, else by the launch, else the fewest that the layout needs.
    mutating func cluster() throws(ScenarioErrors) {
        if let gpu = request.gpu {
            draft.set("cluster.gpu", ScenarioText.scalar(gpu), "--gpu")
        } else {
            draft.assume("cluster.gpu", "h100-sxm-80gb", "the file names no device; give --gpu")
        }
        let needed = max(
            1, ["tensor", "pipeline", "context"].map { draft.integer("layout.\($0)") ?? 1 }.reduce(1) { min(1 << 40, $0 * $1) })
        if let gpus = request.gpus {
            draft.set("cluster.gpus", "\(gpus)", "--gpus")
        } else if let found = launcher.gpus {
            draft.set("cluster.gpus", "\(found.value)", found.why)
        } else if let data = draft.integer("layout.data") {
            draft.assume("cluster.gpus", "\(min(1 << 40, needed * data))", "tensor x pipeline x context x data")
        } else {
            let expert =
                draft.integer("layout.expert").map {
                    $0 * (draft.integer("layout.expert_tensor") ?? 1) * (draft.integer("layout.pipeline") ?? 1)
                } ?? 1
            let least = max(needed, expert)
            let nodes = least < 8 ? needed * max(1, 8 / needed) : least
            draft.assume("cluster.gpus", "\(nodes)", "the file does not say; give --gpus")
        }
        if let perNode = launcher.perNode, request.gpus == nil || (request.gpus ?? 0) % perNode.value == 0,
            let gpus = draft.integer("cluster.gpus"), gpus >= perNode.value
        {
            draft.set("cluster.gpus_per_node", "\(perNode.value)", "\(perNode.from.shown) (\(perNode.from.place))")
        }
    }

    var gpus: Int { draft.integer("cluster.gpus") ?? 1 }
    /// Replicas of the model.
    var replicas: Int {
        max(
            1,
            gpus / max(1, ["tensor", "pipeline", "context"].map { draft.integer("layout.\($0)") ?? 1 }.reduce(1) { min(1 << 40, $0 * $1) }))
    }

    // MARK: The model from elsewhere

    /// The model of `--model`: a published configuration, or one of the catalogue. Nil where the option is not given.
    mutating func modelOfCall() throws(ScenarioErrors) -> Architecture? {
        guard let model = request.model else { return nil }
        if Architecture.presetNames.contains(model), let found = try? Architecture.preset(model) {
            draft.set("model.preset", model, "--model")
            self.model = found
            return found
        }
        return try published(model, "--model")
    }

    /// - Parameter why: what the comment says.
    mutating func published(_ path: String, _ why: String) throws(ScenarioErrors) -> Architecture {
        guard let text = readTextFile(path) else {
            let close = nearest(path, in: Architecture.presetNames).map { "did you mean the model \"\($0)\"?" }
            throw launchFault(
                start, why, "\"\(path)\" is neither a file nor a model of the catalogue",
                close ?? "give the path of a config.json, or a name of orrery catalogue models")
        }
        do throws(WorkloadError) {
            let found = try Architecture(huggingFace: text, name: path.split(separator: "/").last.map(String.init) ?? path)
            model = found
            draft.set("model.huggingface", ScenarioText.scalar(relativePath(path, from: request.folder)), why)
            return found
        } catch { throw launchFault(LaunchPlace(file: path, line: 1), "", "\(error)", "give the config.json of a model that can be read") }
    }

    /// A model of the catalogue by somebody's name of it, `meta-llama/Meta-Llama-3-8B-Instruct`; nil where none is meant.
    static func preset(named name: String) -> String? {
        func plain(_ text: String) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
        var word = plain(String(name.split(separator: "/").last ?? ""))
        for ending in ["hf", "instruct", "chat", "base", "v01", "v1", "it"] where word.hasSuffix(ending) { word.removeLast(ending.count) }
        for (from, to) in [("metallama", "llama"), ("llama27", "llama27"), ("llama31", "llama3"), ("llama33", "llama3")]
        where word.hasPrefix(from) {
            word = to + word.dropFirst(from.count)
        }
        for (from, to) in [("metallama", "llama"), ("llama31", "llama3"), ("llama33", "llama3")] where word.hasPrefix(from) {
            word = to + word.dropFirst(from.count)
        }
        return Architecture.presetNames.first { plain($0) == word }
    }
}

extension LaunchBuilder {
    /// Layers of the model that the draft names; nil where it names none.
    func layersOfModel() throws(ScenarioErrors) -> Int? {
        if let layers = draft.integer("model.layers") { return layers }
        guard let name = draft["model.preset"] else { return nil }
        return (try? Architecture.preset(name))?.layers
    }
}
