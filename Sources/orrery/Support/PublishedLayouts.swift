import ArgumentParser
import Plan
import Planner
import Report
import Scenario
import Simulation

/// Searches for the jobs of measured runs, and compares what is found with the layouts that were run.
struct PublishedLayouts {
    var settings: SearchSettings
    var constraints: SearchConstraints

    /// A job that several rows may share, with the layouts that were run of it.
    private struct Group {
        var job: Job
        var runs: [MeasuredRun]
    }

    private struct Row {
        var run: MeasuredRun
        var count: Int
        var space: Int
        var best: RankedLayout?
        var bestJob: Job?
        /// Seconds of the published layout as predicted, and whether it is said to fit.
        var own: Double?
        var fits: Bool
        var isListed: Bool
        /// Listed without being told of.
        var isEnumerated: Bool
        var seconds: Double
        var isProven: Bool
        var isBeaten: Bool { own.map { own in best.map { $0.value <= own } ?? false } ?? false }
        var holds: Bool { isListed && fits && isBeaten }
    }

    func run(_ files: [String], output: OutputOptions, data: CalibrationData) throws {
        let all = try measuredRuns(files)
        let runs = all.filter { $0.job != nil }
        let groups = Self.groups(runs)
        let progress = Progress("searching", of: groups.count, quiet: output.quiet)
        var rows: [Row] = []
        // Each row as soon as it is known, so that a run that is cut short leaves what it has.
        try Console.output(output.csv ? csvText([Self.header]) : Self.line(Self.header) + Self.line(Self.header.map { _ in "---" }))
        for (index, group) in groups.enumerated() {
            let found = try self.rows(of: group, data)
            try Console.output(output.csv ? csvText(found.map(cells)) : found.map { Self.line(cells($0)) }.joined())
            rows += found
            progress.show(index + 1)
        }
        progress.finish()
        if !output.csv { try Console.output(summary(rows, groups: groups.count, skipped: all.filter { $0.job == nil })) }
        if rows.contains(where: { !$0.holds }) { throw ExitCode.doesNotHold }
    }

    /// Runs by everything but their layout; of runs with one layout the first stands for all.
    private static func groups(_ runs: [MeasuredRun]) -> [Group] {
        var groups: [Group] = []
        var places: [Job: Int] = [:]
        for run in runs {
            guard let job = run.job else { continue }
            var bare = job
            bare.model.name = ""
            bare.layout = Layout()
            bare.layout.overlap = job.layout.overlap
            bare.training.microBatch = 1
            bare.training.recompute = .none
            let place = places[bare] ?? groups.count
            if place == groups.count {
                places[bare] = place
                groups.append(Group(job: job, runs: []))
            }
            guard !groups[place].runs.contains(where: { $0.job.map(LayoutChoice.init) == LayoutChoice(of: job) }) else { continue }
            groups[place].runs.append(run)
        }
        return groups
    }

    private func rows(of group: Group, _ data: CalibrationData) throws -> [Row] {
        let choices = group.runs.compactMap { $0.job.map(LayoutChoice.init) }
        var constraints = constraints
        // What the authors ran is a schedule that their stack has.
        for choice in choices where !constraints.schedules.contains(choice.schedule) { constraints.schedules.append(choice.schedule) }
        // What the enumeration itself lists; the search looks at the published layouts in any case.
        let listed = Set(SearchSpace(job: group.job, constraints: constraints).choices)
        let space = SearchSpace(job: group.job, constraints: constraints, others: choices)
        let result = try search(space, objective: .time, data: data, settings: settings)
        let best = result.ranked.first
        return zip(group.runs, choices).map { run, choice in
            let plan = try? run.job?.plan(data)
            let seconds = plan.flatMap { plan in try? StepReplay(plan: plan).seconds(costs: plan.costs) }
            return Row(
                run: run, count: group.runs.count, space: result.space, best: best, bestJob: best.map { space.job($0.choice) },
                own: seconds,
                fits: plan?.memory.fits ?? false, isListed: listed.contains(choice) || space.choices.contains(choice),
                isEnumerated: listed.contains(choice),
                seconds: result.seconds, isProven: result.isProven)
        }
    }

    private static let header = [
        "id", "hardware", "gpus", "published", "predicted_s", "measured_s", "planner", "planner_s", "gain_percent", "listed", "fits",
        "holds", "layouts",
        "proven", "search_s",
    ]

    private func cells(_ row: Row) -> [String] {
        let gain = row.own.flatMap { own in row.best.map { (1 - $0.value / own) * 100 } }
        return [
            row.run.id, row.run.hardware, "\(row.run.job?.cluster.gpus ?? 0)", row.run.job.map(SearchAnswer.layout) ?? "-",
            row.own.map { rounded($0, 4) } ?? "-", rounded(row.run.stepTimeS, 4), row.bestJob.map(SearchAnswer.layout) ?? "-",
            row.best.map { rounded($0.value, 4) } ?? "-", gain.map { rounded($0, 1) } ?? "-", row.isListed ? "yes" : "no",
            row.fits ? "yes" : "no", row.holds ? "yes" : "NO", "\(row.space)", row.isProven ? "yes" : "no", rounded(row.seconds, 2),
        ]
    }

    /// A row of a Markdown table.
    private static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "/") }.joined(separator: " | ") + " |\n"
    }

    /// What stands below the table.
    private func summary(_ rows: [Row], groups: Int, skipped: [MeasuredRun]) -> String {
        let gains = rows.compactMap { row in row.own.flatMap { own in row.best.map { (1 - $0.value / own) * 100 } } }.sorted()
        func count(_ isMet: (Row) -> Bool) -> String { "\(rows.count(where: isMet)) of \(rows.count)" }
        var lines = [
            "", "\(rows.count) published layouts of \(groups) jobs (model, hardware, GPUs, batch, software), each searched anew:", "",
            "- the published layout is in the planner's list: \(count(\.isListed)), \(count(\.isEnumerated)) without being told of it",
            "- it is predicted to fit: \(count(\.fits))",
            "- the planner's choice is predicted to be at least as fast: \(count(\.isBeaten))",
            "- no layout of the space is better than the planner's choice (the rest was cut short by --time-budget): \(count(\.isProven))",
        ]
        if !gains.isEmpty {
            lines.append(
                "- predicted gain of the planner's choice: median \(rounded(gains[gains.count / 2], 1)) %, most \(rounded(gains[gains.count - 1], 1)) %"
            )
        }
        if !skipped.isEmpty {
            lines.append("- rows that cannot be modelled and are left out: \(skipped.count)")
            for run in skipped { lines.append("  - \(run.id): \(run.reason ?? "")") }
        }
        let lost = rows.filter { !$0.holds }.map(\.run.id)
        if !lost.isEmpty { lines.append("- where one of these does not hold: \(lost.joined(separator: ", "))") }
        return lines.joined(separator: "\n") + "\n"
    }
}
