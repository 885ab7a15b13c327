/// Where something was written.
struct Place: Hashable, Sendable {
    var file: String
    var line: Int
    var column: Int
    /// Whether it is a setting of the command line, which `file` then holds: paths in it start from the working folder.
    var isSetting = false
    static func start(of file: String) -> Place { Place(file: file, line: 1, column: 1) }
}

/// A YAML value that remembers where it was written, also after files were merged.
struct Tree: Sendable {
    struct Entry: Sendable {
        var key: String
        /// Where the key stands.
        var place: Place
        var value: Tree
    }
    indirect enum Content: Sendable {
        case null
        /// `quoted` texts are never numbers or booleans.
        case scalar(String, quoted: Bool)
        case sequence([Tree])
        case mapping([Entry])
    }
    var place: Place
    var content: Content
    /// Of a whole document: every file that was read for it.
    var files: [String] = []

    var entries: [Entry]? {
        if case .mapping(let entries) = content { return entries }
        return nil
    }
    var isNull: Bool {
        if case .null = content { return true }
        return false
    }
    subscript(key: String) -> Entry? { entries?.first { $0.key == key } }

    /// The entry at a dotted path, where every part but the last is a mapping.
    func entry(at path: [String]) -> Entry? {
        guard let first = path.first, let entry = self[first] else { return nil }
        return path.count == 1 ? entry : entry.value.entry(at: Array(path.dropFirst()))
    }

    /// Where the key at `path` stands; where it is absent, the innermost section that would hold it.
    func place(of path: [String]) -> Place {
        guard let first = path.first, let entry = self[first] else { return place }
        if path.count == 1 { return entry.place }
        return entry.value[path[1]] == nil ? entry.place : entry.value.place(of: Array(path.dropFirst()))
    }

    /// As `place(of:)` for a dotted path that may name items of lists: `conditions.slow_gpus[0].gpu`.
    func place(at keyPath: String) -> Place {
        var (here, found) = (self, place)
        for part in keyPath.split(separator: ".") {
            let pieces = part.split(separator: "[")
            guard let key = pieces.first, let entry = here[String(key)] else { break }
            (here, found) = (entry.value, entry.place)
            for piece in pieces.dropFirst() {
                guard case .sequence(let items) = here.content, let index = Int(piece.dropLast()), items.indices.contains(index) else {
                    break
                }
                (here, found) = (items[index], items[index].place)
            }
        }
        return found
    }

    mutating func remove(_ path: [String]) {
        guard case .mapping(var entries) = content, let first = path.first, let index = entries.firstIndex(where: { $0.key == first })
        else {
            return
        }
        if path.count == 1 {
            entries.remove(at: index)
        } else {
            entries[index].value.remove(Array(path.dropFirst()))
        }
        content = .mapping(entries)
    }

    /// Puts `value` at `path`, making the sections on the way. A scalar that stands where a section is needed becomes that section's main key
    /// (`precision: bf16` becomes `precision: {compute: bf16}`).
    mutating func set(_ path: [String], to value: Tree) {
        guard let first = path.first else {
            self = value
            return
        }
        var entries = self.entries ?? []
        if case .scalar = content { entries = [Entry(key: Tree.mainKey, place: place, value: self)] }
        if let index = entries.firstIndex(where: { $0.key == first }) {
            if path.count > 1, case .scalar = entries[index].value.content {
                let main = first == "precision" ? "compute" : Tree.mainKey
                let old = entries[index].value
                entries[index].value = Tree(place: old.place, content: .mapping([Entry(key: main, place: old.place, value: old)]))
            }
            entries[index].value.set(Array(path.dropFirst()), to: value)
            if path.count == 1 { entries[index].place = value.place }
        } else {
            var fresh = Tree(place: value.place, content: .mapping([]))
            fresh.set(Array(path.dropFirst()), to: value)
            for rival in Tree.rivals(of: first) { entries.removeAll { $0.key == rival } }
            entries.append(Entry(key: first, place: value.place, value: fresh))
        }
        content = .mapping(entries)
    }

    /// Lays this tree over `base`: sections are merged key by key, everything else replaces what stood there.
    func merged(over base: Tree) -> Tree {
        guard case .mapping(let upper) = content, case .mapping(var lower) = base.content else { return self }
        for entry in upper {
            for rival in Tree.rivals(of: entry.key) where !upper.contains(where: { $0.key == rival }) {
                lower.removeAll { $0.key == rival }
            }
            if let index = lower.firstIndex(where: { $0.key == entry.key }) {
                lower[index] = Entry(key: entry.key, place: entry.place, value: entry.value.merged(over: lower[index].value))
            } else {
                lower.append(entry)
            }
        }
        return Tree(place: place, content: .mapping(lower))
    }

    private static let mainKey = "kind"

    /// Keys that say the same thing in another way, so that one laid over a file takes the other's place.
    private static func rivals(of key: String) -> [String] {
        switch key {
        case "gpus": ["nodes"]
        case "nodes": ["gpus"]
        case "tokens": ["steps"]
        case "steps": ["tokens"]
        default: []
        }
    }
}

extension Tree {
    /// What the values say, with sorted keys and without comments, places and formatting. A mapping that holds nothing but its main key says what
    /// the short form says (`precision: {compute: bf16}`, `attention: {kind: full}`).
    /// - Parameter meanings: by the path of a key, what a value says that can be written in several ways ("400 Gb/s", "50 GB/s").
    func canonical(_ meanings: [String: String], path: String = "") -> String {
        switch content {
        case .null: return "~"
        case .scalar(let text, _):
            let said = meanings[path] ?? text
            return "\"\(said.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
        case .sequence(let items):
            return "[\(items.enumerated().map { $1.canonical(meanings, path: "\(path)[\($0)]") }.joined(separator: ","))]"
        case .mapping(let entries):
            func inner(_ entry: Entry) -> String { path.isEmpty ? entry.key : "\(path).\(entry.key)" }
            if entries.count == 1, ["compute", Tree.mainKey].contains(entries[0].key) {
                return entries[0].value.canonical(meanings, path: inner(entries[0]))
            }
            let parts = entries.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.canonical(meanings, path: inner($0)))" }
            return "{\(parts.joined(separator: ","))}"
        }
    }

    /// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv), of the canonical text, as 16 hexadecimal digits.
    func hash(_ meanings: [String: String]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in canonical(meanings).utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
