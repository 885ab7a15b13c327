import Quantities

/// Typed access to the fields of a `config.json`; what is missing or of the wrong type is named.
struct PublishedConfig {
    let file: String
    private let root: JSON

    init(bytes: [UInt8], file: String) throws(WorkloadError) {
        self.file = file
        do { root = try JSON(parsing: bytes) } catch { throw .malformed(file: file, path: "", reason: error.description) }
        guard case .object = root else { throw .malformed(file: file, path: "", reason: "a config.json holds an object") }
    }

    private init(file: String, root: JSON) {
        self.file = file
        self.root = root
    }

    func fault(_ key: String, _ reason: String) -> WorkloadError { .malformed(file: file, path: key, reason: reason) }

    private func value(_ key: String) -> JSON? { root[key].flatMap { $0 == .null ? nil : $0 } }

    func has(_ key: String) -> Bool { value(key) != nil }

    /// The first of several spellings of a field that is there.
    /// - Throws: `WorkloadError.malformed` when it is no whole number that fits.
    func optional(_ keys: String...) throws(WorkloadError) -> Int? { try find(keys) }

    func integer(_ keys: String...) throws(WorkloadError) -> Int {
        guard let value = try find(keys) else { throw fault(keys.joined(separator: " or "), "missing") }
        return value
    }

    private func find(_ keys: [String]) throws(WorkloadError) -> Int? {
        for key in keys {
            guard let value = value(key) else { continue }
            guard case .number(let number) = value, let integer = Int(exactly: number), abs(integer) < 1 << 53 else {
                throw fault(key, "must be a whole number")
            }
            return integer
        }
        return nil
    }

    func flag(_ key: String, default absent: Bool) throws(WorkloadError) -> Bool {
        guard let value = value(key) else { return absent }
        guard case .bool(let flag) = value else { throw fault(key, "must be true or false") }
        return flag
    }

    func text(_ key: String) throws(WorkloadError) -> String? {
        guard let value = value(key) else { return nil }
        guard case .string(let text) = value else { throw fault(key, "must be a text") }
        return text
    }

    /// The first text of a list.
    func firstText(_ key: String) -> String? {
        guard case .array(let values) = value(key), case .string(let text) = values.first else { return nil }
        return text
    }

    /// The texts of a list; none where there is no list.
    func texts(_ key: String) -> [String] {
        guard case .array(let values) = value(key) else { return [] }
        return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    /// How many values a list has; nil where there is none.
    func count(_ key: String) -> Int? {
        guard case .array(let values) = value(key) else { return nil }
        return values.count
    }

    /// The same fields with one more, where it is missing.
    func adding(_ key: String, _ text: String) -> PublishedConfig { has(key) ? self : replacing(key, text) }

    func replacing(_ key: String, _ text: String) -> PublishedConfig {
        guard case .object(let members) = root else { return self }
        return PublishedConfig(file: file, root: .object(members.filter { $0.key != key } + [.init(key: key, value: .string(text))]))
    }

    func isEmptyList(_ key: String) -> Bool {
        guard case .array(let values) = value(key) else { return true }
        return values.isEmpty
    }

    /// A nested object; an absent one reads as empty.
    func section(_ key: String) -> PublishedConfig {
        PublishedConfig(file: file, root: value(key) ?? .object([]))
    }
}
