import Lifetime
import Quantities
import Simulation
import Studies

extension RunAnswer {
    /// The lines of a summary on what happens in the weeks of a run.
    func weeks(_ outcome: RunOutcome, _ style: TextStyle) -> [String] {
        let count = outcome.study.samples.count
        let wall = outcome.wallClockS
        var lines: [String] = []
        if !wall.isSingle { lines.append(row("Finish", time(wall.p5), "to \(time(wall.p95)) in 90 % of \(grouped(count)) runs", style)) }
        let failures = outcome.interruptions
        if failures.mean > 0 {
            lines.append(row("Failures", significant(failures.mean), "one every \(time(outcome.study.mttf))", style))
        }
        let plan = outcome.study.plan
        if plan.checkpoint.interval.isFinite {
            let account = outcome.resolved.account
            let rules = account.young.isFinite ? "Young \(time(account.young)), Daly \(time(account.daly))" : ""
            lines.append(row("Checkpoints", "every \(time(plan.checkpoint.keptInterval(step: plan.step)))", rules, style))
        }
        if let spares = plan.spares {
            lines.append(
                row("Spares", "\(spares.warm + spares.cold)", "at most \(significant(outcome.sparesPeak.p95)) in use (p95)", style))
        }
        if let monitor = outcome.resolved.monitor {
            let seen = monitor.delays(shows: 0.1)
            let delay =
                seen.mean.isFinite ? "a machine slower by 10 % is seen after \(time(seen.mean))" : "a machine slower by 10 % is not seen"
            lines.append(row("Monitor", "\(grouped(monitor.streams)) streams", delay, style))
        }
        let lost = outcome.lostS.filter { $0.name != "failures" && $0.seconds.mean > 0 }.sorted { $0.seconds.mean > $1.seconds.mean }
        let dollarsOf = Dictionary(outcome.byCauseUSD.map { ($0.name, $0.dollars.mean) }, uniquingKeysWith: { first, _ in first })
        for (name, seconds) in lost {
            let money = dollarsOf[name] ?? 0
            lines.append(
                row(
                    "  \(name)", time(seconds.mean),
                    "\(percent(wall.mean > 0 ? seconds.mean / wall.mean : 0)) of the time" + (money > 0 ? ", \(dollars(money))" : ""), style
                ))
        }
        if let idle = dollarsOf["idle_spares"], idle > 0 { lines.append(row("  idle spares", dollars(idle), "", style)) }
        let (low, high) = (dollars(outcome.totalUSD.p5), dollars(outcome.totalUSD.p95))
        if low != high, outcome.totalUSD.mean > 0 { lines.append(row("Cost", low, "to \(high) in 90 % of the runs", style)) }
        return lines
    }

    private func row(_ name: String, _ value: String, _ remark: String, _ style: TextStyle) -> String {
        "  \(padded(name, 16))" + style.paint(padded(value, 24), .bold) + style.paint(remark, .dim)
    }
}
