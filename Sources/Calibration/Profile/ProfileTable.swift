import Cluster
import Glibc
import Quantities
import Yams

/// Where a fitted factor applies.
public enum Scope: Sendable, Hashable, CustomStringConvertible {
    /// Everywhere: shifts the prior itself.
    case all
    /// The silicon of cards that differ in clocks, memory and links (GA100: A100 and A800).
    case chip(String)
    case hardware(String)
    /// Stacks built alike (`StackBehaviour.kind`).
    case kind(String)
    case stack(String)
    /// A stack on a chip: kernels that a stack chose for it, machines that it ran on.
    case pair(String, String)
    /// A part of a stack's release history.
    case era(String, String)
    case fabric(Fabric)
    case environment(String)

    public var description: String {
        switch self {
        case .all: "all"
        case .chip(let name): "chip \(name)"
        case .hardware(let name): "hardware \(name)"
        case .kind(let name): "kind \(name)"
        case .pair(let stack, let chip): "pair \(stack) \(chip)"
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
        case ("chip", 2): self = .chip(words[1])
        case ("hardware", 2): self = .hardware(words[1])
        case ("kind", 2): self = .kind(words[1])
        case ("pair", 3): self = .pair(words[1], words[2])
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
    public var kind: String
    public var scopes: [Scope]

    public init(cluster: ClusterSpec, behaviour: StackBehaviour) {
        generation = cluster.accelerator.generation
        kind = behaviour.kind
        let device = cluster.accelerator
        scopes = [.all, .chip(device.chip), .hardware(device.knownAs), .kind(behaviour.kind), .stack(behaviour.stack)]
        scopes.append(.pair(behaviour.stack, device.chip))
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
    /// Factors on the standard deviation towards faster and slower runs, by what is known of a job (`Plan.uncertainty`), from left-out runs.
    public var intervals: [String: [Double]] = [:]
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
        let root = try resourceMapping(yaml, name: "profile")
        provenance = root["provenance"]?.string ?? ""
        residual = [:]
        for (key, value) in root["residual"]?.mapping ?? [:] {
            if let name = key.string, let number = value.float { residual[name] = number }
        }
        for (key, value) in root["intervals"]?.mapping ?? [:] {
            if let name = key.string, let pair = value.sequence?.compactMap(\.float), pair.count == 2 { intervals[name] = pair }
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
    public func knows(_ device: Accelerator) -> Bool { adjustments.contains { $0.scope == .chip(device.chip) } }

    /// Text of a profile file; `init(yaml:)` reads it back.
    public var yaml: String {
        var scopes: [Scope] = []
        for adjustment in adjustments where !scopes.contains(adjustment.scope) { scopes.append(adjustment.scope) }
        var lines = ["provenance: \"\(provenance)\"", "residual:"]
        for (name, value) in residual.sorted(by: { $0.key < $1.key }) { lines.append("  \(name): \(significant(value))") }
        if !intervals.isEmpty {
            lines.append("intervals:")
            for (name, pair) in intervals.sorted(by: { $0.key < $1.key }) {
                lines.append("  \(name): [\(pair.map { significant($0) }.joined(separator: ", "))]")
            }
        }
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
                let value = prior.value(key.generation, kind: key.kind) * exp(logs[constant.rawValue])
                return min(max(value, prior.range.lowerBound), prior.range.upperBound)
            })
    }

    /// Whether some constant is known for a named state of the machines.
    public func knows(environment: String) -> Bool { adjustments.contains { $0.scope == .environment(environment) } }

    /// [constants] variances of their logarithms for a job: what the fit left in each of its scopes, and all of the prior's where no run showed
    /// anything.
    public func variances(in key: ProfileKey, priors: ConstantTable) -> [Double] {
        var left: [[Double]] = Constant.allCases.map { constant in
            key.scopes.map { $0 == .all ? priors[constant].sigma : ScopeSpread.sigma(constant, in: $0) }
        }
        for adjustment in adjustments {
            guard let place = key.scopes.firstIndex(of: adjustment.scope) else { continue }
            left[adjustment.constant.rawValue][place] = min(left[adjustment.constant.rawValue][place], adjustment.sigma)
        }
        return left.map { $0.reduce(0) { $0 + $1 * $1 } }
    }

    /// Adjustments that apply to a key, with what each leaves uncertain; the base of an estimate's error.
    public func uncertainty(for key: ProfileKey) -> [Adjustment] { adjustments.filter { key.scopes.contains($0.scope) } }
}
