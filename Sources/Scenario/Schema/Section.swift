/// One key that a scenario may hold.
public struct SchemaEntry: Sendable, Hashable {
    /// Dotted path; elements of lists are marked `[]`.
    public var keyPath: String
    /// What may be written.
    public var type: String
    /// What holds when the key is left out.
    public var defaultValue: String
    public var meaning: String
    /// A value that is accepted.
    public var example: String
    /// False for keys that are refused with a message until they are implemented.
    public var available = true

    func under(_ section: String) -> SchemaEntry {
        var entry = self
        entry.keyPath = section.isEmpty ? keyPath : keyPath.hasPrefix("[") ? section + keyPath : "\(section).\(keyPath)"
        return entry
    }
}

/// A key of a section, and where its value goes in the section's draft.
struct Field<Root> {
    let entries: [SchemaEntry]
    let key: String
    let apply: (Item, inout Root, inout Reader) -> Void

    init<Value>(
        _ key: String, _ path: WritableKeyPath<Root, Value>, _ kind: Kind<Value>, default fallback: String, _ meaning: String
    ) {
        self.init(key, kind, fallback, meaning) { item, root, reader in
            if let value = kind.read(item, &reader) { root[keyPath: path] = value }
        }
    }

    init<Value>(
        _ key: String, _ path: WritableKeyPath<Root, Value?>, _ kind: Kind<Value>, default fallback: String, _ meaning: String
    ) {
        self.init(key, kind, fallback, meaning) { item, root, reader in
            if let value = kind.read(item, &reader) { root[keyPath: path] = value }
        }
    }

    /// A value that may change parts of what a preset gave: its kind is made from the value so far.
    init<Value>(
        _ key: String, _ path: WritableKeyPath<Root, Value>, changing base: (make: (Value) -> Kind<Value>, empty: Value),
        default fallback: String,
        _ meaning: String
    ) {
        let make = base.make
        self.init(key, make(base.empty), fallback, meaning) { item, root, reader in
            if let value = make(root[keyPath: path]).read(item, &reader) { root[keyPath: path] = value }
        }
    }

    /// A section inside the section, read into a part of the same draft.
    init<Part>(_ key: String, _ path: WritableKeyPath<Root, Part>, _ section: Section<Part>, _ meaning: String) {
        let kind = Kind<Part>("mapping", example: "{}", children: section.entries) { _, _ in nil }
        self.init(key, kind, "none", meaning) { item, root, reader in section.read(item, into: &root[keyPath: path], &reader) }
    }

    private init(key: String, entries: [SchemaEntry], apply: @escaping (Item, inout Root, inout Reader) -> Void) {
        (self.key, self.entries, self.apply) = (key, entries, apply)
    }

    /// The same key of a draft that holds this one as a part.
    func within<Whole>(_ path: WritableKeyPath<Whole, Root>) -> Field<Whole> {
        Field<Whole>(key: key, entries: entries) { item, root, reader in apply(item, &root[keyPath: path], &reader) }
    }

    /// The same key, known but not read: another pass reads it, or its only value says nothing.
    var silent: Field { Field(key: key, entries: []) { _, _, _ in } }

    private init<Value>(
        _ key: String, _ kind: Kind<Value>, _ fallback: String, _ meaning: String,
        apply: @escaping (Item, inout Root, inout Reader) -> Void
    ) {
        self.key = key
        self.apply = apply
        let own = SchemaEntry(keyPath: key, type: kind.name, defaultValue: fallback, meaning: meaning, example: kind.example)
        entries = [own] + kind.children.map { $0.under(key) }
    }
}

/// The keys of a mapping. Unknown keys are faults, found by comparing with the fields.
struct Section<Root> {
    let fields: [Field<Root>]
    init(_ fields: [Field<Root>]) { self.fields = fields }

    var entries: [SchemaEntry] { fields.flatMap(\.entries) }

    func read(_ item: Item, into root: inout Root, _ reader: inout Reader) {
        if item.tree.isNull { return }
        guard let entries = item.tree.entries else {
            reader.report(
                item, "\(item.text) stands where a mapping of keys is expected",
                "write the keys indented below: \(fields.map(\.key).joined(separator: ", "))")
            return
        }
        for entry in entries {
            if let field = fields.first(where: { $0.key == entry.key }) {
                field.apply(item.child(entry), &root, &reader)
            } else if !Unavailable.isListed(item.child(entry).path) {
                reader.report(
                    entry.place, item.child(entry).path, "unknown key \"\(entry.key)\"",
                    ScenarioReader.advice(for: entry.key, in: fields.map(\.key)))
            }
        }
    }

    /// The section as a value of its own.
    func kind(_ initial: Root, name: String = "mapping") -> Kind<Root> {
        let example = "{\(fields.prefix(2).map { "\($0.key): \($0.entries.first?.example ?? "")" }.joined(separator: ", "))}"
        return Kind(name, example: example, children: entries) { item, reader in
            let before = reader.errors.count
            var root = initial
            read(item, into: &root, &reader)
            return reader.errors.count == before ? root : nil
        }
    }
}
