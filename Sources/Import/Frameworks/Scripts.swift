import Scenario

/// Launches of programs with command lines: Megatron-LM, and DeepSpeed with its configuration beside it.
enum LaunchFile {
    /// The text of the file that is imported.
    /// - Throws: `ScenarioErrors` where it cannot be read.
    static func text(_ path: String) throws(ScenarioErrors) -> String {
        guard let text = readTextFile(path) else {
            throw launchFault(LaunchPlace(file: path, line: 1), "", "the file cannot be read, or is no text in UTF-8", "check the path")
        }
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw launchFault(LaunchPlace(file: path, line: 1), "", "the file is empty", "give the file that starts the training")
        }
        return text
    }

    /// Text of a file that `path` names, from the folder of `file` where it is not absolute.
    static func beside(_ file: String, _ path: String) -> (text: String, path: String)? {
        var tried = [path]
        if !path.hasPrefix("/") {
            let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
            tried = [folder + path, path, folder + (path.split(separator: "/").last.map(String.init) ?? path)]
        }
        for candidate in tried { if let text = readTextFile(candidate) { return (text, candidate) } }
        return nil
    }

    static func script(_ text: String, _ request: ImportRequest) throws(ScenarioErrors) -> ShellScript {
        try ShellScript(text, file: request.path, given: request.variables) { beside(request.path, $0)?.text }
    }

    static func isDocument(_ path: String) -> Bool {
        [".json", ".yaml", ".yml", ".toml"].contains { path.lowercased().hasSuffix($0) }
    }

    /// Settings of a script's training command, or of whatever else holds such arguments: a YAML file, a log with the table of arguments.
    static func arguments(_ request: ImportRequest) throws(ScenarioErrors) -> (settings: [LaunchSetting], launch: ShellLaunch?) {
        let text = try text(request.path)
        if isDocument(request.path) { return (try TreeFile.settings(text, file: request.path).map(lastPart), nil) }
        if let printed = PrintedArguments.settings(text, file: request.path) { return (printed, nil) }
        let known = OptionTable.known(request.format)
        var launch = try ShellLaunch(try script(text, request), file: request.path) { names in
            names.count { known.contains($0.replacing("-", with: "_")) }
        }
        guard !launch.program.isEmpty else { return ([], launch) }
        var settings: [LaunchSetting] = []
        for setting in launch.settings {
            guard setting.name == "@" || setting.name == "yaml-cfg" || setting.name == "args-file" else {
                settings.append(setting)
                continue
            }
            guard let file = beside(request.path, setting.value) else {
                throw launchFault(setting.place, "@\(setting.value)", "the file of arguments cannot be read", "put it beside the script")
            }
            settings += try argumentFile(file.text, file.path)
        }
        launch.settings = settings
        return (settings, launch)
    }

    /// A word a line, as argparse reads it, or several.
    private static func argumentFile(_ text: String, _ path: String) throws(ScenarioErrors) -> [LaunchSetting] {
        if isDocument(path) { return try TreeFile.settings(text, file: path).map(lastPart) }
        var settings: [LaunchSetting] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() where !line.hasPrefix("#") {
            for word in line.split(whereSeparator: \.isWhitespace).map(String.init) {
                if word.hasPrefix("--") {
                    let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
                    settings.append(
                        LaunchSetting(
                            name: parts.first ?? "", values: Array(parts.dropFirst()), place: LaunchPlace(file: path, line: index + 1),
                            isOption: true))
                } else if !settings.isEmpty {
                    settings[settings.count - 1].values.append(word)
                }
            }
        }
        return settings
    }

    /// `model_parallel.tensor_model_parallel_size` by its last part.
    private static func lastPart(_ setting: LaunchSetting) -> LaunchSetting {
        var setting = setting
        setting.name = setting.name.split(separator: ".").last.map(String.init) ?? setting.name
        return setting
    }
}

extension LaunchBuilder {
    static func megatron(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        let (settings, launch) = try LaunchFile.arguments(request)
        if let launch, launch.program.isEmpty {
            throw launchFault(
                LaunchPlace(file: request.path, line: 1), "", "no command of the file starts a program of Python",
                "give the script that starts the training, such as pretrain_gpt.py")
        }
        var builder = LaunchBuilder(settings, request)
        builder.launcher = launch?.launcher ?? LauncherOptions()
        builder.remarks = launch?.remarks ?? []
        if launch == nil, let size = try builder.settings.integer(["world_size"], for: "cluster.gpus") {
            builder.launcher.total = LauncherOptions.Count(value: size.value, from: size.from)
        }
        try builder.megatronAll(program: launch?.program ?? "", framework: "megatron-lm")
        return builder
    }

    mutating func megatronAll(program: String, framework: String) throws(ScenarioErrors) {
        let name = program.lowercased()
        for family in ["t5", "retro", "vision", "vit", "vlm", "biencoder", "ict", "dino"] where name.contains("pretrain_\(family)") {
            throw launchFault(
                start, program, "models of this kind cannot be described as a scenario",
                "import the training of a GPT, Llama, experts or BERT model")
        }
        try megatronDegrees()
        try megatronModel()
        if name.contains("bert") { draft.set("model.causal", "false", "the program is \(program)") }
        try cluster()
        try megatronLayout()
        try megatronTraining()
        let isFork = settings.has("deepspeed") || settings.has("zero_stage") || settings.has("deepspeed_config")
        try megatronSoftware(
            framework: isFork ? "megatron-deepspeed" : framework, program.isEmpty ? "the kind of file" : "the program is \(program)")
    }
}
