import Quantities
import Yams

/// A data file whose numbers are written `[value, key]`, `key` naming an entry of the file's `sources`. A number without a source does not parse.
struct SourcedYAML {
    let file: String
    private let root: Node.Mapping
    private let sources: [String: String]

    /// - Throws: `CatalogueError.malformed` where the text is no YAML mapping or lacks `sources`.
    init(file: String, bytes: [UInt8]) throws(CatalogueError) {
        self.file = file
        let node: Node?
        do { node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self), .basic) } catch {
            throw .malformed(file: file, path: "", reason: "\(error)")
        }
        guard let mapping = node?.mapping, let named = mapping["sources"]?.mapping else {
            throw .malformed(file: file, path: "sources", reason: "a mapping with the citations is missing")
        }
        root = mapping
        var citations: [String: String] = [:]
        for (key, value) in named {
            guard let key = key.string, let text = value.string, !text.isEmpty else {
                throw .malformed(file: file, path: "sources", reason: "a citation is empty")
            }
            citations[key] = text
        }
        sources = citations
    }

    func entries(_ key: String) throws(CatalogueError) -> [Entry] {
        guard let list = root[key]?.sequence else { throw .malformed(file: file, path: key, reason: "a list is missing") }
        var result: [Entry] = []
        for (index, node) in list.enumerated() {
            guard let mapping = node.mapping else { throw .malformed(file: file, path: "\(key)[\(index)]", reason: "must be a mapping") }
            result.append(Entry(file: file, path: mapping["name"]?.string ?? "\(key)[\(index)]", mapping: mapping, sources: sources))
        }
        return result
    }

    /// One entry of a list. Reading a number notes its source, so that `citation` tells them all.
    struct Entry {
        let file: String
        let path: String
        let mapping: Node.Mapping
        let sources: [String: String]
        private var cited: [(source: String, fields: [String])] = []

        init(file: String, path: String, mapping: Node.Mapping, sources: [String: String]) {
            self.file = file
            self.path = path
            self.mapping = mapping
            self.sources = sources
        }

        /// Every number read so far, by source: "bf16, memory: data sheet (read); power: ... (recalled)".
        var citation: String { cited.map { "\($0.fields.joined(separator: ", ")): \($0.source)" }.joined(separator: "; ") }

        func text(_ key: String) throws(CatalogueError) -> String {
            guard let value = mapping[key]?.string else { throw malformed(key, "a text is missing") }
            return value
        }
        /// A list of names; none where the key is absent.
        func names(_ key: String) throws(CatalogueError) -> [String] {
            guard let node = mapping[key] else { return [] }
            guard let list = node.sequence else { throw malformed(key, "must be a list of names") }
            return list.compactMap(\.string)
        }
        func has(_ key: String) -> Bool { mapping[key] != nil }
        func keys(of key: String) throws(CatalogueError) -> [String] {
            guard let inner = mapping[key]?.mapping else { throw malformed(key, "a mapping is missing") }
            return inner.keys.compactMap(\.string)
        }

        mutating func quantity<Q: Quantity>(_ key: String, in outer: String? = nil) throws(CatalogueError) -> Q {
            let text = try sourced(key, in: outer)
            do { return try Q(parsing: text) } catch { throw malformed(key, error.message) }
        }
        mutating func integer(_ key: String) throws(CatalogueError) -> Int {
            guard let value = Int(try sourced(key, in: nil)), value > 0 else { throw malformed(key, "a whole number above zero is needed") }
            return value
        }

        private mutating func sourced(_ key: String, in outer: String?) throws(CatalogueError) -> String {
            let node = outer.flatMap { mapping[$0]?[key] } ?? mapping[key]
            guard let pair = node?.sequence, pair.count == 2, let value = pair[0].string, let source = pair[1].string else {
                throw malformed(key, "must be written [value, key of its source]")
            }
            guard let citation = sources[source] else {
                throw malformed(
                    key, CatalogueError.unknown(kind: "source", name: source, suggestion: nil, known: sources.keys.sorted()).description)
            }
            if let index = cited.firstIndex(where: { $0.source == citation }) {
                cited[index].fields.append(key)
            } else {
                cited.append((citation, [key]))
            }
            return value
        }
        func malformed(_ key: String, _ reason: String) -> CatalogueError { .malformed(file: file, path: "\(path).\(key)", reason: reason) }
    }
}
