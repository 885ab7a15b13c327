import Lifetime
import Quantities
import Simulation
import Studies

/// The sections of a page about the weeks of a run.
struct WeeksSections {
    let outcome: RunOutcome
    let seed: UInt64
    private let day = 86_400.0

    var markup: Markup { "\(timeline)\(waterfall)\(finish)\(causes)\(interval)\(gains)" }

    private func section(_ title: String, _ remark: String, _ content: Markup) -> Markup {
        "<section><h2>\(title)</h2>\n<p class=\"remark\">\(remark)</p>\n\(content)</section>\n"
    }

    /// Progress and cost of the first run, with what happened to it.
    private var timeline: Markup {
        let events = outcome.study.events
        guard let last = events.last, last.time > 0 else { return "" }
        let step = outcome.resolved.step
        // A picture shows a few thousand points at most.
        let stride = max(1, events.count / 3000)
        let shown = events.enumerated().filter { $0.offset % stride == 0 || $0.element.kind == .end }.map(\.element)
        let steps = max(1, events.map(\.work).max() ?? 1) / step
        var progress = Plot(x: 0...(last.time / day), y: 0...steps, xTitle: "days", yTitle: "steps")
        progress.line([(0, 0)] + shown.map { ($0.time / day, $0.work / step) }, colour: "accent")
        for event in shown where event.kind == .failure || event.kind == .preemption || event.kind == .corruption {
            progress.dot(
                (event.time / day, event.work / step), colour: "poor", label: "\(event.kind.rawValue) \(event.cause), \(time(event.time))")
        }
        for event in shown where event.kind == .maintenance || event.kind == .resize {
            progress.dot((event.time / day, event.work / step), colour: "fair", label: "\(event.kind.rawValue), \(time(event.time))")
        }
        var rest: Markup = ""
        let paid = last.paid * outcome.dollarsPerNodeSecond
        if paid > 0 {
            var cost = Plot(x: 0...(last.time / day), y: 0...paid, xTitle: "days", yTitle: "dollars so far")
            cost.line([(0, 0)] + shown.map { ($0.time / day, $0.paid * outcome.dollarsPerNodeSecond) }, colour: "good")
            rest = cost.markup
        }
        let nodes = events.map { Double($0.nodes) }
        if let most = nodes.max(), let least = nodes.min(), most > least {
            var alive = Plot(x: 0...(last.time / day), y: 0...most, xTitle: "days", yTitle: "nodes")
            alive.line(shown.map { ($0.time / day, Double($0.nodes)) }, colour: "fair")
            rest = rest + alive.markup
        }
        return section(
            "The run, day by day", "The first of the runs: steps done, with failures (red) and planned stops; dollars so far.",
            progress.markup + rest)
    }

    /// From the ideal to the mean wall clock.
    private var waterfall: Markup {
        let parts = outcome.lostS.filter { $0.name != "failures" && $0.seconds.mean > 0 }
        let wall = outcome.wallClockS.mean / day
        guard wall > 0, !parts.isEmpty else { return "" }
        var plot = Plot(
            x: 0...Double(parts.count + 2), y: 0...(wall * 1.05), xTitle: "ideal, then what is lost, then the mean run", yTitle: "days")
        let ideal = outcome.idealS.mean / day
        plot.bar(from: 0, to: 1, top: ideal, colour: "accent", label: "ideal \(significant(ideal)) days")
        var height = ideal
        for (index, part) in parts.enumerated() {
            let days = part.seconds.mean / day
            plot.bar(
                from: Double(index + 1), to: Double(index + 2), base: height, top: height + days, colour: "poor",
                label: "\(part.name) \(time(part.seconds.mean))")
            height += days
        }
        plot.bar(
            from: Double(parts.count + 1), to: Double(parts.count + 2), top: wall, colour: "good", label: "mean \(significant(wall)) days")
        let money = Dictionary(outcome.byCauseUSD.map { ($0.name, $0.dollars) }, uniquingKeysWith: { first, _ in first })
        func cells(_ name: String, _ seconds: Distribution, _ usd: Distribution?) -> [Markup] {
            [
                .text(name), .text(time(seconds.mean)), .text("\(time(seconds.p5)) – \(time(seconds.p95))"),
                .text(usd.map { $0.mean > 0 ? dollars($0.mean) : "–" } ?? "–"),
            ]
        }
        var rows = [cells("ideal", outcome.idealS, money["useful"])] + parts.map { cells($0.name, $0.seconds, money[$0.name]) }
        rows.append(cells("wall clock", outcome.wallClockS, outcome.totalUSD))
        return section(
            "From ideal to actual", "Means over the runs; 5th to 95th percentile.",
            "<div class=\"split\"><div>\(plot.markup)</div>\(Table(["Part", "Time", "p5 – p95", "Dollars"], numeric: [1, 2, 3], rows: rows).markup)</div>"
        )
    }

    private var finish: Markup {
        guard let histogram = Histogram(outcome.study.samples.map { $0.wallClock / day }) else { return "" }
        let top = Double(histogram.counts.max() ?? 1)
        var plot = Plot(
            x: histogram.lower...(histogram.lower + histogram.width * Double(histogram.counts.count)), y: 0...top,
            xTitle: "days until it is done",
            yTitle: "runs")
        for (index, count) in histogram.counts.enumerated() where count > 0 {
            let low = histogram.lower + Double(index) * histogram.width
            plot.bar(from: low, to: low + histogram.width, top: Double(count), colour: "accent", label: "\(count) runs")
        }
        plot.mark(at: outcome.wallClockS.p50 / day, colour: "good", label: "median")
        plot.mark(at: outcome.wallClockS.p95 / day, colour: "poor", label: "95th percentile")
        return section("When it is done", "\(grouped(outcome.study.samples.count)) runs; median green, 95th percentile red.", plot.markup)
    }

    private var causes: Markup {
        let causes = outcome.byCause.filter { $0.count.mean > 0 }.sorted { $0.count.mean > $1.count.mean }
        guard !causes.isEmpty else { return "" }
        let total = outcome.interruptions.mean
        let rows: [[Markup]] = causes.map { cause in
            [
                .text(cause.name), .text(significant(cause.count.mean)),
                .text("\(significant(cause.count.p5)) – \(significant(cause.count.p95))"),
                .text(percent(total > 0 ? cause.count.mean / total : 0)),
            ]
        }
        return section(
            "What failed", "One failure every \(time(outcome.study.mttf)) in the mean.",
            Table(["Cause", "Failures a run", "p5 – p95", "Share"], numeric: [1, 2, 3], rows: rows).markup)
    }

    private var interval: Markup {
        let curve = outcome.intervalCurve().filter { $0.factor.isFinite && $0.factor < 3 }
        guard let low = curve.first?.interval, let high = curve.last?.interval, high > low else { return "" }
        let top = curve.map(\.factor).max() ?? 1
        let plan = outcome.study.plan
        let (kept, account) = (plan.checkpoint.keptInterval(step: plan.step), outcome.resolved.account)
        var plot = Plot(
            x: (low / 60)...(high / 60), y: 1...max(1.001, top), xTitle: "minutes between checkpoints", yTitle: "cost over the least")
        plot.line(curve.map { ($0.interval / 60, $0.factor) }, colour: "accent")
        for (name, value, colour) in [("kept", kept, "good"), ("Young", account.young, "fair"), ("Daly", account.daly, "poor")]
        where value >= low && value <= high {
            plot.mark(at: value / 60, colour: colour, label: "\(name): \(time(value))")
        }
        return section(
            "How often to save",
            "Kept \(time(kept)) (green); Young \(time(account.young)), Daly \(time(account.daly)); least cost at \(time(account.best)).",
            plot.markup)
    }

    private var gains: Markup {
        let rows: [[Markup]] = outcome.whatIfs(seed: seed).map { gain in
            [
                .text(gain.change), .text("\(gain.savedS < 0 ? "−" : "")\(time(abs(gain.savedS))) ± \(time(2 * gain.errorS))"),
                .text(outcome.dollarsPerNodeSecond > 0 ? "\(gain.savedUSD < 0 ? "−" : "")\(dollars(abs(gain.savedUSD)))" : "–"),
            ]
        }
        guard !rows.isEmpty else { return "" }
        return section(
            "What would help", "Each change alone, under the same failures; negative: it costs more than it gains.",
            Table(["Change", "Time saved", "Dollars saved"], numeric: [1, 2], rows: rows).markup)
    }
}
