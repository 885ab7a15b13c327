import Foundation
import Quantities

/// The failures of a published fleet. Every number is read from a paper or a logbook, or said to be assumed.
public struct FailurePreset: Sendable, Hashable {
    public var name: String
    public var about: String
    /// The run that its rates of whole jobs were counted on.
    public var gpus: Int
    public var gpusPerNode: Int
    public var days: Double
    public var causes: [FailureCause]
    public var lemons: Lemons?
    public var restart: RestartPlan
    /// On the run's own number of nodes; nil: a node is always at hand.
    public var spares: Int?
    public var maintenance: Maintenance?
    /// As the run saved its state, seconds.
    public var interval: Double
    public var stall: Double
    public var source: String
    public var assumed: String

    public var nodes: Int { gpus / max(1, gpusPerNode) }

    /// As many spares for each node as the published run had, at least one.
    public func spares(for nodes: Int) -> Spares? {
        spares.map { Spares(warm: max(1, Int((Double($0) * Double(nodes) / Double(max(1, self.nodes))).rounded(.up)))) }
    }

    /// All presets, in the order of the file.
    public static let all: [FailurePreset] = read()

    public static func named(_ name: String) -> FailurePreset? { all.first { $0.name == name } }

    private static func table(_ bytes: [UInt8]) -> [[String: String]] {
        let records = CSVRecords.split(String(decoding: bytes, as: UTF8.self)) { _, _, _, _ in }
        guard let head = records.first?.fields else { return [] }
        return records.dropFirst().filter { $0.fields.count == head.count }.map { Dictionary(uniqueKeysWithValues: zip(head, $0.fields)) }
    }

    private static func read() -> [FailurePreset] {
        let causes = table(PackageResources.failure_causes_csv)
        return table(PackageResources.failure_presets_csv).map { row in
            func number(_ key: String) -> Double? { row[key].flatMap { Double($0) } }
            let name = row["preset"] ?? ""
            var restart = RestartPlan()
            restart.requeue = .constant(number("requeue_s") ?? 0)
            restart.initialise = .constant(number("initialise_s") ?? 0)
            restart.load = number("load_s") ?? 0
            let lemons = number("lemon_share").map {
                Lemons(share: $0, factor: number("lemon_factor") ?? 1, screenedAbove: number("screened_above").map { Int($0) })
            }
            return FailurePreset(
                name: name, about: row["about"] ?? "", gpus: Int(number("gpus") ?? 0), gpusPerNode: Int(number("gpus_per_node") ?? 8),
                days: number("days") ?? 0, causes: causes.filter { $0["preset"] == name }.compactMap { cause($0) }, lemons: lemons,
                restart: restart,
                spares: number("spares").map { Int($0) },
                maintenance: number("maintenance_every_h").map { Maintenance(every: $0 * 3600, lasts: 0) },
                interval: number("interval_s") ?? 3600,
                stall: number("stall_s") ?? 0, source: row["source"] ?? "", assumed: row["assumed"] ?? "")
        }
    }

    private static func cause(_ row: [String: String]) -> FailureCause? {
        guard let unit = row["per"].flatMap({ FailingUnit(rawValue: $0) }), let hours = row["mtbf_h"].flatMap({ Double($0) }) else {
            return nil
        }
        var cause = FailureCause(row["cause"] ?? "", per: unit, mtbf: hours * 3600)
        switch row["strikes"] ?? "" {
        case "job": cause.strikes = .job
        case let text where text.hasSuffix(" nodes"): cause.strikes = .nodes(Int(text.dropLast(6)) ?? 1)
        default: cause.strikes = .node
        }
        cause.isSilent = row["silent"] == "yes"
        let words = (row["detect"] ?? "").split(separator: " ").map(String.init)
        let figures = words.compactMap { Double($0) }
        switch words.first {
        case "lognormal" where figures.count == 2: cause.detect = .lognormal(median: figures[0], p95: figures[1])
        case "uniform" where figures.count == 2: cause.detect = .uniform(from: figures[0], to: figures[1])
        default: cause.detect = .constant(figures.first ?? 0)
        }
        cause.repair = .constant((row["repair_h"].flatMap { Double($0) } ?? 0) * 3600)
        cause.source = row["source"] ?? ""
        cause.assumed = row["assumed"] ?? ""
        return cause
    }
}

extension FailurePreset {
    /// The preset's own run: its machines, its length, its checkpoints.
    public var publishedRun: RunPlan {
        var plan = RunPlan(fleet: Fleet(nodes: nodes, gpusPerNode: gpusPerNode), goal: .duration(days * 86_400))
        plan.causes = causes
        plan.lemons = lemons
        plan.restart = restart
        plan.spares = spares(for: nodes)
        plan.maintenance = maintenance
        plan.checkpoint = CheckpointPlan(interval: interval, stall: stall)
        return plan
    }
}
