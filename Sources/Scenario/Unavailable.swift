import Plan

/// What the contract of the file names and the program does not do yet. Such a key is refused at its place, never ignored; implementing it
/// means deleting its line here.
struct Unavailable {
    let keyPath: String
    let meaning: String
    /// Values that ask for nothing new and are therefore accepted; none: the key is refused whatever it holds.
    var accepted: [String] = []
    /// Whether the key has no field of its own yet.
    var isWholeKey = true

    static let all: [Unavailable] = [
        Unavailable(keyPath: "simulate.detail", meaning: "this level of detail", accepted: ["auto", "stage", "layer"], isWholeKey: false),
        Unavailable(keyPath: "model.moe.imbalance", meaning: "a distribution of expert load", accepted: ["*"], isWholeKey: false),
    ]

    /// Whether a key has no field and is answered for here.
    static func isListed(_ path: String) -> Bool { all.contains { $0.isWholeKey && $0.keyPath == path } }

    static var entries: [SchemaEntry] {
        all.filter(\.isWholeKey).map {
            SchemaEntry(
                keyPath: $0.keyPath, type: $0.accepted.isEmpty ? "-" : $0.accepted.joined(separator: " | "),
                defaultValue: $0.accepted.first ?? "-", meaning: "not available yet: \($0.meaning)", example: $0.accepted.first ?? "-",
                available: !$0.accepted.isEmpty)
        }
    }

    /// Reports what is asked for and not available, and takes it out of the tree so that it is reported once.
    static func refuse(in tree: inout Tree, _ reader: inout Reader) {
        for row in all {
            let path = row.keyPath.split(separator: ".").map(String.init)
            guard let entry = tree.entry(at: path), !row.accepts(entry.value) else { continue }
            let written = entry.value.written
            let value = written.count > 60 ? "\(written.prefix(57))..." : written
            let subject = row.accepted.isEmpty ? path[path.count - 1] : "\(path[path.count - 1]): \(value)"
            reader.report(
                entry.place, row.keyPath, "\(subject) is not available yet (\(row.meaning))",
                row.accepted.isEmpty || row.accepted == ["*"]
                    ? "remove the key" : "write \(row.accepted.joined(separator: ", ")) or remove the key")
            tree.remove(path)
        }
    }

    private func accepts(_ value: Tree) -> Bool {
        switch value.content {
        case .null: return !accepted.isEmpty
        case .scalar(let text, _):
            // Misspelt words are left to the field, which knows all words.
            if !isWholeKey, let schedule = Unavailable.known[keyPath] { return !schedule.contains(text) }
            return accepted.contains(text) || accepted == ["*"]
        case .mapping(let entries):
            guard accepted.contains("{kind: sync}") else { return !isWholeKey && accepted != ["*"] }
            return entries.allSatisfy { entry in
                guard case .scalar(let text, _) = entry.value.content else { return false }
                return (entry.key == "kind" && text == "sync") || (entry.key == "algorithm" && text == "auto")
            }
        case .sequence: return !isWholeKey && accepted != ["*"]
        }
    }

    /// Words of the contract that are refused, for keys that have a field of their own.
    private static let known = [
        "simulate.detail": ["kernel"]
    ]
}
