import Scenario

/// NeMo: the YAML of its launcher and of its second generation's recipes, and recipes in Python.
extension LaunchBuilder {
    static func nemo(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        let text = try LaunchFile.text(request.path)
        var settings: [LaunchSetting]
        var preset: (name: String, from: LaunchSetting)?
        var launcher = LauncherOptions()
        var remarks: [String] = []
        if request.path.lowercased().hasSuffix(".py") {
            settings = PythonSettings.settings(text, file: request.path)
            preset = recipe(text, request.path)
        } else if LaunchFile.isDocument(request.path) {
            settings = Interpolation.resolved(try TreeFile.settings(text, file: request.path))
        } else {
            // A command with settings of Hydra, over a configuration or without.
            let launch = try ShellLaunch(try LaunchFile.script(text, request), file: request.path) { $0.count + 2 }
            (launcher, remarks, settings) = (launch.launcher, launch.remarks, launch.settings)
            let folder = settings.first { $0.key == "config_path" }?.value ?? "."
            if let name = settings.first(where: { $0.key == "config_name" })?.value,
                let file = LaunchFile.beside(request.path, "\(folder)/\(name.hasSuffix(".yaml") ? name : name + ".yaml")")
            {
                let base = try TreeFile.settings(file.text, file: file.path)
                let given = Set(settings.map(\.name))
                settings = Interpolation.resolved(base.filter { !given.contains($0.name) } + settings)
            }
        }
        var builder = LaunchBuilder(settings, request) { lastKey($0) }
        (builder.launcher, builder.remarks) = (launcher, remarks)
        try builder.nemo(preset)
        return builder
    }

    /// Names that mean nothing without the section in which they stand.
    private static let bare: Set<String> = ["name", "target", "_target_", "enabled", "precision", "type", "lr", "size", "optimizer"]

    private static func lastKey(_ setting: LaunchSetting) -> String {
        let parts = setting.key.split(separator: ".").map(String.init)
        guard let last = parts.last else { return setting.key }
        if last == "optimizer", parts.count > 1 { return "optim_name" }
        return bare.contains(last) && parts.count > 1 ? parts.suffix(2).joined(separator: "_") : last
    }

    /// `llm.llama3_8b.pretrain_recipe(...)`.
    private static func recipe(_ text: String, _ file: String) -> (name: String, from: LaunchSetting)? {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard let match = line.firstMatch(of: /(?:llm|recipes)\.([a-z0-9_]+)\.(pretrain|finetune)_recipe/) else { continue }
            return (
                String(match.1),
                LaunchSetting(name: "recipe", values: [String(match.1)], place: LaunchPlace(file: file, line: index + 1), isOption: false)
            )
        }
        return nil
    }

    private mutating func nemo(_ recipe: (name: String, from: LaunchSetting)?) throws(ScenarioErrors) {
        try nemoMachines()
        let target = settings.all.first { $0.key.hasSuffix("_target_") && $0.value.contains(/Config[0-9A-Za-z]*[0-9]/) }
        var named: (name: String, from: LaunchSetting)?
        if let recipe {
            named = recipe
        } else if let target, let last = target.value.split(separator: ".").last {
            named = (String(last).replacing("Config", with: "-"), target)
        }
        try megatronDegrees()
        if request.model == nil, let named, !settings.has("num_layers") {
            let name = named.name.replacing("_", with: "-").replacing("llama31", with: "llama3").replacing("Llama31", with: "Llama3")
            guard let preset = Self.preset(named: name) else {
                throw launchFault(
                    named.from.place, "", "the recipe \(named.name) is no model of the catalogue",
                    "give --model with its config.json, or a name of orrery catalogue models")
            }
            draft.set("model.preset", preset, from: named.from)
            if target != nil { _ = settings.take([Self.lastKey(named.from)], for: "model.preset") }
            if request.sequence == nil, !settings.has("seq_length") {
                draft.assume(
                    "training.sequence", preset.hasPrefix("llama3") ? "8192" : preset.hasPrefix("gpt") ? "2048" : "4096",
                    "that of the recipe")
            }
        } else {
            try megatronModel()
        }
        try cluster()
        try megatronLayout()
        if recipe != nil { recipeDefaults() }
        try nemoTraining()
        try megatronSoftware(framework: "nemo", "the kind of file")
    }

    private mutating func nemoMachines() throws(ScenarioErrors) {
        let nodes = try settings.integer(["num_nodes"], for: "cluster.gpus")
        let each = try settings.integer(
            ["devices", "num_gpus_per_node", "gpus_per_node", "ntasks_per_node"], for: "cluster.gpus", least: -1)
        if let nodes { launcher.nodes = LauncherOptions.Count(value: nodes.value, from: nodes.from) }
        if let each, each.value > 0 {
            launcher.perNode = LauncherOptions.Count(value: each.value, from: each.from)
        } else if let nodes {
            launcher.perNode = LauncherOptions.Count(
                value: 8, from: LaunchSetting(name: "assumed: 8 GPUs a node", values: [], place: nodes.from.place, isOption: false))
        }
        settings.judge(["tensor_model_parallel_size"], .taken, "")
    }

    /// What its recipes set where nothing else is said: nemo/collections/llm/recipes.
    private mutating func recipeDefaults() {
        if draft["layout.zero"] == "0", !settings.has("use_distributed_optimizer") {
            draft.remove("layout.zero")
            draft.assume("layout.zero", "1", "the recipes' distributed optimizer")
        }
        draft.assume("training.global_batch", "512", "that of the recipes")
        draft.assume("training.precision.compute", "bf16", "that of the recipes")
    }

    private mutating func nemoTraining() throws(ScenarioErrors) {
        let before = draft
        try megatronTraining()
        // What the recipe says holds where the file says nothing.
        for path in ["training.global_batch", "training.precision.compute", "training.sequence"] {
            guard let line = before.line(path), let now = draft.line(path), now.isAssumed, line.isAssumed else { continue }
            draft.remove(path)
            draft.assume(path, line.value, line.comment.replacing("assumed: ", with: ""))
        }
        // "bf16-mixed" of the trainer; megatron_amp_O2 keeps 16-bit parameters.
        settings.judge(["megatron_amp_O2", "megatron_amp_o2"], .harmless, "16-bit parameters with masters, as here")
    }
}

/// `${model.micro_batch_size}` in values of OmegaConf's documents.
enum Interpolation {
    static func resolved(_ settings: [LaunchSetting]) -> [LaunchSetting] {
        var values: [String: String] = [:]
        for setting in settings where values[setting.name] == nil { values[setting.name] = setting.value }
        return settings.map { setting in
            guard setting.values.count == 1, setting.value.contains("${") else { return setting }
            var result = setting
            let text = resolve(setting.value, of: setting.name, values, depth: 0)
            result.values = [text]
            if text.contains("${") { result.unknown = text }
            return result
        }
    }

    private static func resolve(_ text: String, of name: String, _ values: [String: String], depth: Int) -> String {
        guard depth < 10, let match = text.firstMatch(of: /\$\{([^${}]*)\}/) else { return text }
        let inner = String(match.1)
        var found: String?
        if inner.hasPrefix("oc.env:") {
            found = inner.split(separator: ",").dropFirst().first.map(String.init)
        } else if inner.contains(":") {
            let parts = inner.split(separator: ":", maxSplits: 1)
            let numbers = parts.count > 1 ? parts[1].split(separator: ",").compactMap { Int($0.filter { !$0.isWhitespace }) } : []
            if numbers.count == 2 {
                let (product, overflow) = numbers[0].multipliedReportingOverflow(by: numbers[1])
                switch parts[0] {
                case "multiply": found = overflow ? nil : "\(product)"
                case "divide", "int_div", "divide_floor": found = numbers[1] == 0 ? nil : "\(numbers[0] / numbers[1])"
                default: break
                }
            }
        } else if inner.hasPrefix(".") {
            let path = name.split(separator: ".").dropLast().joined(separator: ".")
            found = values[path + inner]
        } else {
            found = values[inner]
        }
        guard let found else { return text }
        return resolve(text.replacingCharacters(match.range, with: found), of: name, values, depth: depth + 1)
    }
}

extension String {
    fileprivate func replacingCharacters(_ range: Range<Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + self[range.upperBound...]
    }
}
