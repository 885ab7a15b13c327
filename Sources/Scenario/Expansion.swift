/// A key whose values a scenario goes through.
struct Axes {
    struct Axis {
        var keys: [String]
        /// [points][keys]
        var values: [[Tree]]
    }
    private(set) var axes: [Axis] = []
    var isEmpty: Bool { axes.isEmpty }
    /// Where the file says that it varies something.
    private(set) var place: Place?

    private static let pointLimit = 10_000
    private static let listLimit = 10_000

    /// Takes `vary` and `zip` out of a tree, checking that each key exists.
    static func take(from tree: inout Tree, _ errors: inout [ScenarioError]) -> Axes {
        var result = Axes()
        result.place = (tree["vary"] ?? tree["zip"])?.place
        if let entry = tree["vary"] {
            for (key, values) in lists(entry, &errors) { result.axes.append(Axis(keys: [key], values: values.map { [$0] })) }
        }
        if let entry = tree["zip"] {
            let columns = lists(entry, &errors)
            if let first = columns.first {
                for column in columns where column.values.count != first.values.count {
                    report(
                        entry.value[column.key]?.place ?? entry.place, "zip.\(column.key)",
                        "the list has \(column.values.count) values, that of \(first.key) has \(first.values.count)",
                        "give all lists of zip one length",
                        &errors)
                }
                let rows = columns.map(\.values.count).min() ?? 0
                result.axes.append(Axis(keys: columns.map(\.key), values: (0..<rows).map { row in columns.map { $0.values[row] } }))
            }
        }
        var points = 1
        for axis in result.axes {
            points = points.multipliedReportingOverflow(by: max(1, axis.values.count)).partialValue
            if points > pointLimit {
                report(
                    tree["vary"]?.place ?? tree.place, "vary", "there are more than \(pointLimit) combinations",
                    "vary fewer keys, or use search", &errors)
                result.axes = []
                break
            }
        }
        tree.remove(["vary"])
        tree.remove(["zip"])
        return result
    }

    private static func lists(_ entry: Tree.Entry, _ errors: inout [ScenarioError]) -> [(key: String, values: [Tree])] {
        guard let entries = entry.value.entries else {
            if !entry.value.isNull {
                report(
                    entry.value.place, entry.key, "a mapping of key paths to lists is expected",
                    "write \(entry.key): {layout.tensor: [1, 2]}", &errors)
            }
            return []
        }
        var result: [(key: String, values: [Tree])] = []
        for axis in entries {
            let path = "\(entry.key).\(axis.key)"
            if let advice = ScenarioReader.adviceForUnknown(axis.key) {
                report(axis.place, path, "unknown key \"\(axis.key)\"", advice, &errors)
                continue
            }
            guard case .sequence(let values) = axis.value.content, !values.isEmpty, values.count <= listLimit else {
                report(axis.value.place, path, "a list of values is expected", "write \(axis.key): [1, 2]", &errors)
                continue
            }
            result.append((axis.key, values))
        }
        return result
    }

    private static func report(_ place: Place, _ path: String, _ reason: String, _ advice: String, _ errors: inout [ScenarioError]) {
        errors.append(
            ScenarioError(file: place.file, line: place.line, column: place.column, keyPath: path, reason: reason, suggestion: advice))
    }

    /// All combinations, the last axis fastest; one empty combination without axes.
    var points: [[(key: String, value: Tree)]] {
        var points: [[(key: String, value: Tree)]] = [[]]
        for axis in axes {
            points = points.flatMap { point in axis.values.map { point + Array(zip(axis.keys, $0).map { (key: $0, value: $1) }) } }
        }
        return points
    }
}

extension Scenario {
    /// A scenario of a file with `vary` or `zip`, and the values that single it out.
    public struct Point: Sendable {
        /// Key path and value as written, in the order of the file.
        public var point: [(key: String, value: String)]
        public var scenario: Scenario
    }

    /// Reads a file and goes through what it varies: every combination of `vary`, times the rows of `zip`. A file that varies nothing gives one point.
    /// - Throws: `ScenarioErrors` with every fault of every combination.
    public static func expand(path: String, overrides: [String] = [], library: Library = .standard) throws(ScenarioErrors) -> [Point] {
        try expand(ScenarioDocument(path: path), overrides: overrides, library: library)
    }

    /// As `expand(path:)` for a text.
    /// - Throws: `ScenarioErrors` with every fault of every combination.
    public static func expand(yaml: String, file: String, overrides: [String] = [], library: Library = .standard) throws(ScenarioErrors)
        -> [Point]
    {
        try expand(ScenarioDocument(yaml: yaml, file: file), overrides: overrides, library: library)
    }

    /// As `expand(path:)` for a document.
    /// - Throws: `ScenarioErrors` with every fault of every combination.
    public static func expand(
        _ document: ScenarioDocument, overrides: [String] = [], library: Library = .standard
    ) throws(ScenarioErrors) -> [Point] {
        var (tree, errors) = Overrides.apply(overrides, to: document.tree)
        let axes = Axes.take(from: &tree, &errors)
        var result: [Point] = []
        for point in axes.points where errors.count < 1000 {
            var reader = ScenarioReader(library: library, mayReadFiles: document.mayReadFiles)
            if let scenario = reader.read(tree.with(point), name: document.name) {
                result.append(Point(point: point.map { ($0.key, $0.value.written) }, scenario: scenario))
            }
            errors += reader.errors
        }
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        return result
    }
}

extension Scenario {
    /// The scenarios of a document; a point of one that varies keys is named by its values.
    /// - Throws: `ScenarioErrors` with every fault of every combination.
    public static func points(of document: ScenarioDocument, overrides: [String] = []) throws(ScenarioErrors) -> [Scenario] {
        try expand(document, overrides: overrides).map { point in
            var scenario = point.scenario
            let values = point.point.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value)" }
            if !values.isEmpty { scenario.name += " " + values.joined(separator: " ") }
            return scenario
        }
    }
}

extension Tree {
    /// The tree with the values of a point of its axes.
    func with(_ point: [(key: String, value: Tree)]) -> Tree {
        var variant = self
        for (key, value) in point { variant.set(key.split(separator: ".").map(String.init), to: value) }
        return variant
    }

    /// The value on one line, as a file would hold it.
    var written: String {
        switch content {
        case .null: "null"
        case .scalar(let text, _): text
        case .sequence(let items): "[\(items.map(\.written).joined(separator: ", "))]"
        case .mapping(let entries): "{\(entries.map { "\($0.key): \($0.value.written)" }.joined(separator: ", "))}"
        }
    }
}
