import Calibration
import Plan
import Quantities
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

    /// - Parameters:
    ///   - choice: nil: none, so that what is unseen can be compared.
    ///   - isUnseen: each source is predicted as if no run of its stack, and none in any scope that only it shows, had been in the calibration.
    /// - Throws: `CalibrationError` where a run cannot be timed.
    public init(runs: [MeasuredRun], choice: AnchorChoice?, isUnseen: Bool = false, data: CalibrationData) throws(CalibrationError) {
        let prepared = parallelMap(runs, jobs: runs.count) { run in
            run.isExcluded || run.job == nil ? nil : try? PreparedRun(run, data: data)
        }
        var groups: [String: [Int]] = [:]
        for (index, run) in runs.enumerated() where run.job != nil && !run.isExcluded {
            groups["\(run.file) \(run.framework) \(run.hardware)", default: []].append(index)
        }
        var list: [Source] = []
        for name in groups.keys.sorted() {
            let members = groups[name] ?? []
            let own = members.filter { prepared[$0] != nil }
            var known = data
            if isUnseen {
                let gone = Set(own)
                let others = prepared.indices.filter { !gone.contains($0) }.compactMap { prepared[$0] }
                known.profiles = Self.without(own.compactMap { prepared[$0] }, others: others, data)
            }
            guard own.count > 1, let choice else {
                list.append(Source(name: name, members: members, anchors: [], data: known))
                continue
            }
            let candidates = own.compactMap { prepared[$0] }
            let chosen = try Self.chosen(choice, of: candidates, data: known)
            let updated = try Anchoring(prepared: chosen.map { candidates[$0] }, data: known).data
            list.append(Source(name: name, members: members, anchors: Set(chosen.map { own[$0] }), data: updated))
        }
        sources = list
    }

    private static func chosen(
        _ choice: AnchorChoice, of runs: [PreparedRun], data: CalibrationData
    ) throws(CalibrationError) -> [Int] {
        switch choice {
        case .smallest:
            let least = runs.map(\.plan.job.cluster.gpus).min() ?? 1
            func cost(_ run: PreparedRun) -> Double {
                run.run.stepTimeS / Double(run.plan.job.training.globalBatch * run.plan.job.training.sequence)
            }
            let small = runs.indices.filter { runs[$0].plan.job.cluster.gpus == least }
            return small.min { cost(runs[$0]) < cost(runs[$1]) }.map { [$0] } ?? []
        case .first(let count): return Array(runs.indices.prefix(min(count, runs.count - 1)))
        case .designed(let count):
            // A thousand candidates differ little from a part of them.
            let stride = max(1, runs.count / 120)
            let some = runs.indices.filter { $0 % stride == 0 }
            let candidates = some.map { runs[$0] }
            let design = try MeasurementDesign(
                candidates: candidates, targets: candidates, count: min(count, candidates.count - 1), data: data)
            return design.chosen.map { some[$0] }
        }
    }

    /// The profiles without what the runs of one source alone can have shown: everything of its stacks, of scopes that no other run falls under, and
    /// constants of mechanisms that no other run has.
    private static func without(_ own: [PreparedRun], others: [PreparedRun], _ data: CalibrationData) -> ProfileTable {
        let stacks = Set(own.map(\.plan.behaviour.stack))
        var shown = Set<Scope>()
        for run in others where !stacks.contains(run.plan.behaviour.stack) { shown.formUnion(run.plan.profile.scopes) }
        var acting = Set<Constant>()
        for constant in Constant.allCases
        where others.contains(where: { !stacks.contains($0.plan.behaviour.stack) && $0.mayDepend(on: constant) }) {
            acting.insert(constant)
        }
        var hidden = Set<Scope>()
        for run in own { hidden.formUnion(run.plan.profile.scopes) }
        var profiles = data.profiles
        profiles.adjustments.removeAll { hidden.contains($0.scope) && (!shown.contains($0.scope) || !acting.contains($0.constant)) }
        for stack in stacks { profiles.residual[stack] = nil }
        return profiles
    }
}
