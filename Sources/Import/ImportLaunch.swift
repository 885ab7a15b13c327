import Quantities
import Scenario

/// A scenario made of a launch file, with the account of it.
public struct ImportedScenario: Sendable {
    /// The scenario as text, every line with where it comes from.
    public let yaml: String
    /// Every setting of the file in its order, and what became of it.
    public let settings: [(setting: LaunchSetting, verdict: LaunchVerdict)]
    /// Keys that the file did not give.
    public let assumed: [ScenarioDraft.Line]
    public let remarks: [String]
    public let scenario: Scenario

    /// `{flags: [{flag, value, file, line, verdict, key, reason}], assumed: [{key, value, reason}], remarks, scenario}`.
    public var json: JSONValue {
        .object([
            (
                "flags",
                .array(
                    settings.map { setting, verdict in
                        .object([
                            ("flag", .string(setting.shownName)), ("value", .string(setting.values.joined(separator: " "))),
                            ("file", .string(setting.place.file)), ("line", .integer(setting.place.line)),
                            ("verdict", .string(verdict.kind.rawValue)),
                            ("key", .string(verdict.key)), ("reason", .string(verdict.reason)),
                        ])
                    })
            ),
            (
                "assumed",
                .array(
                    assumed.map {
                        .object([
                            ("key", .string($0.path)), ("value", .string($0.value)),
                            ("reason", .string($0.comment.replacing("assumed: ", with: ""))),
                        ])
                    })
            ),
            ("remarks", .array(remarks.map { .string($0) })), ("scenario", .string(yaml)),
        ])
    }
}

/// Reads somebody's launch file into a scenario. Nothing of the file is run.
/// - Throws: `ScenarioErrors` with the line of the launch file: text that cannot be read, settings that contradict each other, values that only a run
///   would tell, a job that cannot be.
public func importLaunch(_ request: ImportRequest) throws(ScenarioErrors) -> ImportedScenario {
    var builder: LaunchBuilder
    switch request.format {
    case .megatron: builder = try .megatron(request)
    case .deepspeed: builder = try .deepspeed(request)
    case .torchtitan: builder = try .torchtitan(request)
    case .nemo: builder = try .nemo(request)
    case .huggingface: builder = try .huggingface(request)
    case .mlperf: builder = try .mlperf(request)
    }
    return try builder.finished()
}

extension LaunchBuilder {
    fileprivate mutating func finished() throws(ScenarioErrors) -> ImportedScenario {
        for (index, setting) in settings.open {
            let verdict =
                OptionTable.shared.verdict(setting.key, request.format)
                ?? LaunchVerdict(kind: .refused, key: "", reason: "an option that is not known here")
            settings.close(index, verdict)
        }
        let name = request.path.split(separator: "/").last.map(String.init) ?? request.path
        let stem = name.lastIndex(of: ".").map { $0 > name.startIndex ? String(name[..<$0]) : name } ?? name
        draft.set("name", ScenarioText.scalar(stem.isEmpty ? "job" : stem), "")
        draft.set("orrery", "1", "")
        let judged = settings.all.indices.map { ($0, settings.all[$0], settings.verdicts[$0]) }.compactMap { index, setting, verdict in
            verdict.map { (setting: setting, verdict: $0) }
        }
        let yaml = ScenarioText.yaml(draft, head: head(name), tail: tail(judged))
        return ImportedScenario(
            yaml: yaml, settings: judged, assumed: draft.lines.filter(\.isAssumed), remarks: remarks + settings.remarks,
            scenario: try checked(yaml))
    }

    private func head(_ name: String) -> [String] {
        [
            "Made by orrery import \(request.format.rawValue) \(name). Behind each line: the setting that it comes from, with its file and line."
        ]
    }

    private func tail(_ judged: [(setting: LaunchSetting, verdict: LaunchVerdict)]) -> [String] {
        var lines: [String] = []
        let refused = judged.filter { $0.verdict.kind == .refused }
        if !refused.isEmpty {
            lines.append("Without counterpart in a scenario; this prediction does not have them:")
            lines += refused.map { "  \($0.setting.shown) (\($0.setting.place)): \($0.verdict.reason)" }
        }
        let silent = judged.filter { entry in
            entry.verdict.kind == .taken
                && !draft.lines.contains { $0.comment.contains("(\(entry.setting.place))") && $0.comment.contains(entry.setting.shown) }
        }
        if !silent.isEmpty {
            lines += (lines.isEmpty ? [] : [""]) + ["Read, where another setting decides, or the default is meant:"]
            lines += silent.map {
                "  \($0.setting.shown) (\($0.setting.place)): \($0.verdict.key.isEmpty ? $0.verdict.reason : $0.verdict.key)"
            }
        }
        let notes = remarks + settings.remarks
        if !notes.isEmpty {
            lines += (lines.isEmpty ? [] : [""]) + ["Noticed:"] + notes.map { "  \($0)" }
        }
        let harmless = judged.filter { $0.verdict.kind == .harmless }
        if !harmless.isEmpty {
            lines += (lines.isEmpty ? [] : [""]) + ["Without effect on time, memory and cost as they are predicted here:"]
            lines += harmless.map { "  \($0.setting.shown) (\($0.setting.place)): \($0.verdict.reason)" }
        }
        return lines.map { $0.replacing("\n", with: " ") }
    }

    /// What is wrong with the job, at the line of the launch file that says so.
    private func checked(_ yaml: String) throws(ScenarioErrors) -> Scenario {
        let made = request.folder == "." ? "imported.yaml" : "\(request.folder)/imported.yaml"
        do { return try Scenario.load(yaml: yaml, file: made) } catch {
            throw ScenarioErrors(
                error.errors.map { fault in
                    let line =
                        draft.line(fault.keyPath)
                        ?? draft.lines.first { fault.keyPath.hasPrefix($0.path + ".") || $0.path.hasPrefix(fault.keyPath + ".") }
                    var fault = fault
                    (fault.file, fault.line, fault.column) = (request.path, 1, 1)
                    if let from = line?.from {
                        (fault.file, fault.line) = (from.place.file, from.place.line)
                        fault.keyPath = "\(from.shown): \(fault.keyPath)"
                    } else if let line {
                        fault.keyPath = "\(fault.keyPath) (\(line.comment))"
                    }
                    return fault
                })
        }
    }
}
