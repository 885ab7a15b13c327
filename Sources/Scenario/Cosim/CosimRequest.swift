import CoSimulation
import Compression
import Quantities
import Simulation

/// What `orrery train` is asked: the training, and the job whose clock it runs under.
public struct CosimRequest: Sendable {
    public var name: String
    public var spec: CosimSpec
    public var synchronization: SynchronizationChoice
    /// Of one gradient, where the file states it; nil: the target's.
    public var service: Service?
    /// Whether messages take the target's time.
    public var communicates: Bool
    /// What disturbs the workers.
    public var conditions: Conditions
    /// The target; nil where the file holds no job.
    public var target: Scenario?
    /// As `Scenario.hash`, of the whole file.
    public var hash = ""
    public var remarks: [String] = []
    /// The whole file, for messages that come late.
    var tree: Tree?

    /// Faults that show late, at their places in the file.
    public func errors(_ faults: [Fault]) -> ScenarioErrors {
        ScenarioErrors(
            faults.map { fault in
                let place = tree.map { $0.place(at: fault.keyPath) } ?? .start(of: name)
                return ScenarioError(
                    file: place.file, line: place.line, column: place.column, keyPath: fault.keyPath, reason: fault.reason,
                    suggestion: fault.suggestion)
            })
    }
}

extension CosimRequest {
    /// Reads a scenario file for `orrery train`. With the sections model and cluster the job is the target; without them `cosim.service` must say
    /// how long a gradient takes, and of `training` only synchronization, compression and optimizer are read.
    /// - Throws: `ScenarioErrors` with every fault, at its place.
    public static func load(path: String, overrides: [String] = []) throws(ScenarioErrors) -> CosimRequest {
        try load(try MergedDocument.load(path: path), name: ScenarioDocument.stem(of: path), overrides)
    }

    /// As `load(path:)` for a text; `file` names it in messages.
    public static func load(yaml: String, file: String, overrides: [String] = []) throws(ScenarioErrors) -> CosimRequest {
        try load(try MergedDocument.load(yaml: yaml, file: file), name: ScenarioDocument.stem(of: file), overrides)
    }

    /// One request for each point of a file that varies keys.
    public static func loadAll(path: String, overrides: [String] = []) throws(ScenarioErrors) -> [CosimRequest] {
        var (tree, errors) = Overrides.apply(overrides, to: try MergedDocument.load(path: path))
        let axes = Axes.take(from: &tree, &errors)
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        var requests: [CosimRequest] = []
        for point in axes.points {
            var variant = tree
            for (key, value) in point { variant.set(key.split(separator: ".").map(String.init), to: value) }
            var request = try read(variant, name: ScenarioDocument.stem(of: path))
            let values = point.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value.written)" }
            if !values.isEmpty { request.name += " " + values.joined(separator: " ") }
            requests.append(request)
        }
        return requests
    }

    private static func load(_ tree: Tree, name: String, _ overrides: [String]) throws(ScenarioErrors) -> CosimRequest {
        let (tree, errors) = Overrides.apply(overrides, to: tree)
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        return try read(tree, name: name)
    }

    private static func read(_ tree: Tree, name: String) throws(ScenarioErrors) -> CosimRequest {
        var reader = CosimReader(tree: tree)
        guard let request = reader.read(name: name), reader.reader.errors.isEmpty else { throw ScenarioErrors(reader.reader.errors) }
        return request
    }
}
