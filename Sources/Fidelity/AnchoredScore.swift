import Calibration
import Plan
import Scenario

/// Which of its own runs a source is given before the rest of it is predicted.
public enum AnchorChoice: Sendable, Hashable {
    /// The best layout of the smallest number of GPUs.
    case smallest
    /// The first n rows of the table.
    case first(Int)
    /// The n rows that take most variance from the others.
    case designed(Int)

    /// "smallest", "first:3", "designed:5"; nil where it is none of them.
    public init?(parsing text: String) {
        let parts = text.split(separator: ":").map(String.init)
        switch (parts.first, parts.count) {
        case ("smallest", 1): self = .smallest
        case ("first", 2):
            guard let count = Int(parts[1]), (1...1000).contains(count) else { return nil }
            self = .first(count)
        case ("designed", 2):
            guard let count = Int(parts[1]), (1...100).contains(count) else { return nil }
            self = .designed(count)
        default: return nil
        }
    }
}

/// Sources that are each given some of their own runs: rows of one table, framework and device.
public struct AnchoredSources: Sendable {
    /// A source's data after the update, and the rows that it took, by index into the runs.
    public struct Source: Sendable {
        public var name: String
        public var members: [Int]
        public var anchors: Set<Int>
        public var data: CalibrationData
    }
    public let sources: [Source]

    /// - Throws: `CalibrationError` where a run cannot be timed.
    public init(runs: [MeasuredRun], choice: AnchorChoice, data: CalibrationData) throws(CalibrationError) {
        var groups: [String: [Int]] = [:]
        for (index, run) in runs.enumerated() where run.job != nil && !run.isExcluded {
            groups["\(run.file) \(run.framework) \(run.hardware)", default: []].append(index)
        }
        var list: [Source] = []
        for name in groups.keys.sorted() {
            let members = groups[name] ?? []
            var prepared: [(index: Int, run: PreparedRun)] = []
            for index in members { if let run = try? PreparedRun(runs[index], data: data) { prepared.append((index, run)) } }
            guard prepared.count > 1 else {
                list.append(Source(name: name, members: members, anchors: [], data: data))
                continue
            }
            let chosen: [Int]
            switch choice {
            case .smallest:
                let least = prepared.map(\.run.plan.job.cluster.gpus).min() ?? 1
                func cost(_ run: PreparedRun) -> Double {
                    run.run.stepTimeS / Double(run.plan.job.training.globalBatch * run.plan.job.training.sequence)
                }
                let small = prepared.indices.filter { prepared[$0].run.plan.job.cluster.gpus == least }
                chosen = small.min { cost(prepared[$0].run) < cost(prepared[$1].run) }.map { [$0] } ?? []
            case .first(let count): chosen = Array(prepared.indices.prefix(min(count, prepared.count - 1)))
            case .designed(let count):
                // A thousand candidates differ little from a part of them.
                let stride = max(1, prepared.count / 120)
                let some = prepared.indices.filter { $0 % stride == 0 }
                let candidates = some.map { prepared[$0].run }
                let design = try MeasurementDesign(
                    candidates: candidates, targets: candidates, count: min(count, candidates.count - 1), data: data)
                chosen = design.chosen.map { some[$0] }
            }
            let updated = try Anchoring(prepared: chosen.map { prepared[$0].run }, data: data).data
            list.append(Source(name: name, members: members, anchors: Set(chosen.map { prepared[$0].index }), data: updated))
        }
        sources = list
    }
}
