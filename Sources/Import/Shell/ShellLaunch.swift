import Scenario

/// The training command of a script: its options, and how many machines it is started on.
struct ShellLaunch {
    var settings: [LaunchSetting] = []
    var launcher = LauncherOptions()
    /// The program that trains: a file or module of Python; empty where there is none.
    var program = ""
    var remarks: [String] = []
    let script: ShellScript

    /// - Parameter recognised: how many of a command's options the framework knows; the command with most is the training.
    init(_ script: ShellScript, file: String, recognised: ([String]) -> Int) throws(ScenarioErrors) {
        self.script = script
        remarks = script.remarks
        var best: (score: Int, index: Int, start: Int)?
        for (index, command) in script.commands.enumerated() {
            let bare = command.words.map(ShellMark.bare)
            guard let start = Self.program(bare) else { continue }
            let names = bare[start...].filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2).prefix { $0 != "=" }) }
            let score = recognised(names)
            if score >= best?.score ?? 1 { best = (score, index, start) }
        }
        guard let best else {
            launcher.take(script.variables, file: file)
            return
        }
        let command = script.commands[best.index]
        let bare = command.words.map(ShellMark.bare)
        program = bare[best.start]
        launcher.take(Array(bare[..<best.start]), place: command.place, isBatch: false)
        // srun and the like in front of a text that was followed.
        if best.index > 0 {
            launcher.take(
                script.commands[best.index - 1].words.map(ShellMark.bare), place: script.commands[best.index - 1].place, isBatch: false)
        }
        for option in script.batch { launcher.take(option.words, place: option.place, isBatch: true) }
        launcher.take(script.variables, file: file)
        read(Array(command.words[(best.start + 1)...]), command.place)
        let others = script.commands.indices.filter { index in
            index != best.index && Self.program(script.commands[index].words.map(ShellMark.bare)) != nil
        }
        if !others.isEmpty {
            remarks.append("of \(others.count + 1) programs that the file starts, \(program) (\(command.place)) is taken for the training")
        }
    }

    /// Place of the program among a command's words: a file of Python, or a module behind -m that is no launcher.
    private static func program(_ words: [String]) -> Int? {
        let launchers = [
            "torch.distributed.launch", "torch.distributed.run", "accelerate.commands.launch", "deepspeed.launcher.runner", "pip",
        ]
        for (index, word) in words.enumerated() {
            if word.hasSuffix(".py"), !word.hasPrefix("--"), !word.contains(where: \.isWhitespace) { return index }
            if word == "-m" || word == "--module", index + 1 < words.count, !launchers.contains(words[index + 1]),
                words[index + 1].contains(".")
            {
                return index + 1
            }
        }
        return nil
    }

    private mutating func read(_ words: [String], _ place: LaunchPlace) {
        var open: LaunchSetting?
        func close() { if let setting = open { settings.append(setting) } }
        for word in words {
            let mark = word.first.flatMap { ShellMark.place(of: $0) }
            let bare = ShellMark.bare(word)
            let isOption = bare.hasPrefix("-") && bare.count > 1 && Double(bare) == nil
            if isOption {
                close()
                let at = mark.map { LaunchPlace(file: script.files[min($0.file, script.files.count - 1)], line: $0.line) } ?? place
                let body = String(bare.drop { $0 == "-" })
                let name = String(body.prefix { $0 != "=" })
                var setting = LaunchSetting(name: name, values: [], place: at, isOption: true)
                if body.count > name.count { add(String(body.dropFirst(name.count + 1)), to: &setting) }
                open = setting
            } else if bare.hasPrefix("@"), bare.count > 1 {
                close()
                open = LaunchSetting(name: "@", values: [String(bare.dropFirst())], place: place, isOption: true)
            } else if bare.contains("="), open == nil || !(open?.values.isEmpty ?? true),
                bare.wholeMatch(of: /\+*[A-Za-z_][A-Za-z0-9_.]*=.*/) != nil
            {
                // Settings of Hydra: model.micro_batch_size=2.
                close()
                let parts = bare.drop { $0 == "+" }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                open = LaunchSetting(name: String(parts[0]), values: [], place: place, isOption: false)
                if var setting = open {
                    add(String(parts[1]), to: &setting)
                    open = setting
                }
            } else if var setting = open {
                add(bare, to: &setting)
                open = setting
            }
        }
        close()
    }

    /// What is not set behind a value that is there adds nothing, as the shell has it.
    private mutating func add(_ text: String, to setting: inout LaunchSetting) {
        if let why = script.variables.reason(text) {
            if text.count == 1, !setting.values.isEmpty, setting.unknown == nil {
                remarks.append("\(setting.place): \(why), is taken as empty behind \(setting.shown)")
                return
            }
            setting.unknown = why
            setting.values.append(String(text.map { ShellMark.unknown(of: $0) == nil ? $0 : "?" }))
        } else {
            setting.values.append(text)
        }
    }
}
