import ArgumentParser
import Planner
import Quantities
import Report

/// A figure of a run that a sample explains.
enum SweepResponse: String, ExpressibleByArgument, CaseIterable {
    case stepTime = "step_time"
    case samplesPerS = "samples_per_s"
    case mfu, memory, cost

    /// In words behind the name; what has its unit in the name, or none, needs none.
    var unit: String {
        switch self {
        case .stepTime: " in seconds"
        case .memory: " in bytes"
        case .cost: " in USD"
        case .samplesPerS, .mfu: ""
        }
    }

    func value(_ report: RunReport) -> Double {
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
struct SweepSensitivity {
    let response: SweepResponse
    let keys: [String]
    /// nil where the figure does not vary, or too few points are possible.
    let indices: SensitivityIndices?
    /// 5th, 50th and 95th percentile of the figure over the two independent samples.
    let percentiles: [Double]

    init(_ rows: [SweepRow], axes: [String], design: SampleDesign, response: SweepResponse, seed: UInt64) {
        (self.response, keys) = (response, axes)
        // What does not fit cannot be run, so it has no time; how much memory it would take is known.
        let outputs = rows.map { row in row.report.flatMap { $0.valid || response == .memory ? response.value($0) : nil } }
        indices = SensitivityIndices(of: outputs, design: design, seed: seed)
        let sorted = outputs.prefix(2 * design.count).compactMap(\.self).sorted()
        percentiles = sorted.isEmpty ? [] : [0.05, 0.5, 0.95].map { sorted[Int(($0 * Double(sorted.count - 1)).rounded())] }
    }

    /// Inputs, the one that matters most first.
    private var order: [Int] {
        guard let indices else { return [] }
        return keys.indices.sorted { (-indices.first[$0].value, $0) < (-indices.first[$1].value, $1) }
    }

    /// A bootstrap of fewer rows draws the same few again and again, and its intervals say nothing.
    private static let fewestRows = 8

    func text(rows: [SweepRow]) -> String {
        let unfit = rows.count { $0.report?.valid == false }
        let possible = rows.count { $0.report?.valid == true }
        var lines = ["\(rows.count) runs, \(possible) of them possible" + (unfit > 0 ? ", \(unfit) need more memory than a GPU has" : "")]
        if percentiles.count == 3 {
            let (low, median, high) = (significant(percentiles[0]), significant(percentiles[1]), significant(percentiles[2]))
            lines.append("\(response.rawValue)\(response.unit): median \(median), 90 % between \(low) and \(high)")
        }
        guard let indices else {
            return (lines + ["\(response.rawValue) does not vary over the sample: no key matters"]).joined(separator: "\n") + "\n"
        }
        lines.append("share of the variance of \(response.rawValue) that a key explains (95 % interval), from \(indices.used) whole rows:")
        let width = max(3, keys.map(\.count).max() ?? 0)
        func cell(_ index: SensitivityIndices.Index) -> String {
            "\(rounded(index.value * 100, 1)) % (\(rounded(index.low * 100, 1)) to \(rounded(index.high * 100, 1)))"
        }
        for input in order {
            let name = keys[input] + String(repeating: " ", count: width - keys[input].count)
            lines.append("  \(name)  alone \(cell(indices.first[input])), with all interactions \(cell(indices.total[input]))")
        }
        if indices.used < Self.fewestRows {
            lines.append(
                "\(indices.used) rows are too few to say what matters, and the intervals too narrow; take more --samples, or ranges whose runs are possible"
            )
        } else if let most = order.first {
            lines.append("\(keys[most]) matters most")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSONValue {
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

    /// Bars of the page.
    var bars: [SweepPage.Bar] {
        guard let indices else { return [] }
        return order.map {
            SweepPage.Bar(
                key: keys[$0], first: indices.first[$0].value, low: indices.first[$0].low, high: indices.first[$0].high,
                total: indices.total[$0].value)
        }
    }
}

extension SweepTable {
    func page(file: String) -> SweepPage {
        var page = SweepPage(title: file, cells: cells, keys: cells[0].count - (scaling == nil ? 8 : 10))
        page.bars = sensitivity?.bars ?? []
        page.response = sensitivity?.response.rawValue ?? ""
        return page
    }
}
