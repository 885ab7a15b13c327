import Cluster
import Cost
import Lifetime
import Plan
import Quantities
import Simulation

/// A checked scenario file: everything that `orrery run` needs.
public struct Scenario: Sendable {
    public var name: String
    public var job: Job
    public var conditions = Conditions()
    /// What happens in the weeks of the run.
    public var weeks = WeeksSpec()
    /// What changes while the run goes on, in the order of the steps.
    public var updates: [RunUpdate] = []
    /// How the loss falls with parameters and tokens; nil where the file names no law.
    public var lossLaw: LossLaw?
    /// Monte-Carlo runs of the weeks; nil: 1,000 where they are random.
    public var runSamples: Int?
    public var settings = SimulationSettings()
    public var prices = PriceBook()
    /// Measured runs of the user's own that update the calibration (`software.runs`).
    public var runs: [MeasuredRun] = []
    /// FNV-1a of what the scenario says, in hex, however it is written: "400 Gb/s" and "50 GB/s" give equal hashes.
    public var hash = ""
    /// Remarks on defaults that were filled in.
    public var warnings: [String] = []
    /// What a command that takes one scenario says of a file that varies keys, and where; nil where it varies none.
    public var variation: ScenarioError?
    /// Every file that was read for it.
    public var files: [String] = []
    /// Why the file's own layout cannot run; filled only where a scenario is loaded with any layout, else a fault of the file.
    public var layoutProblems: [Fault] = []
    /// The merged file, for the places of its keys; nil for a scenario that was made in a program.
    var tree: Tree?
    public init(name: String, job: Job) {
        self.name = name
        self.job = job
    }
}

extension Scenario {
    /// Reads a scenario file.
    /// - Throws: `ScenarioErrors` with every fault of the file.
    public static func load(path: String, overrides: [String] = [], library: Library = .standard) throws(ScenarioErrors) -> Scenario {
        try load(ScenarioDocument(path: path), overrides: overrides, library: library)
    }

    /// The scenario of a document.
    /// - Parameters:
    ///   - overrides: `key.path=value` each, the value in YAML; laid over the document.
    ///   - library: where names of GPUs, links, models and prices are looked up.
    /// - Throws: `ScenarioErrors` with every fault of the document.
    public static func load(
        _ document: ScenarioDocument, overrides: [String] = [], library: Library = .standard
    ) throws(ScenarioErrors) -> Scenario {
        try load(
            document.tree, name: document.name, overrides: overrides,
            reader: ScenarioReader(library: library, mayReadFiles: document.mayReadFiles))
    }

    /// As `load(path:)` for whoever replaces the layout: one that cannot run is noted in `layoutProblems` and is no fault.
    public static func loadAnyLayout(path: String, overrides: [String] = []) throws(ScenarioErrors) -> Scenario {
        try loadAnyLayout(ScenarioDocument(path: path), overrides: overrides)
    }

    /// As `loadAnyLayout(path:)` for a document.
    /// - Throws: `ScenarioErrors` with every fault of the document.
    public static func loadAnyLayout(_ document: ScenarioDocument, overrides: [String] = []) throws(ScenarioErrors) -> Scenario {
        var reader = ScenarioReader(library: .standard, mayReadFiles: document.mayReadFiles)
        reader.takesAnyLayout = true
        return try load(document.tree, name: document.name, overrides: overrides, reader: reader)
    }

    /// As `loadAnyLayout(path:)` for a text.
    public static func loadAnyLayout(yaml: String, file: String) throws(ScenarioErrors) -> Scenario {
        let document = try ScenarioDocument(yaml: yaml, file: file)
        var reader = ScenarioReader(library: .standard)
        reader.takesAnyLayout = true
        return try load(document.tree, name: document.name, overrides: [], reader: reader)
    }

    /// The section `cluster` of a file, or a file that holds nothing but its keys; whatever else stands there is not read.
    /// - Throws: `ScenarioErrors` with every fault of the section.
    public static func cluster(path: String) throws(ScenarioErrors) -> ClusterSpec {
        let tree = try MergedDocument.load(path: path)
        var reader = Reader(library: .standard)
        let cluster = ClusterSection.read(Item(tree: tree["cluster"]?.value ?? tree, path: "cluster"), flows: true, &reader)
        guard let cluster, reader.errors.isEmpty else { throw ScenarioErrors(reader.errors) }
        return cluster
    }

    /// As `load(path:)` for a text; `file` names it in messages, and relative paths in it start from the folder of `file`.
    /// - Throws: `ScenarioErrors` with every fault of the text.
    public static func load(
        yaml: String, file: String, overrides: [String] = [], library: Library = .standard
    ) throws(ScenarioErrors) -> Scenario {
        try load(ScenarioDocument(yaml: yaml, file: file), overrides: overrides, library: library)
    }

    /// What the scenario says, merged and with everything laid over it, as YAML; paths in it are as they were written. Empty for a scenario that was
    /// made in a program.
    public var yaml: String { tree.map { ScenarioDocument(name: name, tree: $0, mayReadFiles: true).yaml } ?? "" }

    /// Every key that a file may hold, section by section.
    public static var schema: [SchemaEntry] { ScenarioReader.entries }

    private static func load(_ tree: Tree, name: String, overrides: [String], reader: ScenarioReader) throws(ScenarioErrors) -> Scenario {
        var (tree, errors) = Overrides.apply(overrides, to: tree)
        let axes = Axes.take(from: &tree, &errors)
        var reader = reader
        let scenario = reader.read(tree, name: name)
        errors += reader.errors
        guard errors.isEmpty, var scenario else { throw ScenarioErrors(errors) }
        if !axes.isEmpty {
            scenario.warnings.append("vary and zip are left out here: compare and sweep go through their values")
            scenario.variation = axes.place.map { place in
                ScenarioError(
                    file: place.file, line: place.line, column: place.column, keyPath: axes.axes.first?.keys.first ?? "vary",
                    reason: "the file varies this key, so it holds \(axes.points.count) scenarios and not one",
                    suggestion: "use orrery compare, or remove vary and zip")
            }
        }
        return scenario
    }
}

/// Settings from the command line, laid over a file.
enum Overrides {
    static func apply(_ overrides: [String], to tree: Tree) -> (tree: Tree, errors: [ScenarioError]) {
        var tree = tree
        var errors: [ScenarioError] = []
        for text in overrides {
            guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
                errors.append(
                    ScenarioError(
                        file: text, line: 1, column: 1, keyPath: "", reason: "\"\(text)\" is no setting",
                        suggestion: "write key=value, for instance layout.tensor=8"))
                continue
            }
            let key = String(text[..<equals])
            if let advice = ScenarioReader.adviceForUnknown(key) {
                errors.append(
                    ScenarioError(file: text, line: 1, column: 1, keyPath: key, reason: "unknown key \"\(key)\"", suggestion: advice))
                continue
            }
            guard !text[text.index(after: equals)...].allSatisfy(\.isWhitespace) else {
                errors.append(
                    ScenarioError(
                        file: text, line: 1, column: key.count + 2, keyPath: key, reason: "the setting has no value",
                        suggestion: "write \(key)=VALUE, for instance layout.tensor=8"))
                continue
            }
            // Spaces in place of the key keep the columns of messages right.
            let padded = String(repeating: " ", count: key.count + 1) + text[text.index(after: equals)...]
            do {
                let value = try YAMLDocument.parse(padded, file: text, isSetting: true)
                tree.set(key.split(separator: ".").map(String.init), to: value)
            } catch {
                errors += error.errors.map {
                    ScenarioError(
                        file: $0.file, line: $0.line, column: $0.column, keyPath: key, reason: $0.reason, suggestion: $0.suggestion)
                }
            }
        }
        return (tree, errors)
    }
}
