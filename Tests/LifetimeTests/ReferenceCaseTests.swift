import Foundation
import Lifetime
import Quantities
import Testing

/// Cases with known answers: exact ones, and means of a million samples of another program.
@Suite("Reference cases of runs of weeks")
struct ReferenceCaseTests {
    private static let file = "weeks/reference_cases.csv"

    private struct Case {
        var id: String
        var quantity: String
        var answer: Double
        var error: Double
        var plan: RunPlan
    }

    /// The plan that a case's parameters describe.
    private static func plan(_ values: [String: Any]) -> RunPlan {
        func number(_ key: String) -> Double? { (values[key] as? NSNumber)?.doubleValue }
        func law(_ value: Any?) -> DurationLaw? {
            if let constant = (value as? NSNumber)?.doubleValue { return .constant(constant) }
            guard let pair = (value as? [String: Any])?["lognormal"] as? [NSNumber] else { return nil }
            return .lognormal(median: pair[0].doubleValue, p95: pair[1].doubleValue)
        }
        let nodes = Int(number("nodes") ?? 1)
        var fleet = Fleet(nodes: nodes)
        if let rack = number("nodes_per_rack") { fleet.nodesPerRack = Int(rack) }
        var plan = RunPlan(fleet: fleet, goal: number("horizon_s").map { .duration($0) } ?? .work(number("work_s") ?? 0))
        plan.failsDuringRecovery = (values["during_recovery"] as? Bool) ?? true
        plan.checkpoint = CheckpointPlan(
            interval: number("interval_s") ?? .infinity, stall: number("stall_s") ?? 0, write: number("write_s") ?? 0,
            slowdown: number("slow") ?? 0)
        plan.checkpoint.endsWithOne = (values["last"] as? Bool) ?? true
        if let every = number("persistent_every") {
            plan.checkpoint.major = .init(every: Int(every), stall: number("persistent_stall_s") ?? 0)
            plan.checkpoint.minorIsInMemory = true
        }
        plan.restart.requeue = .constant(number("restart_s") ?? 0)
        plan.restart.warmUp = number("warm_up_work_s") ?? 0
        plan.spares = number("spares").map { Spares(warm: Int($0)) }
        let detect = law(values["detect"]) ?? law(values["detect_s"]) ?? .none
        let repair = law(values["repair"]) ?? number("repair_mean_s").map { .exponential(mean: $0) } ?? .none
        if let mttf = number("mttf_s") {
            var cause = FailureCause("failure", per: .job, mtbf: mttf, isSilent: (values["silent"] as? Bool) ?? false, detect: detect)
            cause.memoryLost = number("memory_lost")
            if let shape = ((values["distribution"] as? [String: Any])?["weibull"] as? NSNumber)?.doubleValue {
                cause.law = .weibull(shape: shape)
            }
            plan.causes = [cause]
        } else if let times = values["failures_s"] as? [NSNumber] {
            plan.causes = [FailureCause("failure", per: .job, mtbf: .infinity, law: .trace(times.map(\.doubleValue)), detect: detect)]
        } else if let mtbf = number("node_mtbf_s") {
            plan.causes = [FailureCause("node", per: .node, mtbf: mtbf, detect: detect, repair: repair)]
        }
        for part in values["causes"] as? [[String: Any]] ?? [] {
            let unit = FailingUnit(rawValue: part["per"] as? String ?? "") ?? .node
            if let size = (part["nodes_per_rack"] as? NSNumber)?.intValue { plan.fleet.nodesPerRack = size }
            plan.causes.append(
                FailureCause(
                    unit.rawValue, per: unit, mtbf: (part["mtbf_s"] as? NSNumber)?.doubleValue ?? 0, detect: detect,
                    repair: .constant((part["repair_s"] as? NSNumber)?.doubleValue ?? 0)))
        }
        return plan
    }

    private static func cases() throws -> [Case] {
        let rows = CSVRecords.split(try SharedFiles.text(file)) { _, _, _, _ in }
        guard let head = rows.first?.fields else { return [] }
        var found: [Case] = []
        var plans: [String: RunPlan] = [:]
        for row in rows.dropFirst() where row.fields.count == head.count {
            let fields = Dictionary(uniqueKeysWithValues: zip(head, row.fields))
            let values = try JSONSerialization.jsonObject(with: Data((fields["parameters"] ?? "{}").utf8)) as? [String: Any] ?? [:]
            let plan = (values["see"] as? String).flatMap { plans[$0] } ?? plan(values)
            plans[fields["id"] ?? ""] = plan
            found.append(
                Case(
                    id: fields["id"] ?? "", quantity: fields["quantity"] ?? "", answer: Double(fields["answer"] ?? "") ?? .nan,
                    error: Double(fields["standard_error"] ?? "") ?? 0, plan: plan))
        }
        return found
    }

    @Test(
        "Every case's mean is within three standard errors of its answer, and those are below 0.3 %",
        .enabled(if: SharedFiles.exists(file), "shared/weeks/reference_cases.csv is not there"))
    func answers() throws {
        let cases = try Self.cases()
        try #require(cases.count >= 19)
        for one in cases {
            let figure: (RunSample) -> Double =
                switch one.quantity {
                case "wall_clock": { $0.wallClock }
                case "lost_s.waiting": { $0[.waiting] }
                case "waiting_share": { $0[.waiting] / $0.wallClock }
                default: { _ in .nan }
                }
            let study = try RunStudy(one.plan, .init(samples: one.quantity == "waiting_share" ? 100 : 10_000, seed: 20, jobs: 2))
            let mean = study.mean(figure)
            let error = study.standardError(figure)
            let distance = mean - one.answer
            let allowed = 3 * (error * error + one.error * one.error).squareRoot()
            print("\(one.id) \(one.quantity): \(mean), answer \(one.answer), \(error > 0 ? "z \(distance / (allowed / 3))" : "exact")")
            #expect(abs(distance) <= max(allowed, 1e-9 * one.answer), "\(one.id): \(mean) for \(one.answer), standard error \(error)")
            #expect(error <= (one.quantity.hasPrefix("wall") ? 0.003 : 0.01) * one.answer, "\(one.id)")
            for sample in study.samples.prefix(200) {
                let sum = TimePart.allCases.reduce(0) { $0 + sample[$1] }
                #expect(abs(sum - sample.wallClock) < 1e-7 * sample.wallClock, "\(one.id): parts \(sum), wall clock \(sample.wallClock)")
            }
        }
    }
}
