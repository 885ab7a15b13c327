import Cluster
import Glibc
import Quantities
import Yams

/// Where a fitted factor applies.
public enum Scope: Sendable, Hashable, CustomStringConvertible {
    /// Everywhere: shifts the prior itself.
    case all
    case hardware(String)
    case stack(String)
    /// A part of a stack's release history.
    case era(String, String)
    case fabric(Fabric)
    case environment(String)

    public var description: String {
        switch self {
        case .all: "all"
        case .hardware(let name): "hardware \(name)"
        case .stack(let name): "stack \(name)"
        case .era(let stack, let era): "release \(stack) \(era)"
        case .fabric(let fabric): "fabric \(fabric.rawValue)"
        case .environment(let name): "environment \(name)"
        }
    }

    init?(parsing text: String) {
        let words = text.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("all", 1): self = .all
        case ("hardware", 2): self = .hardware(words[1])
        case ("stack", 2): self = .stack(words[1])
        case ("release", 3): self = .era(words[1], words[2])
        case ("environment", 2): self = .environment(words[1])
        case ("fabric", 2):
            guard let fabric = Fabric(rawValue: words[1]) else { return nil }
            self = .fabric(fabric)
        default: return nil
        }
    }
}

/// A factor on one constant within a scope, as its logarithm, with what the fit leaves uncertain.
public struct Adjustment: Sendable, Hashable {
    public var constant: Constant
    public var scope: Scope
    public var log: Double
    /// Standard deviation of `log` after the fit.
    public var sigma: Double
    public init(constant: Constant, scope: Scope, log: Double, sigma: Double) {
        self.constant = constant
        self.scope = scope
        self.log = log
        self.sigma = sigma
    }
}

/// The scopes that a job falls under.
public struct ProfileKey: Sendable, Hashable {
    public var generation: Generation
    public var scopes: [Scope]

    public init(cluster: ClusterSpec, behaviour: StackBehaviour) {
        generation = cluster.accelerator.generation
        scopes = [.all, .hardware(cluster.accelerator.knownAs), .stack(behaviour.stack)]
        if !behaviour.era.isEmpty { scopes.append(.era(behaviour.stack, behaviour.era)) }
        if let fabric = cluster.interNode?.link.fabric { scopes.append(.fabric(fabric)) }
        if !behaviour.environment.isEmpty { scopes.append(.environment(behaviour.environment)) }
    }
}

/// Fitted adjustments of the priors: one calibration for each hardware and software stack, never for a row or a model.
public struct ProfileTable: Sendable {
    public var adjustments: [Adjustment]
    /// Spread of the residuals (log) by stack after the fit, the unexplained part of an estimate's error.
    public var residual: [String: Double]
    /// How the fit was made.
    public var provenance: String

    public init(adjustments: [Adjustment], residual: [String: Double], provenance: String) {
        self.adjustments = adjustments
        self.residual = residual
        self.provenance = provenance
    }

    /// The profiles that ship with the program.
    public static let shared: Result<ProfileTable, CalibrationError> = Result { () throws(CalibrationError) in
        try ProfileTable(yaml: String(decoding: PackageResources.profiles_yaml, as: UTF8.self))
    }

    /// - Throws: `CalibrationError` naming the line at fault.
    public init(yaml: String) throws(CalibrationError) {
        let root: Node.Mapping
        do {
            guard let found = try Yams.compose(yaml: yaml)?.mapping else { throw CalibrationError("profile: no mapping at the top") }
            root = found
        } catch let error as CalibrationError { throw error } catch { throw CalibrationError("profile: \(error)") }
        provenance = root["provenance"]?.string ?? ""
        residual = [:]
        for (key, value) in root["residual"]?.mapping ?? [:] {
            if let name = key.string, let number = value.float { residual[name] = number }
        }
        let byKey = Dictionary(uniqueKeysWithValues: Constant.allCases.map { ($0.key, $0) })
        adjustments = []
        for (scopeNode, constants) in root["adjustments"]?.mapping ?? [:] {
            guard let scope = scopeNode.string.flatMap(Scope.init(parsing:)), let map = constants.mapping else {
                throw CalibrationError("profile: unknown scope \(scopeNode.string ?? "?")")
            }
            for (name, pair) in map {
                guard let constant = name.string.flatMap({ byKey[$0] }), let numbers = pair.sequence?.compactMap(\.float),
                    numbers.count == 2,
                    numbers[0] > 0
                else { throw CalibrationError("profile: \(scope): \(name.string ?? "?") is no constant with [factor, sigma]") }
                adjustments.append(Adjustment(constant: constant, scope: scope, log: log(numbers[0]), sigma: numbers[1]))
            }
        }
    }

    /// Whether measured runs on this device are behind the constants.
    public func knows(_ device: Accelerator) -> Bool { adjustments.contains { $0.scope == .hardware(device.knownAs) } }

    /// Text of a profile file; `init(yaml:)` reads it back.
    public var yaml: String {
        var scopes: [Scope] = []
        for adjustment in adjustments where !scopes.contains(adjustment.scope) { scopes.append(adjustment.scope) }
        var lines = ["provenance: \"\(provenance)\"", "residual:"]
        for (name, value) in residual.sorted(by: { $0.key < $1.key }) { lines.append("  \(name): \(significant(value))") }
        lines.append("adjustments:")
        for scope in scopes {
            lines.append("  \(scope):")
            for adjustment in adjustments where adjustment.scope == scope {
                let factor = significant(exp(adjustment.log), digits: 6)
                lines.append("    \(adjustment.constant.key): [\(factor), \(significant(adjustment.sigma))]")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The constants of a job: prior of its generation times every adjustment that applies, clamped to the physical range.
    public func constants(for key: ProfileKey, priors: ConstantTable) -> Constants {
        var logs = [Double](repeating: 0, count: Constant.allCases.count)
        for adjustment in adjustments where key.scopes.contains(adjustment.scope) { logs[adjustment.constant.rawValue] += adjustment.log }
        return Constants(
            values: Constant.allCases.map { constant in
                let prior = priors[constant]
                let value = prior.value(key.generation) * exp(logs[constant.rawValue])
                return min(max(value, prior.range.lowerBound), prior.range.upperBound)
            })
    }

    /// Whether some constant is known for a named state of the machines.
    public func knows(environment: String) -> Bool { adjustments.contains { $0.scope == .environment(environment) } }

    /// Adjustments that apply to a key, with what each leaves uncertain; the base of an estimate's error.
    public func uncertainty(for key: ProfileKey) -> [Adjustment] { adjustments.filter { key.scopes.contains($0.scope) } }
}
