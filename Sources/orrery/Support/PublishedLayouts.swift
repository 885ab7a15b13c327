import ArgumentParser
import Calibration
import Fidelity
import Plan
import Planner
import Report
import Scenario
import Simulation

/// Searches for the jobs of measured runs, and compares what is found with the layouts that were run.
struct PublishedLayouts {
    var settings: SearchSettings
    var constraints: SearchConstraints

    /// A measured run as `validate` predicts it: what its table leaves open is what the framework needed to run.
    private struct Published {
        var run: MeasuredRun
        /// With the open settings taken.
        var job: Job
        var choice: LayoutChoice
        /// Step time as predicted; nil where it cannot be played.
        var seconds: Double?
        var fits: Bool
        /// Rows of the tables with this job and layout.
        var rows = 1

        init(_ run: MeasuredRun, _ data: CalibrationData) throws(PreparationError) {
            let prepared = try PreparedRun(run, data: data)
            self.run = prepared.run
            job = prepared.plan.job
            // What was run did fit, however little it left free; the planner may do the same.
            job.layout.memoryMargin = 0
            choice = LayoutChoice(of: job)
            seconds = try? prepared.seconds()
            fits = prepared.plan.memory.fits
        }
    }

    /// A job that several rows may share, with the layouts that were run of it.
    private struct Group {
        var job: Job
        var runs: [Published]
    }

    private struct Row {
        var published: Published
        var space: Int
        var best: RankedLayout?
        var bestJob: Job?
        /// Seconds of the published layout as predicted, and whether it is said to fit.
        var own: Double? { published.seconds }
        var fits: Bool { published.fits }
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
        var runs: [Published] = []
        var skipped: [String] = []
        for run in all {
            do throws(PreparationError) { runs.append(try Published(run, data)) } catch { skipped.append("\(run.id): \(error)") }
        }
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
        if !output.csv { try Console.output(summary(rows, groups: groups.count, skipped: skipped)) }
        if rows.contains(where: { !$0.holds }) { throw ExitCode.doesNotHold }
    }

    /// Runs by everything but their layout; of runs with one layout the first stands for all.
    private static func groups(_ runs: [Published]) -> [Group] {
        var groups: [Group] = []
        var places: [Job: Int] = [:]
        for run in runs {
            var bare = run.job
            bare.model.name = ""
            bare.layout = Layout()
            bare.layout.overlap = run.job.layout.overlap
            bare.training.microBatch = 1
            bare.training.recompute = .none
            let place = places[bare] ?? groups.count
            if place == groups.count {
                places[bare] = place
                groups.append(Group(job: run.job, runs: []))
            }
            if let known = groups[place].runs.firstIndex(where: { $0.choice == run.choice }) {
                groups[place].runs[known].rows += 1
            } else {
                groups[place].runs.append(run)
            }
        }
        return groups
    }

    private func rows(of group: Group, _ data: CalibrationData) throws -> [Row] {
        let choices = group.runs.map(\.choice)
        var constraints = constraints
        // What the authors ran is a schedule that their stack has.
        var schedules = constraints.schedules ?? group.job.offeredSchedules
        for choice in choices where !schedules.contains(choice.schedule) { schedules.append(choice.schedule) }
        constraints.schedules = schedules
        let space = SearchSpace(job: group.job, constraints: constraints, others: choices)
        let result = try search(space, objective: .time, data: data, settings: settings)
        let best = result.ranked.first
        return group.runs.map { published in
            Row(
                published: published, space: result.space, best: best, bestJob: best.map { space.job($0.choice) },
                isListed: space.choices.contains(published.choice), isEnumerated: space.enumeratedChoices.contains(published.choice),
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
            row.published.run.id, row.published.run.hardware, "\(row.published.job.cluster.gpus)", SearchAnswer.layout(row.published.job),
            row.own.map { rounded($0, 4) } ?? "-", rounded(row.published.run.stepTimeS, 4), row.bestJob.map(SearchAnswer.layout) ?? "-",
            row.best.map { rounded($0.value, 4) } ?? "-", gain.map { rounded($0, 1) } ?? "-", row.isListed ? "yes" : "no",
            row.fits ? "yes" : "no", row.holds ? "yes" : "NO", "\(row.space)", row.isProven ? "yes" : "no", rounded(row.seconds, 2),
        ]
    }

    /// A row of a Markdown table.
    private static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "/") }.joined(separator: " | ") + " |\n"
    }

    /// What stands below the table.
    private func summary(_ rows: [Row], groups: Int, skipped: [String]) -> String {
        let gains = rows.compactMap { row in row.own.flatMap { own in row.best.map { (1 - $0.value / own) * 100 } } }.sorted()
        func count(_ isMet: (Row) -> Bool) -> String { "\(rows.count(where: isMet)) of \(rows.count)" }
        var lines = [
            "",
            "\(rows.count) published layouts of \(groups) jobs (model, hardware, GPUs, batch, software), which \(rows.reduce(0) { $0 + $1.published.rows }) rows of the tables share, each job searched anew:",
            "",
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
            lines += skipped.map { "  - \($0)" }
        }
        let lost = rows.filter { !$0.holds }.map(\.published.run.id)
        if !lost.isEmpty { lines.append("- where one of these does not hold: \(lost.joined(separator: ", "))") }
        return lines.joined(separator: "\n") + "\n"
    }
}
