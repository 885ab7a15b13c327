import Foundation

/// A document as text that people edit: read, changed key by key, and written again.
extension ScenarioDocument {
    /// The document with settings laid over it and keys taken out of it.
    /// - Parameters:
    ///   - settings: `key.path=value` each, the value in YAML.
    ///   - removed: key paths.
    /// - Throws: `ScenarioErrors` for settings that are none, or that name a key no scenario has.
    public func laying(_ settings: [String], removing removed: [String] = []) throws(ScenarioErrors) -> ScenarioDocument {
        let (laid, errors) = Overrides.apply(settings, to: tree)
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        var tree = laid
        for key in removed { tree.remove(key.split(separator: ".").map(String.init)) }
        return ScenarioDocument(name: name, tree: tree, mayReadFiles: mayReadFiles)
    }

    /// What the document says, key by key in its order: dotted paths down to whatever is no mapping, beside the value as it would be written.
    public var values: [(key: String, value: String)] { tree.leaves(path: "") }

    /// The document as YAML: a line a key of each section. Comments are not kept.
    public var yaml: String {
        guard let entries = tree.entries else { return tree.flow + "\n" }
        return entries.map { entry in
            let key = Tree.key(entry.key)
            guard let inner = entry.value.entries, !inner.isEmpty else { return "\(key): \(entry.value.block)\n" }
            return "\(key):\n" + inner.map { "  \(Tree.key($0.key)): \($0.value.block)\n" }.joined()
        }.joined()
    }

    /// `text`, which this document was read from, with settings laid over it and keys taken out. Where a value stands, or a section is open, only that
    /// line changes and comments stay; else the whole is written anew.
    /// - Throws: as `laying`.
    public func edited(_ text: String, _ settings: [String], removing removed: [String] = []) throws(ScenarioErrors) -> String {
        let after = try laying(settings, removing: removed)
        if settings.isEmpty, removed.isEmpty { return text }
        var draft: String? = removed.isEmpty ? text : nil
        for setting in settings {
            guard let before = draft, let now = try? ScenarioDocument(confined: before, name: name) else { break }
            draft = now.tree.replacing(setting, in: before)
        }
        // What was changed line by line must say the same as what was changed as a tree.
        if let draft, let again = try? ScenarioDocument(confined: draft, name: name), again.tree.canonical([:]) == after.tree.canonical([:])
        {
            return draft
        }
        return after.yaml
    }
}

extension Tree {
    fileprivate func leaves(path: String) -> [(key: String, value: String)] {
        guard let entries, !entries.isEmpty else { return path.isEmpty || isNull ? [] : [(path, written)] }
        return entries.flatMap { $0.value.leaves(path: path.isEmpty ? $0.key : "\(path).\($0.key)") }
    }

    fileprivate static func key(_ name: String) -> String {
        name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) } && !name.isEmpty ? name : quoted(name)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value): result += String(format: "\\x%02x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// On a line behind its key.
    fileprivate var block: String {
        if case .scalar(let text, let isQuoted) = content { return isQuoted ? Self.quoted(text) : text }
        return flow
    }

    /// Within brackets.
    fileprivate var flow: String {
        switch content {
        case .null: "~"
        case .scalar(let text, let isQuoted): isQuoted || text.contains { ",[]{}".contains($0) } ? Self.quoted(text) : text
        case .sequence(let items): "[\(items.map(\.flow).joined(separator: ", "))]"
        case .mapping(let entries): "{\(entries.map { "\(Self.key($0.key)): \($0.value.flow)" }.joined(separator: ", "))}"
        }
    }

    /// `text` with one setting in place of the plain value that stands for its key, or as the first line of its section; nil where neither can be.
    fileprivate func replacing(_ setting: String, in text: String) -> String? {
        guard let equals = setting.firstIndex(of: "=") else { return nil }
        let path = setting[..<equals].split(separator: ".").map(String.init)
        let value = String(setting[setting.index(after: equals)...])
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.unicodeScalars) }
        if let entry = entry(at: path) {
            guard case .scalar(let old, false) = entry.value.content else { return nil }
            let (row, column) = (entry.value.place.line - 1, entry.value.place.column - 1)
            let length = old.unicodeScalars.count
            guard lines.indices.contains(row), column >= 0, column + length <= lines[row].count,
                Array(old.unicodeScalars) == Array(lines[row][column..<column + length])
            else { return nil }
            lines[row].replaceSubrange(column..<column + length, with: value.unicodeScalars)
        } else {
            guard path.count == 2, let section = self[path[0]], let first = section.value.entries?.first,
                first.place.line > section.place.line, lines.indices.contains(first.place.line - 1)
            else { return nil }
            let indent = String(repeating: " ", count: max(0, first.place.column - 1))
            lines.insert(Array("\(indent)\(path[1]): \(value)".unicodeScalars), at: first.place.line - 1)
        }
        return lines.map { line in
            var text = String.UnicodeScalarView()
            text.append(contentsOf: line)
            return String(text)
        }.joined(separator: "\n")
    }
}
