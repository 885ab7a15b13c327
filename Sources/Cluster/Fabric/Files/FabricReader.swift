import Quantities
import Yams

/// All that is wrong with a file, in the order of the text.
public struct FabricFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file, and every mistake in it.
    public let file: String
    public let errors: [FabricError]
    public var description: String { errors.map { "\(file):\($0)" }.joined(separator: "\n") }
}

/// Reads the keys of one YAML mapping and collects what is wrong, so that all errors come in one go. A value that cannot be read gives the fallback, which
/// is never used, because the file is refused in the end.
struct FabricReader {
    let mapping: Node.Mapping
    let path: String
    let errors: ErrorList
    private var known: [String] = []

    /// Shared by the readers of one file.
    final class ErrorList {
        var errors: [FabricError] = []
        func add(_ key: String, _ message: String, _ node: Node?) {
            errors.append(FabricError(key: key, message, line: node?.mark?.line, column: node?.mark?.column))
        }
    }

    init(_ mapping: Node.Mapping, path: String, errors: ErrorList) {
        self.mapping = mapping
        self.path = path
        self.errors = errors
    }

    func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    func fail(_ key: String, _ message: String) { errors.add(full(key), message, mapping[key] ?? mapping.keys.first) }
    func has(_ key: String) -> Bool { mapping[key] != nil }

    mutating func node(_ key: String) -> Node? {
        known.append(key)
        return mapping[key]
    }

    mutating func integer(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int> = 1...1_000_000) -> Int {
        guard let node = node(key) else {
            if fallback == nil { fail(key, "is missing; write for instance \(key): 16") }
            return fallback ?? range.lowerBound
        }
        guard let text = node.string, let value = Int(text.filter { $0 != "_" }), range.contains(value) else {
            fail(key, "\(node.string ?? "this") is not a whole number from \(range.lowerBound) to \(range.upperBound)")
            return range.lowerBound
        }
        return value
    }

    mutating func integers(_ key: String, in range: ClosedRange<Int> = 1...1_000_000) -> [Int] {
        guard let node = node(key), let list = node.sequence, !list.isEmpty else {
            fail(key, "a list of whole numbers is needed, for instance [8, 8, 8]")
            return []
        }
        let values = list.compactMap { $0.string.flatMap { Int($0) } }.filter { range.contains($0) }
        if values.count != list.count { fail(key, "every entry must be a whole number from \(range.lowerBound) to \(range.upperBound)") }
        return values
    }

    /// Nil, and an error, where the key is missing or is no such quantity.
    mutating func quantity<Q: Quantity>(_ key: String) -> Q? {
        guard let node = node(key) else {
            fail(key, "is missing; write for instance \(key): \(Q.example)")
            return nil
        }
        do { return try Q(parsing: node.string ?? "") } catch {
            fail(key, error.message)
            return nil
        }
    }

    /// A share: 0.5 or 50%.
    mutating func share(_ key: String, default fallback: Double? = nil, in range: ClosedRange<Double> = 0...1) -> Double {
        guard let node = node(key) else {
            if fallback == nil { fail(key, "is missing; write for instance \(key): 50%") }
            return fallback ?? range.upperBound
        }
        let text = node.string ?? ""
        let value = text.hasSuffix("%") ? decimalNumber(text.dropLast()).map { $0 / 100 } : decimalNumber(text)
        guard let value, range.contains(value) else {
            func written(_ value: Double) -> String { "\(significant(value * 100, digits: 4))%" }
            fail(
                key,
                "\"\(text)\" is not a share from \(written(range.lowerBound)) to \(written(range.upperBound)); write for instance \(key): 50%"
            )
            return range.upperBound
        }
        return value
    }

    mutating func flag(_ key: String) -> Bool { name(key, default: "false", among: ["true", "false"]) == "true" }

    /// The mappings of a list below a key; none where it is missing.
    static func mappings(_ node: Node, path: String, errors: ErrorList) -> [FabricReader] {
        guard let list = node.sequence else {
            errors.add(path, "must be a list of mappings", node)
            return []
        }
        return list.enumerated().compactMap { index, one in
            guard let mapping = one.mapping else {
                errors.add("\(path)[\(index)]", "must be a mapping of keys and values", one)
                return nil
            }
            return FabricReader(mapping, path: "\(path)[\(index)]", errors: errors)
        }
    }

    /// The keys `bandwidth` and `latency`.
    mutating func linkProperties() -> LinkProperties? {
        let bandwidth: Bandwidth? = quantity("bandwidth")
        let latency: Duration? = quantity("latency")
        guard let bandwidth, let latency else { return nil }
        return LinkProperties(bandwidth: bandwidth.bytesPerSecond, latency: latency.seconds)
    }

    /// One of a list of names.
    mutating func name(_ key: String, default fallback: String?, among names: [String]) -> String {
        guard let node = node(key) else {
            if fallback == nil { fail(key, "is missing; choose one of \(names.joined(separator: ", "))") }
            return fallback ?? names.first ?? ""
        }
        let text = node.string ?? ""
        guard names.contains(text) else {
            let hint = nearest(text, in: names).map { "did you mean \($0)? " } ?? ""
            fail(key, "\"\(text)\" is not known here; \(hint)choose one of \(names.joined(separator: ", "))")
            return fallback ?? names.first ?? ""
        }
        return text
    }

    /// The mapping below a key; nil (and an error, where `required`) without one.
    mutating func section(_ key: String, required: Bool = true) -> FabricReader? {
        guard let node = node(key) else {
            if required { fail(key, "is missing; write for instance \(key): \(Self.example(of: key))") }
            return nil
        }
        guard let inner = node.mapping else {
            fail(key, "must be a mapping of keys and values; write for instance \(key): \(Self.example(of: key))")
            return nil
        }
        return FabricReader(inner, path: full(key), errors: errors)
    }

    private static func example(of section: String) -> String {
        let link = "{bandwidth: 100 Gb/s, latency: 1 us}"
        switch section {
        case "topology": return "{kind: star, link: \(link)}"
        case "efficiency": return "{half_size: 64 kB}"
        case "congestion": return "{threshold: 4, loss_per_flow: 2%}"
        default: return link
        }
    }

    /// Reports the keys that nobody asked for.
    func close() {
        var names: [String] = []
        for name in known where !names.contains(name) { names.append(name) }
        for key in mapping.keys {
            guard let text = key.string, !known.contains(text) else { continue }
            let hint = nearest(text, in: known).map { "did you mean \($0)?" } ?? "known: \(names.joined(separator: ", "))"
            errors.add(full(text), "unknown key; \(hint)", key)
        }
    }
}
