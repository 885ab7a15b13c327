import Scenario

/// Literals that a Python file hands to names: `recipe.trainer.max_steps = 100` and `num_nodes=2` in calls. Nothing is run; what is no literal
/// is carried along as unknown.
enum PythonSettings {
    static func settings(_ text: String, file: String) -> [LaunchSetting] {
        var settings: [LaunchSetting] = []
        for (index, full) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = withoutComment(full)
            let place = LaunchPlace(file: file, line: index + 1)
            // Defaults of a function count only where it is called without.
            if line.contains(/^\s*(async\s+)?def\s/) { continue }
            if let match = line.wholeMatch(of: /\s*([A-Za-z_]\w*(?:\.\w+)+)\s*=\s*([^=].*)/) {
                let path = match.1.split(separator: ".").dropFirst().joined(separator: ".")
                settings.append(setting(path, String(match.2), place))
                for argument in arguments(String(match.2)) { settings.append(setting(argument.0, argument.1, place)) }
                continue
            }
            for argument in arguments(line) { settings.append(setting(argument.0, argument.1, place)) }
        }
        return settings
    }

    private static func withoutComment(_ line: Substring) -> String {
        var quote: Character?
        for (index, character) in zip(line.indices, line) {
            if let open = quote { if character == open { quote = nil } } else if character == "\"" || character == "'" { quote = character }
            if character == "#", quote == nil { return String(line[..<index]) }
        }
        return String(line)
    }

    private static func arguments(_ line: String) -> [(String, String)] {
        line.matches(of: /(?:^|[(,\s])([a-z_]\w*)\s*=\s*("[^"]*"|'[^']*'|\[[^\]]*\]|[^,()=\s]+)\s*(?=[,)]|$)/).map {
            (String($0.1), String($0.2))
        }
    }

    private static func setting(_ name: String, _ value: String, _ place: LaunchPlace) -> LaunchSetting {
        let text = value.trimmingPrefix(while: \.isWhitespace).reversed().drop { $0.isWhitespace || $0 == "," }.reversed()
        let word = String(text)
        let isQuoted = word.count >= 2 && (word.first == "\"" && word.last == "\"" || word.first == "'" && word.last == "'")
        let isLiteral = isQuoted || ["True", "False", "None"].contains(word) || decimalNumber(word) != nil || word.hasPrefix("[")
        let plain = isQuoted ? String(word.dropFirst().dropLast()) : word
        var setting = LaunchSetting(name: name, values: [plain], place: place, isOption: false)
        if !isLiteral { setting.unknown = "the expression \(word.prefix(60))" }
        return setting
    }
}
