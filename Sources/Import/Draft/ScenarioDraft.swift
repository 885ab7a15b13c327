import Quantities

/// A scenario as it is put together: keys with their values in YAML, and where each comes from.
public struct ScenarioDraft: Sendable {
    public struct Line: Sendable {
        /// Dotted path, `model.moe.experts`.
        public var path: String
        /// As YAML.
        public var value: String
        /// What the comment behind it says.
        public var comment: String
        /// The setting that it comes from; nil where it was assumed.
        public var from: LaunchSetting?
        public var isAssumed: Bool
    }
    public private(set) var lines: [Line] = []

    /// Lays a value over what stood there.
    mutating func set(_ path: String, _ value: String, from setting: LaunchSetting, _ note: String = "") {
        let origin = "\(setting.shown) (\(setting.place))"
        put(Line(path: path, value: value, comment: note.isEmpty ? origin : "\(origin): \(note)", from: setting, isAssumed: false))
    }

    /// What another option of the call gave.
    mutating func set(_ path: String, _ value: String, _ comment: String) {
        put(Line(path: path, value: value, comment: comment, from: nil, isAssumed: false))
    }

    mutating func assume(_ path: String, _ value: String, _ why: String) {
        guard self[path] == nil else { return }
        put(Line(path: path, value: value, comment: "assumed: \(why)", from: nil, isAssumed: true))
    }

    private mutating func put(_ line: Line) {
        lines.removeAll { $0.path == line.path }
        lines.append(line)
    }

    mutating func remove(_ path: String) { lines.removeAll { $0.path == path } }

    subscript(_ path: String) -> String? { lines.first { $0.path == path }?.value }
    func integer(_ path: String) -> Int? { self[path].flatMap { Int($0) } }
    func line(_ path: String) -> Line? { lines.first { $0.path == path } }
}

/// A draft as text: sections and keys in the order of the documentation, a comment behind each.
struct ScenarioText {
    private static let order = ["orrery", "name", "model", "cluster", "layout", "training", "conditions", "software", "prices", "simulate"]

    /// - Parameters:
    ///   - head: lines of the comment at the top.
    ///   - tail: those of the comment at the end.
    static func yaml(_ draft: ScenarioDraft, head: [String], tail: [String]) -> String {
        var text = head.map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined()
        for section in order {
            let lines = draft.lines.filter { $0.path == section || $0.path.hasPrefix(section + ".") }
            guard !lines.isEmpty else { continue }
            if !["name"].contains(section) { text += "\n" }
            if let own = lines.first(where: { $0.path == section }) { text += row(section + ": " + own.value, own.comment) }
            let inner = lines.filter { $0.path != section }
            if !inner.isEmpty {
                text += "\(section):\n"
                text += block(inner.map { (Array($0.path.split(separator: ".").dropFirst().map(String.init)), $0) }, indentation: 2)
            }
        }
        if !tail.isEmpty { text += "\n" + tail.map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined() }
        return text
    }

    private static func block(_ lines: [(path: [String], line: ScenarioDraft.Line)], indentation: Int) -> String {
        var text = ""
        var done: Set<String> = []
        let space = String(repeating: " ", count: indentation)
        for (path, line) in lines {
            guard let first = path.first else { continue }
            if path.count == 1 {
                text += row("\(space)\(first): \(line.value)", line.comment)
            } else if done.insert(first).inserted {
                text += "\(space)\(first):\n"
                text += block(
                    lines.filter { $0.path.first == first && $0.path.count > 1 }.map { (Array($0.path.dropFirst()), $0.line) },
                    indentation: indentation + 2)
            }
        }
        return text
    }

    private static func row(_ text: String, _ comment: String) -> String {
        let clean = comment.replacing("\n", with: " ")
        return clean.isEmpty ? text + "\n" : text + String(repeating: " ", count: max(2, 40 - text.count)) + "# " + clean + "\n"
    }

    /// A text as a YAML scalar.
    static func scalar(_ text: String) -> String {
        let isPlain =
            text.first?.isLetter == true && text.allSatisfy { $0.isLetter || $0.isNumber || "_-./".contains($0) }
            && !["true", "false", "null", "none", "yes", "no", "on", "off"].contains(text.lowercased())
        if isPlain { return text }
        return JSONValue.string(text).text(.compact)
    }
}
