import CoSimulation
import Quantities
import Studies

extension TrainAnswer {
    /// What a person reads in the terminal.
    public var text: String {
        let spec = request.spec
        var lines = ["\(name): \(title)", ""]
        func add(_ label: String, _ value: String, _ remark: String = "") {
            lines.append("  " + padded(label, 22) + padded(value, 26) + remark)
        }
        let result = result
        add("Loss", significant(result.finalLoss), floorText)
        if let target = spec.stop.targetLoss {
            if let seconds = result.secondsToTarget, let steps = result.stepsToTarget {
                add(
                    "To a loss of \(significant(target))", duration(seconds.mean),
                    "\(significant(steps.mean)) steps, \(result.reached) of \(result.seeds) seeds\(money(seconds.mean * result.usdPerSecond))"
                )
            } else {
                add("To a loss of \(significant(target))", "not reached", "in \(significant(result.updates)) updates")
            }
        }
        add(
            "Simulated time", duration(result.seconds),
            "\(significant(result.updates)) updates\(money(result.seconds * result.usdPerSecond))")
        add(
            "Gradient, exchange", "\(duration(gradientSeconds)), \(duration(exchangeSeconds))",
            "of a worker; uncompressed, alone on its links")
        add("Utilization", percent(result.utilization), "workers wait \(percent(waiting)) of the time")
        if let slowest = result.blamed.indices.max(by: { (result.blamed[$0], $1) < (result.blamed[$1], $0) }), result.blamed[slowest] > 0 {
            add(
                "Waited for most", "worker \(slowest)",
                "\(percent(result.blamed[slowest] / max(1e-300, result.blamed.reduce(0, +)))) of all waiting")
        }
        if result.meanStaleness > 0 { add("Staleness", significant(result.meanStaleness), "mean; at most \(result.staleness.count - 1)") }
        if let ratio = result.bytesRatio {
            add(
                "Bytes", significant(result.bytesPerUpdate) + " an update",
                "of a worker; \(significant(ratio)) times fewer than plain training")
        }
        if result.skipped > 0 { add("Skipped steps", significant(result.skipped), "overflows") }
        if result.diverged > 0 { add("Diverged", "\(result.diverged) of \(result.seeds) seeds", "the loss grew without bound") }
        add(
            "Rate", significant(result.rate.rate),
            result.rate.trials > 0 ? "tuned in \(result.rate.trials) trials, \(result.rate.steps) steps" : "as given")
        if let scale = result.noise.scale {
            add(
                "Noise scale", "\(significant(scale)) samples",
                "a step trains \(spec.workers * spec.batch); far below it, more workers save steps")
        }
        if let factor = result.stepsFactor, let loss = result.factorLoss {
            add(
                "Samples factor", significant(factor.mean),
                "\(significant(factor.p5)) to \(significant(factor.p95)), against tuned synchronous training to a loss of \(significant(loss))"
            )
        }
        if let projection { lines += [""] + self.lines(of: projection) }
        lines += ["", "  Small models, measured loss, simulated clock: nothing here predicts a large model's loss."]
        return lines.joined(separator: "\n") + "\n"
    }

    private var waiting: Double {
        result.seconds > 0 && !result.waited.isEmpty ? result.waited.reduce(0, +) / Double(result.waited.count) / result.seconds : 0
    }
    private var floorText: String {
        guard let floor = result.task.floor else { return "" }
        return "least \(significant(floor))" + (result.excessLoss.map { ", excess \(significant($0))" } ?? "")
    }
    private func money(_ usd: Double) -> String { usd > 0 ? ", \(significant(usd)) USD" : "" }
    private func duration(_ seconds: Double) -> String { Duration.shown(seconds) }

    /// The method in words.
    public var title: String {
        let spec = request.spec
        let method: String
        switch spec.method {
        case .synchronous(let backup, let balance):
            method = "synchronous" + (backup > 0 ? ", \(backup) not waited for" : "") + (balance ? ", balanced" : "")
        case .asynchronous(let bound, let compensation):
            method = "asynchronous" + (bound.map { ", at most \($0) stale" } ?? "") + (compensation == .none ? "" : ", compensated")
        case .local(let period, let outer, let groups):
            let steps = if case .steps(let count) = period { "\(count) local steps" } else { "local steps by share" }
            method = steps + (outer == nil ? "" : ", outer Nesterov") + (groups.map { ", \($0.count) groups" } ?? "")
        case .federated(let federation): method = "federated, \(federation.perRound) of \(federation.clients) clients a round"
        case .grouped(let delay): method = "large gradients \(delay) steps late"
        }
        return "\(spec.workers) workers x \(spec.batch) samples, \(method)" + (spec.codec.map { ", \($0.name)" } ?? "")
    }

    private func lines(of projection: TrainProjection) -> [String] {
        func line(_ label: String, _ run: TrainProjection.Run) -> String {
            "  " + padded(label, 22) + padded("\(significant(run.days)) days", 16) + padded("\(significant(run.usd)) USD", 20)
                + "\(significant(run.steps)) steps of \(Duration.shown(run.secondsPerStep))"
        }
        var lines = ["The target, if its samples to equal loss grow as the small model's did", line("synchronous", projection.synchronous)]
        if let own = projection.own { lines.append(line("this method", own)) }
        if let low = projection.low, let high = projection.high {
            lines.append("  " + padded("  interval", 22) + "\(significant(low.days)) to \(significant(high.days)) days")
        }
        if let payment = projection.payment { lines.append("  " + padded("faster to equal loss", 22) + payment.words) }
        if projection.own == nil { lines.append("  this method never came to the loss of synchronous training: no factor") }
        // arXiv:2503.09799, table 5: evaluation loss of DiLoCo over data parallel at H 30.
        lines.append(
            "  published for DiLoCo, H 30, tuned: loss +0.3 % (M 4) to +1.3 % (M 8) at 1.3 B parameters, +2 to +4 % at 35 M (arXiv:2503.09799)"
        )
        return lines
    }
}

extension Duration {
    /// For people; what the clock cannot hold as a plain number.
    static func shown(_ seconds: Double) -> String { (try? Duration(seconds: seconds)).map { "\($0)" } ?? "\(significant(seconds)) s" }
}
