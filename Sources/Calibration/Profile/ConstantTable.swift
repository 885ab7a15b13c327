import Cluster
import Yams

/// A fault in one of the data files that ship with the program.
public struct CalibrationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}

/// What is known of a constant before any run is looked at.
public struct ConstantPrior: Sendable, Hashable {
    public let unit: String
    /// One value for all devices, or one a generation.
    public let common: Double?
    public let byGeneration: [Generation: Double]
    /// Values of kinds of stacks (`StackBehaviour.kind`) that differ from the rest.
    public let byKind: [String: Double]
    /// Spread of the prior: standard deviation of the logarithm.
    public let sigma: Double
    public let range: ClosedRange<Double>
    public let why: String

    public func value(_ generation: Generation, kind: String = "") -> Double {
        byKind[kind] ?? common ?? byGeneration[generation] ?? generation.kin.flatMap { byGeneration[$0] } ?? byGeneration[.hopper]
            ?? range.lowerBound
    }
}

/// The priors of all constants, read once from Resources/constants.yaml.
public struct ConstantTable: Sendable {
    /// In the order of `Constant.allCases`.
    public let priors: [ConstantPrior]
    public subscript(constant: Constant) -> ConstantPrior { priors[constant.rawValue] }

    public static let shared: Result<ConstantTable, CalibrationError> = Result { () throws(CalibrationError) in
        try ConstantTable(yaml: String(decoding: PackageResources.constants_yaml, as: UTF8.self))
    }

    /// - Throws: `CalibrationError` naming the constant whose entry is missing or malformed.
    init(yaml: String) throws(CalibrationError) {
        let mapping = try resourceMapping(yaml, name: "constants.yaml")
        var priors: [ConstantPrior] = []
        for constant in Constant.allCases {
            guard let entry = mapping[constant.key]?.mapping, let sigma = entry["sigma"]?.float, let prior = entry["prior"],
                let range = entry["range"]?.sequence?.compactMap(\.float), range.count == 2, range[0] <= range[1],
                let why = entry["why"]?.string, let unit = entry["unit"]?.string
            else { throw CalibrationError("constants.yaml: entry of \(constant.key) is missing or lacks prior, sigma, range, unit or why") }
            var byGeneration: [Generation: Double] = [:]
            if let map = prior.mapping {
                for (key, value) in map {
                    guard let generation = Generation(rawValue: key.string ?? ""), let number = value.float else {
                        throw CalibrationError("constants.yaml: \(constant.key).prior: unknown generation \(key.string ?? "?")")
                    }
                    byGeneration[generation] = number
                }
            }
            var byKind: [String: Double] = [:]
            for (key, value) in entry["kinds"]?.mapping ?? [:] {
                if let name = key.string, let number = value.float { byKind[name] = number }
            }
            priors.append(
                ConstantPrior(
                    unit: unit, common: prior.float, byGeneration: byGeneration, byKind: byKind, sigma: sigma, range: range[0]...range[1],
                    why: why))
        }
        self.priors = priors
    }
}
