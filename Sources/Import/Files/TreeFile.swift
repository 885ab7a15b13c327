import Quantities
import Scenario
import Yams

/// Settings of a YAML or JSON document by their dotted paths, with their lines.
enum TreeFile {
    /// - Throws: `ScenarioErrors` with the line where the text is neither.
    static func settings(_ text: String, file: String, firstLine: Int = 1) throws(ScenarioErrors) -> [LaunchSetting] {
        let looksLikeJSON = file.lowercased().hasSuffix(".json") || text.first { !$0.isWhitespace } == "{"
        if looksLikeJSON {
            do { _ = try JSON(parsing: Array(text.utf8), repeatedKeys: true) } catch {
                throw ScenarioErrors([
                    ScenarioError(
                        file: file, line: error.line + firstLine - 1, column: error.column, keyPath: "",
                        reason: "this is not JSON: \(error.reason)",
                        suggestion: "check the file with a JSON tool")
                ])
            }
        }
        let root: Node?
        do { root = try Yams.compose(yaml: text, .basic) } catch { throw located(error, file, firstLine) }
        guard let root, root.mapping != nil || root.sequence != nil else {
            throw launchFault(
                LaunchPlace(file: file, line: firstLine), "", "the file holds no mapping of keys", "give the configuration of a training")
        }
        var reader = Flattening(file: file, firstLine: firstLine)
        reader.take(root, path: "", depth: 0)
        guard reader.settings.count <= 20_000 else {
            throw launchFault(
                LaunchPlace(file: file, line: firstLine), "", "the file has more than 20000 values",
                "give the configuration of one training")
        }
        return reader.settings
    }

    private static func located(_ error: any Error, _ file: String, _ firstLine: Int) -> ScenarioErrors {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            return launchFault(
                LaunchPlace(file: file, line: mark.line + firstLine - 1), "", "this is not YAML: \(problem)",
                "check indentation, quotes and brackets from here upwards")
        case .duplicatedKeysInMapping(let keys, let context):
            return launchFault(
                LaunchPlace(file: file, line: context.mark.line + firstLine - 1), keys.first ?? "", "the key stands twice in one section",
                "keep one of the two")
        default:
            return launchFault(
                LaunchPlace(file: file, line: firstLine), "", "this is not YAML: \(error)", "check the file with a YAML tool")
        }
    }

    private struct Flattening {
        let file: String
        let firstLine: Int
        var settings: [LaunchSetting] = []

        mutating func take(_ node: Node, path: String, depth: Int) {
            guard depth < 40, settings.count <= 20_000 else { return }
            func add(_ values: [String]) {
                let place = LaunchPlace(file: file, line: (node.mark?.line ?? 1) + firstLine - 1)
                settings.append(LaunchSetting(name: path, values: values, place: place, isOption: false))
            }
            switch node {
            case .scalar(let scalar): add([scalar.string])
            case .sequence(let items):
                let plain = items.compactMap(\.scalar?.string)
                if plain.count == items.count { return add(plain) }
                for (index, item) in items.enumerated() { take(item, path: "\(path)[\(index)]", depth: depth + 1) }
            case .mapping(let pairs):
                if pairs.isEmpty, !path.isEmpty { add([]) }
                for (key, value) in pairs {
                    let name = key.string ?? "?"
                    take(value, path: path.isEmpty ? name : "\(path).\(name)", depth: depth + 1)
                }
            case .alias: break
            }
        }
    }
}

/// The table of arguments that a program prints when it starts (`  seq_length ...... 2048`), in a log.
enum PrintedArguments {
    static func settings(_ text: String, file: String) -> [LaunchSetting]? {
        var settings: [LaunchSetting] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard line.contains("...."), let match = line.wholeMatch(of: /(?:\s*\[?[\w ]*\]?\d*:)?\s*([a-z][a-z0-9_]+) \.{3,} ?(.*?)\s*/)
            else { continue }
            let value = String(match.2)
            guard value != "None", !value.isEmpty else { continue }
            settings.append(
                LaunchSetting(name: String(match.1), values: [value], place: LaunchPlace(file: file, line: index + 1), isOption: false))
        }
        return settings.count >= 10 ? settings : nil
    }
}
