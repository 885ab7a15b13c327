import Lifetime
import Plan
import Quantities
import Simulation
import Studies

/// The sections of a page about one run.
struct RunSections {
    let report: RunAnswer
    /// Position among the runs of the page; charts find their data by it.
    let index: Int
    /// Spans that the page keeps of the timeline.
    let spanLimit: Int
    private var result: SimulatedStep { report.result }

    var markup: Markup {
        "\(banner)\(tiles)\(setup)\(breakdown)\(timeline)\(distribution)\(links)\(memory)\(run)\(weeks)\(evidence)"
    }

    private var weeks: Markup { report.outcome.map { WeeksSections(outcome: $0, seed: report.seed).markup } ?? "" }

    private var banner: Markup {
        var parts: [Markup] = []
        if let message = report.unfitMessage() { parts.append("<div class=\"banner bad\" role=\"alert\"><pre>\(message)</pre></div>\n") }
        if !report.allWarnings.isEmpty {
            parts.append(
                "<div class=\"banner warn\"><strong>Warnings</strong><ul>\(report.allWarnings.map { "<li>\($0)</li>" as Markup })</ul></div>\n"
            )
        }
        return "\(parts)"
    }

    private var tiles: Markup {
        let step = result.step
        let byTokens = report.job.training.sequence > 1
        var tiles: [(String, String, String)] = [
            (
                "Step time", time(step.timeS.mean),
                step.timeS.isSingle
                    ? report.expectedError
                    : "p5 \(time(step.timeS.p5)) · p95 \(time(step.timeS.p95))"
            ),
            (
                "MFU", percent(step.mfu),
                "\(report.peakInWords)\(report.mfu16.map { ", \(percent($0)) of the 16-bit peak" } ?? "") · causal \(percent(step.mfuCausal)) · HFU \(percent(step.hfu))"
            ),
            (
                "Throughput", counted(byTokens ? step.tokensPerS : step.samplesPerS) + (byTokens ? " tokens/s" : " samples/s"),
                "\(significant(step.modelTFLOPsPerGPU)) TFLOP/s a GPU"
            ),
            (
                "Peak memory", gigabytes(result.memory.peak),
                "\(percent(result.memory.capacity > 0 ? result.memory.peak / result.memory.capacity : .nan, decimals: 0)) of \(gigabytes(result.memory.capacity))"
            ),
        ]
        if report.job.hasLength { tiles.append(("Wall clock", time(report.run.wallClockS), "\(counted(report.bill.gpuHours)) GPU-hours")) }
        if report.bill.totalUSD > 0 {
            tiles.append(
                (
                    "Cost", dollars(report.bill.totalUSD),
                    report.job.hasLength ? "\(significant(report.bill.usdPerMillionTokens, digits: 3)) USD a million tokens" : "one step"
                ))
        }
        return Tile.row(tiles.map { Tile(label: $0.0, value: $0.1, remark: $0.2) })
    }

    private var setup: Markup {
        let job = report.job
        let software = ([job.software.framework] + [job.software.release].compactMap { $0 }).joined(separator: " ")
        let facts: [(String, String)] = [
            ("Cluster", "\(job.machinesInWords); \(job.networkInWords)"), ("Layout", "\(job.degreesInWords); \(job.rulesInWords)"),
            ("Training", job.batchInWords), ("Software", software),
            ("Provenance", "scenario \(report.hash.isEmpty ? "–" : report.hash), seed \(report.seed), orrery \(report.version)"),
        ]
        return "<dl class=\"facts\">\n\(facts.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>\n" as Markup })</dl>\n"
    }

    private var breakdown: Markup {
        let total = Activity.allCases.reduce(0) { $0 + (result.breakdownS[$1] ?? 0) }
        let rows: [[Markup]] = Activity.allCases.filter { (result.breakdownS[$0] ?? 0) > 0 }.map { activity in
            let seconds = result.breakdownS[activity] ?? 0
            return [
                "<i class=\"swatch c-\(activity.rawValue)\"></i>\(activity.title)", .text(time(seconds)),
                .text(percent(total > 0 ? seconds / total : .nan)),
            ]
        }
        let beside: Markup =
            result.overlappedCommS > 0
            ? "<p class=\"remark\">A further \(time(result.overlappedCommS)) of communication ran beside computation and cost no time.</p>"
            : ""
        return """
            <section><h2>Step time breakdown</h2>
            <p class="remark">Critical-path seconds of the slowest stage; they sum to the step time.</p>
            <div class="split"><div class="chart" data-chart="breakdown" data-run="\(index)"><canvas aria-label="Step time breakdown"></canvas></div>
            \(Table(["Activity", "Time", "Share"], numeric: [1, 2], rows: rows).markup)</div>\(beside)</section>

            """
    }

    private var timeline: Markup {
        guard !result.timeline.isEmpty else { return "" }
        let present = Set(result.timeline.map(TimelineData.colour))
        let order = Activity.allCases.flatMap { $0 == .backward ? [$0.rawValue, "weight"] : [$0.rawValue] }
        let legend = order.filter { present.contains($0) || $0 == Activity.bubble.rawValue }.map { key -> Markup in
            "<span><i class=\"swatch c-\(key)\"></i>\(key == "weight" ? "weight gradient (W)" : Activity(rawValue: key)?.title ?? key)</span>"
        }
        let omitted = max(0, result.timeline.count - spanLimit)
        let note: Markup = omitted > 0 ? " The \(grouped(omitted)) shortest are left out here; the trace file has all." : ""
        return """
            <section><h2>Pipeline timeline</h2>
            <p class="remark">One row a pipeline stage of the first replica: computation above, its communication streams below. \
            \(grouped(result.timeline.count)) spans.\(note)</p>
            <div class="legend">\(legend)</div>
            <div class="timeline" data-timeline="\(index)"><div class="tools"><button type="button" data-do="in">Zoom in</button>\
            <button type="button" data-do="out">Zoom out</button><button type="button" data-do="all">Whole step</button>\
            <span class="remark">Drag over a range to zoom, Ctrl + wheel zooms, arrow keys move, double click shows the whole step.</span></div>
            <canvas tabindex="0" role="img" aria-label="Pipeline timeline"></canvas><div class="tip" hidden></div></div></section>

            """
    }

    private var links: Markup { result.fabric.map { FabricSection(fabric: $0, index: index).markup } ?? "" }

    private var distribution: Markup {
        guard Histogram(result.stepTimesS) != nil else { return "" }
        let time = result.step.timeS
        let rows: [[Markup]] = [[time.mean, time.p5, time.p50, time.p95].map { .text(Report.time($0)) } + [.text(grouped(time.n))]]
        return """
            <section><h2>Distribution of the step time</h2>
            <div class="split"><div class="chart" data-chart="histogram" data-run="\(index)"><canvas aria-label="Histogram of the step time"></canvas></div>
            \(Table(["Mean", "p5", "Median", "p95", "Steps"], numeric: [0, 1, 2, 3, 4], rows: rows).markup)</div></section>

            """
    }

    private var memory: Markup {
        let memory = result.memory
        var table = Table(
            ["Stage"] + MemoryPart.allCases.map { $0.rawValue.prefix(1).uppercased() + $0.rawValue.dropFirst() } + [
                "Total", "Of capacity",
            ],
            numeric: Set(1...8),
            rows: memory.stages.enumerated().map { stage, parts in
                ["\(stage)"] + MemoryPart.allCases.map { .text(gigabytes($0.bytes(parts))) }
                    + [
                        .text(gigabytes(parts.total)),
                        .text(percent(memory.capacity > 0 ? parts.total / memory.capacity : .nan, decimals: 0)),
                    ]
            })
        for (stage, parts) in memory.stages.enumerated() where parts.total > memory.capacity { table.rowClasses[stage] = "over" }
        return """
            <section><h2>Memory per pipeline stage</h2>
            <p class="remark">Bytes on one GPU of the stage at the worst moment of a step; the line is the capacity of \(gigabytes(memory.capacity)).</p>
            <div class="chart tall" data-chart="memory" data-run="\(index)"><canvas aria-label="Memory per pipeline stage"></canvas></div>
            <details class="more"><summary>Table of all stages</summary>\(table.markup)</details></section>

            """
    }

    private var run: Markup {
        let bill = report.bill
        let run = report.run
        let one = report.job.hasLength || run.steps > 1
        var length: [[Markup]] = [
            ["Steps", .text(grouped(run.steps))], [report.job.training.sequence > 1 ? "Tokens" : "Samples", .text(counted(run.tokens))],
            ["Wall clock", .text(time(run.wallClockS))],
            ["Goodput", .text(percent(run.goodput))],
        ]
        for cause in LossCause.allCases where (run.lostS[cause] ?? 0) > 0 {
            length.append(["Lost to \(cause.rawValue)", .text(time(run.lostS[cause] ?? 0))])
        }
        let priced = [
            ("Computation", bill.computeUSD), ("Energy", bill.chargesEnergy ? bill.energyUSD : 0), ("Storage", bill.storageUSD),
            ("Network", bill.networkUSD),
        ]
        var costs: [[Markup]] = priced.filter { $0.1 > 0 }.map { [.text($0.0), .text(dollars($0.1))] }
        costs.append(["<strong>Total</strong>", "<strong>\(bill.totalUSD > 0 ? dollars(bill.totalUSD) : "no price given")</strong>"])
        if !bill.chargesEnergy, bill.energyUSD > 0, bill.totalUSD > 0 {
            costs.append(["Energy, in the rent", .text(dollars(bill.energyUSD))])
        }
        if bill.usdPerMillionTokens > 0 {
            costs.append(["A million tokens", .text("\(significant(bill.usdPerMillionTokens, digits: 3)) USD")])
        }
        costs += [["GPU-hours", .text(counted(bill.gpuHours))], ["Energy used", .text("\(counted(bill.energyKWh)) kWh")]]
        // Zero where nobody said how much carbon a kilowatt-hour takes, and no fact then.
        if bill.carbonKg > 0 { costs.append(["Carbon", .text("\(counted(bill.carbonKg)) kg CO2")]) }
        let sources = report.priceSources.keys.sorted().map { "<li>\($0): \(report.priceSources[$0] ?? "")</li>" as Markup }
        let notes: Markup =
            sources.isEmpty ? "" : "<details class=\"more\"><summary>Where the prices come from</summary><ul>\(sources)</ul></details>"
        return """
            <section><h2>\(one ? "Run and cost" : "Cost of one step")</h2><div class="halves">
            \(Table(["Run", ""], numeric: [1], rows: length).markup)
            \(Table(["Bill", ""], numeric: [1], rows: costs).markup)</div>\(notes)</section>

            """
    }

    private var evidence: Markup {
        let evidence = result.evidence
        let shares = [("measured", evidence.measured), ("interpolated", evidence.interpolated), ("formula", evidence.formula)]
        let bars = shares.filter { $0.1 > 0 }.map { name, share -> Markup in
            "<span class=\"e-\(name)\" style=\"flex-grow:\(fixed(max(0, share.isFinite ? share : 0), decimals: 4))\" title=\"\(name) \(percent(share))\">\(name) \(percent(share, decimals: 0))</span>"
        }
        let assumptions: [[Markup]] = result.assumptions.map { [.text($0.subject), .text($0.value), .text($0.source)] }
        let traffic = result.traffic
        let groups = Traffic.groups + traffic.byGroup.keys.filter { !Traffic.groups.contains($0) }.sorted()
        let sent: [[Markup]] =
            [["Inside the node", .text(bytes(traffic.nvlink))], ["Between nodes", .text(bytes(traffic.network))]]
            + groups.filter { (traffic.byGroup[$0] ?? 0) > 0 }.map { ["\($0) group", .text(bytes(traffic.byGroup[$0] ?? 0))] }
        let listed: Markup =
            assumptions.isEmpty
            ? "<p class=\"remark\">None recorded.</p>" : Table(["Subject", "Value", "Source"], rows: assumptions).markup
        return """
            <section><h2>Evidence</h2>
            <p class="remark">How the durations behind the step time are known. Expected error of the step time: \(report.expectedError).</p>
            <div class="evidence">\(bars)</div>
            <h3>Assumptions</h3>\(listed)
            <h3>Traffic of a GPU in a step</h3>\(Table(["Path", "Sent"], numeric: [1], rows: sent).markup)</section>

            """
    }
}
