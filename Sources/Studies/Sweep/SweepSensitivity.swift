import Planner
import Quantities

/// A figure of a run that a sample explains.
public enum SweepResponse: String, Sendable, CaseIterable {
    case stepTime = "step_time"
    case samplesPerS = "samples_per_s"
    case mfu, memory, cost

    /// In words behind the name; what has its unit in the name, or none, needs none.
    public var unit: String {
        switch self {
        case .stepTime: " in seconds"
        case .memory: " in bytes"
        case .cost: " in USD"
        case .samplesPerS, .mfu: ""
        }
    }

    public func value(_ report: RunAnswer) -> Double {
        switch self {
        case .stepTime: report.result.step.timeS.mean
        case .samplesPerS: report.result.step.samplesPerS
        case .mfu: report.result.step.mfu
        case .memory: report.result.memory.peak
        case .cost: report.bill.totalUSD
        }
    }
}

/// What matters most: the share of a figure's variance that each sampled key explains.
public struct SweepSensitivity: Sendable {
    public let response: SweepResponse
    public let keys: [String]
    /// nil where the figure does not vary, or too few points are possible.
    public let indices: SensitivityIndices?
    /// 5th, 50th and 95th percentile of the figure over the two independent samples.
    public let percentiles: [Double]

    init(_ rows: [SweepRow], axes: [String], design: SampleDesign, response: SweepResponse, seed: UInt64) {
        (self.response, keys) = (response, axes)
        let outputs = rows.map { $0.report.map(response.value) }
        indices = SensitivityIndices(of: outputs, design: design, seed: seed)
        let sorted = outputs.prefix(2 * design.count).compactMap(\.self).sorted()
        percentiles = sorted.isEmpty ? [] : [0.05, 0.5, 0.95].map { sorted[Int(($0 * Double(sorted.count - 1)).rounded())] }
    }

    /// Inputs, the one that matters most first.
    public var order: [Int] {
        guard let indices else { return [] }
        return keys.indices.sorted { (-indices.first[$0].value, $0) < (-indices.first[$1].value, $1) }
    }

    public var json: JSONValue {
        func value(_ index: SensitivityIndices.Index) -> JSONValue {
            .object([("value", .number(index.value)), ("low", .number(index.low)), ("high", .number(index.high))])
        }
        let entries = order.map { input -> JSONValue in
            guard let indices else { return .null }
            return .object([("key", .string(keys[input])), ("first", value(indices.first[input])), ("total", value(indices.total[input]))])
        }
        return .object([
            ("response", .string(response.rawValue)), ("rows", .integer(indices?.used ?? 0)), ("mean", .optional(indices?.mean)),
            ("variance", .optional(indices?.variance)), ("percentiles", .array(percentiles.map { .number($0) })),
            ("indices", .array(entries)),
        ])
    }
}
